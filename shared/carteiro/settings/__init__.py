"""Settings: environment variables, their checks, and the names that look like them."""
