"""Connections to MCP servers, over which no answer costs much memory or time, whatever a server sends."""
