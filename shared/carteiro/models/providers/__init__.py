"""One module for each provider and engine. Each has a constant `PROVIDER`, or `PROVIDERS` for a table, and imports
its SDK or engine on opening.
"""
