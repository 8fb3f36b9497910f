"""Models that Transformers runs on PyTorch."""
