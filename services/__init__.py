"""The worker services: one folder per task, found by name (`carteiro.cli.services`)."""
