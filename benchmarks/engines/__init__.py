"""A local model by its engines, side by side."""
