"""Carteiro beside what a Python developer would write instead, on the same Kafka in one run."""
