"""All six services under mixed load and faults: what stays flat, and whether each request has one reply."""
