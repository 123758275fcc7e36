"""VetBridge as a service of the machine: what is to be made for it, on each platform, as data first."""
