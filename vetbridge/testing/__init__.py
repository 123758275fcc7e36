"""Conformance suite, simulator kit and clinic generator, shared by tests, demo and bench."""
