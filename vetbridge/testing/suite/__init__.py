"""The conformance suite: what every connector must hold to, run against its side.

A connector enrols with a ``Subject`` (its side, its mapping, and the switches for faults) and a class::

    class TestEzyVet(ConnectorSuite):
        def make(self) -> Subject:
            return SimulatedSubject(plugin("ezyvet"), options=..., codes=...)

Needs pytest. One module per group or few, named below. Where a connector does not declare an ability, its tests are
skipped by name; that it then refuses is what the group honesty tests.
"""

from __future__ import annotations

from vetbridge.testing.suite.base import clock_changes, field_of, stamp_of
from vetbridge.testing.suite.faults import Faults
from vetbridge.testing.suite.files import Files
from vetbridge.testing.suite.handed import Handed
from vetbridge.testing.suite.honesty import Honesty
from vetbridge.testing.suite.hygiene import Hints, Hygiene
from vetbridge.testing.suite.identity import Identity
from vetbridge.testing.suite.logs import Logs
from vetbridge.testing.suite.once import Changing, Creating
from vetbridge.testing.suite.reading import Cursors, Marks, Paging, Reading
from vetbridge.testing.suite.searching import Searching
from vetbridge.testing.suite.services import DueServices, Services
from vetbridge.testing.suite.subject import Fault, SimulatedSubject, Subject
from vetbridge.testing.suite.values import Texts, Times
from vetbridge.testing.suite.visits import Cancelling, Relinking
from vetbridge.testing.suite.writing import Versions, Writing


class ConnectorSuite(
    Identity,
    Reading,
    Paging,
    Marks,
    Cursors,
    Searching,
    Writing,
    Versions,
    Cancelling,
    Relinking,
    Times,
    Texts,
    Creating,
    Changing,
    Handed,
    Files,
    DueServices,
    Services,
    Logs,
    Faults,
    Honesty,
    Hygiene,
    Hints,
):
    """Enrols one connector. Override the samples where a side needs others."""


__all__ = ["ConnectorSuite", "Fault", "SimulatedSubject", "Subject", "clock_changes", "field_of", "stamp_of"]
