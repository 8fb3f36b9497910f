"""Tasks: the definition of a task, and the tasks that are installed."""
