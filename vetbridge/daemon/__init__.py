"""The long-running process: clock, dispatcher, single-instance lock."""
