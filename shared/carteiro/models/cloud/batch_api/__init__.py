"""Batch APIs: a provider completes prompts later and at a lower price."""
