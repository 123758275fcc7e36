"""One folder per vendor: connector, wire shapes and simulator."""
