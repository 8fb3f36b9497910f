"""Speed and size of collections: their stores, searches, and the index service."""
