"""The work that a local model saves if it keeps the beginnings of prompts."""
