"""Commands: parse, draw; they build the program from its parts."""
