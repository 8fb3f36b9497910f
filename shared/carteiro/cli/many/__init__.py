"""`carteiro ask --jsonl`: the requests of a file, in a job that can be ended and gone on with at any point."""
