"""First readings of both vendors' simulators, over HTTP: cut in the middle, taken up, shifted between two pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.altegio import api
from connectors.altegio import plugin as altegio
from connectors.ezyvet import plugin as ezyvet
from connectors.ezyvet.simulator import CODE_LISTS
from tests.conformance.test_altegio import CODES
from tests.conformance.test_altegio import options as altegio_options
from tests.conformance.test_ezyvet import options as ezyvet_options
from tests.rig import Rig
from vetbridge.connector.accounted import Accounted
from vetbridge.connector.interface import Operation, Page, Write
from vetbridge.core.errors import BadAnswer, Unavailable
from vetbridge.core.records import Client, Kind
from vetbridge.ledger import accounts, mirror
from vetbridge.sync.pair import End
from vetbridge.sync.refreshing import Refresher
from vetbridge.testing.suite import Fault, SimulatedSubject

VENDORS = ("altegio", "ezyvet")


@pytest.fixture(params=VENDORS)
def subject(request: pytest.FixtureRequest) -> Iterator[SimulatedSubject]:
    if request.param == "altegio":
        made = SimulatedSubject(
            altegio, options=altegio_options, secrets=("partner_token", "user_token"), codes=CODES, clients=60
        )
    else:
        made = SimulatedSubject(
            ezyvet, options=ezyvet_options, secrets=("client_secret",), codes=CODE_LISTS, clients=60
        )
    yield made
    made.close()


class Cut(Accounted):
    """Sets a fault of the side after so many pages of clients."""

    def __init__(self, rig: Rig, subject: SimulatedSubject) -> None:
        super().__init__(subject.connector, "pims", rig.clock)
        self.subject = subject
        self.after: int | None = None
        self.fault = Fault.BEFORE

    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        for number, page in enumerate(super().changes(kind, since, mark=mark), 1):
            yield page
            if kind is Kind.CLIENT and number == self.after:
                self.subject.fault(self.fault)


def refresher(folder: Path, subject: SimulatedSubject) -> tuple[Rig, Cut, Refresher]:
    rig = Rig(folder)
    cut = Cut(rig, subject)
    end = End(account="pims", connector=cut, mapper=subject.mapper, timeout=20)
    return rig, cut, Refresher(replace(rig.pair, pims=end), rig.ledger)


def complete(rig: Rig) -> bool:
    with rig.ledger.read() as tx:
        return accounts.get(tx, "pims").mirror_complete_at is not None


def everyone(subject: SimulatedSubject) -> dict[str, Client]:
    found = {}
    for page in subject.connector.changes(Kind.CLIENT, None):
        for each in page.records:
            record = subject.mapper.read(Kind.CLIENT, each.native or {})
            assert isinstance(record, Client)
            found[each.id] = record
    return found


def held(rig: Rig, ids: list[str]) -> dict[str, Client]:
    with rig.ledger.read() as tx:
        return {known.client.id or "": known.client for known in mirror.clients(tx, "pims", ids)}


def test_a_reading_that_an_outage_cuts_is_taken_up_where_it_was(tmp_path: Path, subject: SimulatedSubject) -> None:
    rig, cut, refreshing = refresher(tmp_path, subject)
    there = everyone(subject)
    before = subject.requests()
    pages = len(list(subject.connector.changes(Kind.CLIENT, None)))
    whole = subject.requests() - before
    cut.after = pages - 2
    with pytest.raises(Unavailable):
        refreshing.pass_()
    assert not complete(rig)
    subject.fault(None)
    cut.after = None
    pets = sum(1 for _ in subject.connector.changes(Kind.PET, None))
    rig.clock.advance(600)
    before = subject.requests()
    refreshing.pass_()
    assert complete(rig)
    assert held(rig, list(there)) == there
    assert subject.requests() - before <= whole * 3 / pages + pets + 3, "three pages, and what changed of pets"


def test_rows_that_shift_are_never_taken_for_all(tmp_path: Path, subject: SimulatedSubject) -> None:
    rig, cut, refreshing = refresher(tmp_path, subject)
    there = everyone(subject)
    for after in (2, 4):
        cut.after, cut.fault = after, Fault.BEFORE
        with suppress(Unavailable, BadAnswer):
            refreshing.pass_()
        subject.fault(None)
        rig.clock.advance(60)
        cut.after, cut.fault = 1, Fault.SHIFT
        with suppress(Unavailable, BadAnswer):
            refreshing.pass_()
        subject.fault(None)
        assert not complete(rig) or held(rig, list(there)) == there
        rig.clock.advance(60)
    cut.after = None
    refreshing.pass_()
    assert complete(rig)
    assert held(rig, list(there)) == there


def test_the_cursor_of_a_walk_that_was_taken_up_is_of_its_beginning(
    subject: SimulatedSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One changes on a page that was told, then one on a page that comes: the second one's time is no cursor."""
    monkeypatch.setattr(api, "parsedate_to_datetime", lambda _date: subject._simulator.clock.now())
    subject.pass_time(-timedelta(hours=6).total_seconds())  # so that no stamp is ahead of ours
    pages = list(subject.connector.changes(Kind.CLIENT, None))
    told, behind = pages[0].records[0].id, pages[-1].records[-1].id
    for id_ in (told, behind):
        subject.pass_time(7200)
        native = subject.mapper.write(Kind.CLIENT, {"given_name": "Meanwhile"})
        subject.connector.apply(Write(operation=Operation.UPDATE, kind=Kind.CLIENT, id=id_, native=native))
    rest = list(subject.connector.changes(Kind.CLIENT, None, mark=pages[1].mark))
    assert told not in {found.id for page in rest for found in page.records}
    changed = {found.id for page in subject.connector.changes(Kind.CLIENT, rest[-1].cursor) for found in page.records}
    assert {told, behind} <= changed
    assert len(changed) < len(pages) * 5, "and it is no cursor of the beginning of all"


def test_one_walk_reads_clients_and_pets_where_one_listing_holds_both(
    tmp_path: Path, subject: SimulatedSubject
) -> None:
    rig, _, refreshing = refresher(tmp_path, subject)
    for owner in list(everyone(subject))[:3]:
        fields = {"client_id": owner, "name": "Bella", "species": "dog", "sex": "female"}
        writable = subject.mapper.writable(Kind.PET)
        native = subject.mapper.write(Kind.PET, {name: fields[name] for name in fields if name in writable})
        subject.connector.apply(Write(operation=Operation.CREATE, kind=Kind.PET, id=None, native=native))
    before = subject.requests()
    pets = {found.id for page in subject.connector.changes(Kind.PET, None) for found in page.records}
    of_pets = subject.requests() - before
    list(subject.connector.changes(Kind.CLIENT, None))
    of_both = subject.requests() - before
    before = subject.requests()
    refreshing.pass_()
    asked = subject.requests() - before
    assert len(pets) >= 3
    with rig.ledger.read() as tx:
        mirrored = {pet.id for known in mirror.clients(tx, "pims", list(everyone(subject))) for pet in known.pets}
    assert mirrored == pets
    once = subject.connector.capabilities.of(Kind.PET).listed_with is Kind.CLIENT
    assert asked == of_both - of_pets * once
