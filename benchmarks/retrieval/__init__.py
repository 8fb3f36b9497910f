"""The quality of searches and answers on the corpus of `tests/quality`."""
