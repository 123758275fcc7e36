"""One YAML table per vendor: native <-> canonical."""
