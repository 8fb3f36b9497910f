"""Deferred requests: their prompts are completed by batch jobs of a provider, at half the price."""
