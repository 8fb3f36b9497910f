"""One module for each provider and engine. Each has a constant `PROVIDER`, and imports its SDK or engine on opening."""
