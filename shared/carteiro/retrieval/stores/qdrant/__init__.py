"""Documents in Qdrant 1.17 or later, for workers of any number of machines.

Qdrant has no transactions. A writer first claims a document: its point gets a number that no other writer has. Then
chunks are added with that number, and in the end the document's point names the number as the one that counts. Searches
leave out chunks of other numbers, so a write is seen whole or not at all, and what an interrupted writer left is never
seen. The next write of the document deletes it.
"""
