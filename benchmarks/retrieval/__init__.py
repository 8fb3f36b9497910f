"""Embedded stores of vectors, compared."""
