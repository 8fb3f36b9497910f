"""Execution of a model of any engine: its thread, its batches, its budget of tokens, and its errors."""
