"""Requests that can wait, of all tasks: gathered into batches of a provider."""
