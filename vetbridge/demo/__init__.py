"""A played morning at a clinic, and its independent audit."""
