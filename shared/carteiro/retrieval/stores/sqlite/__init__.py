"""Documents in a SQLite file, for any number of processes of one machine. It needs no server."""
