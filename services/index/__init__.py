"""The index service: the worker of the collections that CARTEIRO_COLLECTIONS names."""
