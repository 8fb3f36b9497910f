"""Conversations that the service keeps."""
