"""Deferrable requests next to a live stream: their effect on the stream, on memory, and on the cost."""
