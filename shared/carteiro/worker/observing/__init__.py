"""What can be seen of a worker: metrics, logs, traces, health."""
