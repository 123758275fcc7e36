"""VetBridge keeps booking platforms and veterinary practice systems in agreement."""

__version__ = "0.1.0"
