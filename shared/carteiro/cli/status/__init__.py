"""`carteiro status`: what the workers do, by task."""
