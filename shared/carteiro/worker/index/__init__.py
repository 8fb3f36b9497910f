"""The index service: documents of a topic into a vector store. The same lanes as for requests, without replies."""
