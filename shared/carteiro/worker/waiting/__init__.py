"""Requests that can wait: set aside, gathered into batches of a provider, and answered at half the price."""
