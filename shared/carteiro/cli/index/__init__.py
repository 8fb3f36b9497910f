"""`carteiro index`: collections of documents."""
