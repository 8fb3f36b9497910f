"""Prompts and completions of chat models, the same for all engines."""
