"""The answer service."""
