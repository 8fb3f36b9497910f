"""Summaries and translations by encoder-decoders, the same for all engines."""
