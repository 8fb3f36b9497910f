"""All services under mixed load and faults: the growth of resources, and one reply for each request."""
