"""Carteiro next to the code that a Python developer would write instead, on the same Kafka in one run."""
