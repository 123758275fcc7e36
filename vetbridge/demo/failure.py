"""What ends a demo before its audit."""

from __future__ import annotations


class DemoFailed(Exception):
    """The demo could not be played to its end. The text says what happened; it holds no personal data."""
