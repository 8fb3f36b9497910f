"""The generate service."""
