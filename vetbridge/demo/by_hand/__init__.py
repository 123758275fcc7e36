"""A played morning at a practice whose system has no API: files, a work list, and a clerk who types."""
