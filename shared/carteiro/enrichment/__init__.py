"""Enrichment of events: the file that describes it, its expressions, and what it writes into an event."""
