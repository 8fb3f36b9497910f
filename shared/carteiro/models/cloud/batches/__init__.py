"""Prompts that are done later and for less: a provider's batches."""
