"""Records, normalising, matching, planning and errors: no I/O, no clock."""
