"""Causal language models, run by OpenVINO GenAI."""
