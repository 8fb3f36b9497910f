"""Requests that can wait, beside a live stream: what they do to it, to memory, and to the bill."""
