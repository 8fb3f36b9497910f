"""Memory of workers with packaged models."""
