"""Stores of documents, one module each."""
