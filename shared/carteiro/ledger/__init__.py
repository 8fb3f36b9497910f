"""The state of a partition that its commits carry."""
