"""The pages at a worker's HTTP port: its state, a form for one request, and its AsyncAPI document to read."""
