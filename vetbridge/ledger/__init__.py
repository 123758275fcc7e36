"""Tables, queries and migrations: the whole story of every change."""
