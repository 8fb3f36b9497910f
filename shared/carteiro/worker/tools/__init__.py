"""Tools that the worker runs for models: Kafka topics and MCP servers."""
