"""Strict YAML, models and secret references."""
