"""Sources of the documents of collections."""
