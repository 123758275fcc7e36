"""The mapping runtime: native <-> canonical, by table."""
