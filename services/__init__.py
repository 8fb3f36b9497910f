"""The worker services, one folder for each task. `carteiro.tasks.discovery` finds them by name."""
