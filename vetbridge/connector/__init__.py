"""The connector interface, registry, HTTP client and budgets: all that a vendor's folder may build on."""
