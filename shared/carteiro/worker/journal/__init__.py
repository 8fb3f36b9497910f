"""The journal of calls: finished calls of requests that make several, kept until their reply is committed."""
