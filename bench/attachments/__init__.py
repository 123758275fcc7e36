"""Files on their way: what memory and time they cost."""
