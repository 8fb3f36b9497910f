"""Text processing that needs no model."""
