"""The work that a local model is spared if it keeps the beginnings of prompts."""
