"""Documents in PostgreSQL with the extension pgvector 0.8 or later, for workers of any number of machines."""
