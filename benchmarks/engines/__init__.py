"""Comparison of a local model's engines."""
