"""Collections of documents that are searched by meaning and by words."""
