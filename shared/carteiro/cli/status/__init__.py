"""`carteiro status`: the state of the workers, by task."""
