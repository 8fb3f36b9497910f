"""Models that run in this process by other engines than PyTorch: optional, and chosen by the model's name."""
