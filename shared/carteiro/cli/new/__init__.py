"""`carteiro new`: the start of a task or of a kind of model, for a developer of this project."""
