"""Practices without an API, for tests, rehearsals and the demo: a real database, exports to a folder, and a clerk.

A vendor's simulator writes a subclass of ``Practice`` with its tables, and one of ``PracticeSimulator``; where no
table is known, of ``PlainPractice`` and ``PlainSimulator``. Staff work in the database itself; nothing here is
imported by a connector.
"""

from vetbridge.testing.practice.clerk import Clerk, Deed, Slip, WorkList
from vetbridge.testing.practice.exports import Exporter, Form, Habit, Report
from vetbridge.testing.practice.plain import PlainPractice
from vetbridge.testing.practice.practice import (
    DATABASE_FILE,
    NoSuchRecord,
    Practice,
    Table,
    wall,
)
from vetbridge.testing.practice.records import (
    FIRST_CLIENT,
    FIRST_NEW,
    FIRST_PET,
    KeptClient,
    KeptDocument,
    KeptMessage,
    KeptPet,
    KeptReminder,
    KeptVaccination,
    KeptVisit,
)

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
    "KeptDocument",
    "KeptMessage",
    "KeptPet",
    "KeptReminder",
    "KeptVaccination",
    "KeptVisit",
    "NoSuchRecord",
    "PlainPractice",
    "Practice",
    "Report",
    "Slip",
    "Table",
    "WorkList",
    "wall",
]
