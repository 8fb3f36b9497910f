"""The worker services: one folder per task, found by name (`carteiro.worker.services`)."""
