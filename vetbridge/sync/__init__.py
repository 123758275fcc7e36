"""What the daemon does: receive, resolve, plan, apply, settle."""
