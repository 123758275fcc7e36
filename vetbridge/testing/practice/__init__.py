"""Practices without an API, for tests, rehearsals and the demo: a real database, exports to a folder, and a clerk.

A vendor's simulator writes a subclass of ``Practice`` with its tables, and one of ``PracticeSimulator``. Staff work
in the database itself; nothing here is imported by a connector.
"""

from vetbridge.testing.practice.clerk import Clerk, Deed, Slip, WorkList
from vetbridge.testing.practice.exports import Exporter, Form, Habit, Report
from vetbridge.testing.practice.practice import (
    DATABASE_FILE,
    NoSuchRecord,
    Practice,
    Table,
    wall,
)
from vetbridge.testing.practice.records import FIRST_CLIENT, FIRST_NEW, FIRST_PET, KeptClient, KeptPet, KeptVisit

__all__ = [
    "DATABASE_FILE",
    "FIRST_CLIENT",
    "FIRST_NEW",
    "FIRST_PET",
    "Clerk",
    "Deed",
    "Exporter",
    "Form",
    "Habit",
    "KeptClient",
    "KeptPet",
    "KeptVisit",
    "NoSuchRecord",
    "Practice",
    "Report",
    "Slip",
    "Table",
    "WorkList",
    "wall",
]
