"""Workers that are killed in the middle of requests of many calls: how many calls are made, and paid, again."""
