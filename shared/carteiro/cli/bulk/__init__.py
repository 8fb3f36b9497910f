"""`carteiro ask --jsonl`: the requests of a file, as a job that can be stopped and resumed at any point."""
