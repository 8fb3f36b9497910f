"""`carteiro dead`: list dead letters, and send their requests again."""
