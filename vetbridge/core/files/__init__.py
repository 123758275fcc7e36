"""Files from outside: what is in them, whether they do harm, and a name that does none."""

from vetbridge.core.files.inspecting import LIMITS, Finding, inspect, too_large_by_head
from vetbridge.core.files.naming import safe_name
from vetbridge.core.files.rules import MEGABYTE, TYPES, FileRules, Limits, wanted_name

__all__ = [
    "LIMITS",
    "MEGABYTE",
    "TYPES",
    "FileRules",
    "Finding",
    "Limits",
    "inspect",
    "safe_name",
    "too_large_by_head",
    "wanted_name",
]
