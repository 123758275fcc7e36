"""Every door of VetBridge, knocked at with thousands of inputs that nobody sane would send. See docs/security.md."""
