"""Enrichment of foreign events: the same lanes and tasks as for requests, another way in and out."""
