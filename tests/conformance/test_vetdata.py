"""The connector ``vetdata`` under the conformance suite, over HTTP on its simulator: by a token and by Basic, by the
practice's own numbers and by the feed's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from connectors.vetdata import plugin
from connectors.vetdata.simulator import CODE_LISTS, VetDataFeed
from vetbridge.connector.secret import Secret
from vetbridge.core.records import Kind
from vetbridge.testing.suite import SimulatedSubject, Subject
from vetbridge.testing.suite.faults import Faults
from vetbridge.testing.suite.honesty import Honesty
from vetbridge.testing.suite.hygiene import Hygiene
from vetbridge.testing.suite.identity import Identity
from vetbridge.testing.suite.reading import GARBAGE, Cursors, Marks, Paging, Reading
from vetbridge.testing.suite.searching import Searching
from vetbridge.testing.suite.services import Services

YEAR = 365
CODES = {name: CODE_LISTS[name] for name in ("species", "sex")}
TABLES = {Kind.CLIENT: "sim_client", Kind.PET: "sim_patient", Kind.VACCINATION: "sim_vaccination"}


class Feed(SimulatedSubject):
    """Staff enter what no feed takes. Pages are short, so that a small practice has several."""

    def __init__(self, **more: Any) -> None:
        def options(credentials: Mapping[str, str]) -> dict[str, Any]:
            return {
                **credentials,
                "password": Secret.of(credentials["password"]),
                "auth_url": self._simulator.base_url,
                "page_size": 5,
                "vaccines": {"codes": ["12", "13", "14"]},
                "due_after_days": dict.fromkeys(("12", "13", "14"), YEAR),
                **more,
            }

        self._by_feed = more.get("keys") == "feed"
        super().__init__(plugin, options=options, secrets=("password",), codes=CODES, clients=12)
        assert isinstance(self._simulator, VetDataFeed)
        self.site: VetDataFeed = self._simulator
        self.enters = frozenset(TABLES)

    def remove(self, kind: Kind, id: str) -> bool:  # noqa: A002 - the interface's word
        """The row is gone from the practice; the feed shows it as removed."""
        if self._by_feed:
            return False
        self.site.practice.erase(kind, id)
        return True

    def seed(self, kind: Kind, values: Mapping[str, Any]) -> str | None:
        """Staff enter it, by their own numbers."""
        practice, known = self.site.practice, dict(values)
        if kind is Kind.CLIENT:
            [known["email"]] = known.pop("emails")
            return self._known_as(kind, practice.register_client(**known).id)
        if kind is Kind.PET:
            known["client_id"] = self._own(Kind.CLIENT, known["client_id"])
            return self._known_as(kind, practice.register_pet(**known).id)
        if kind is not Kind.VACCINATION:
            return None
        given = practice.vaccinate(
            pet_id=self._own(Kind.PET, known["pet_id"]),
            code=known["service"],
            description=known["name"],
            given_on=known["due_on"] - timedelta(days=YEAR),
        )
        return self._known_as(kind, given.id)

    def _known_as(self, kind: Kind, own: str) -> str:
        """The feed's number of a record, where it is known by that."""
        if kind is not Kind.VACCINATION and not self._by_feed:
            return own
        key = self.site.practice.tables[kind].key
        [row] = self.site.practice.rows(f"SELECT row_id FROM {TABLES[kind]} WHERE {key} = ?", (own,))  # noqa: S608
        return str(row["row_id"])

    def _own(self, kind: Kind, known: str) -> str:
        if not self._by_feed:
            return known
        key = self.site.practice.tables[kind].key
        [row] = self.site.practice.rows(f"SELECT {key} FROM {TABLES[kind]} WHERE row_id = ?", (int(known),))  # noqa: S608
        return str(row[key])


class TestVetData(Identity, Reading, Paging, Marks, Cursors, Searching, Services, Faults, Honesty, Hygiene):
    """The groups of what is written and of visits are left out: the feed has neither."""

    def make(self) -> Subject:
        return Feed()

    # To set up a practice takes longer than these, so they share one.

    def test_a_mark_that_is_none_begins_at_the_beginning(self, subject: Subject) -> None:  # type: ignore[override]
        for text in GARBAGE:
            super().test_a_mark_that_is_none_begins_at_the_beginning(subject, text)

    def test_cursor_that_is_none_skips_nothing(self, subject: Subject) -> None:  # type: ignore[override]
        for text in GARBAGE:
            super().test_cursor_that_is_none_skips_nothing(subject, text)


class TestVetDataTheOtherWay(Reading, Searching, Services):
    """The same with user and password, by the feed's own numbers, with vaccines by their category."""

    def make(self) -> Subject:
        return Feed(auth="basic", keys="feed", vaccines={"categories": ["VACC"], "codes": ["12", "13", "14"]})
