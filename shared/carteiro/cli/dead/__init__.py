"""`carteiro dead`: looking at dead letters, and sending their requests once more."""
