"""What people may see and do: status, changes, review."""
