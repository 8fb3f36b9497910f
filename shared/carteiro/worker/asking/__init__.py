"""What stands between a task and its models: the chain of them, gates, tries again, the bill."""
