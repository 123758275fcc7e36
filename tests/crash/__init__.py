"""Real processes, killed at any moment, and an audit of what stands at both sides afterwards."""
