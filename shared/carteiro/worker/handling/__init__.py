"""The handler of one request: its pipeline, its outcome, and the stores of earlier replies."""
