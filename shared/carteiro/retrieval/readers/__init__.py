"""Texts of files: plain text, Markdown, HTML, PDF and Word."""
