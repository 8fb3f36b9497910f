"""The life of a request inside a worker: intake, the task, the reply; and the worker around it."""
