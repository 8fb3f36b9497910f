"""`carteiro enrich`."""
