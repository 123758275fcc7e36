"""The webhook door and the health route."""
