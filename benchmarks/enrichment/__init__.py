"""Enrichment of events: Carteiro's `enrich` next to handlers written by hand with FastStream, and the mapping."""
