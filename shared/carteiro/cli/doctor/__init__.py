"""`carteiro doctor`: find problems, and say what to do."""
