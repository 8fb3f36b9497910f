"""Small asyncio building blocks that every layer uses."""
