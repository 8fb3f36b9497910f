"""Calls of models: fallback chain, circuit breakers, retries, budget."""
