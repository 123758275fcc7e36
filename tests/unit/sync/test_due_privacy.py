"""Whoever is forgotten leaves nothing of what was due behind; what is kept of visits ends."""

from __future__ import annotations

from pathlib import Path

from sqlmodel import select

from tests.unit.sync.due_rig import NOTICES, Town
from vetbridge.config.models import Retention
from vetbridge.core.records import Kind
from vetbridge.ledger import disclosure, forgetting, holdings, mirror, owners, pruning
from vetbridge.ledger.suppression import Key
from vetbridge.ledger.tables import Action, Due, Mirror, Notice


def told_town(folder: Path) -> tuple[Town, str, str]:
    """A town where Ann was told, and Bob too; Ann's id, and her pet's."""
    town = Town(folder, notices=NOTICES)
    ann, (tom,), _ = town.family("Ann", "Tom")
    _, (rex,), _ = town.family("Bob", "Rex", phone="+447912000002")
    for pet in (tom, rex):
        town.due(pet, 15)
        town.pims.add(Kind.VACCINATION, {"pet_id": pet, "name": "Rabies", "given_on": town.day(-300)})
    start = f"{town.day(80)}T10:00:00+00:00"
    town.pims.add(
        Kind.APPOINTMENT, {"owner": ann, "pet": tom, "start": start, "seconds": 900, "type": "2", "who": "v1"}
    )
    town.cycle()
    assert len(town.booking.messages) == 2
    return town, ann, tom


def test_who_is_forgotten_leaves_nothing_of_what_was_due(tmp_path: Path) -> None:
    town, ann, tom = told_town(tmp_path)
    with town.ledger.write() as tx:
        found = holdings.held(tx, owners.owner_of(tx, {Key("pims", Kind.CLIENT, ann)}))
        shown = disclosure.disclosed(tx, found)
        assert [row["content"]["shown"]["name"] for row in shown["due_services"]] == ["Rabies"]
        assert [row["state"] for row in shown["notices"]] == ["sent"]
        assert {row["kind"] for row in shown["mirror"]} == {"client", "pet", "reminder", "vaccination", "appointment"}
        forgetting.forget(tx, found)
        assert len(tx.session.exec(select(Due)).all()) == 1
        assert len(tx.session.exec(select(Notice)).all()) == 1
        assert tom not in tx.session.exec(select(Mirror.parent_id)).all()
        left = [row for row in tx.session.exec(select(Action)) if row.payload_sealed is not None]
        assert [row.remote_id for row in left] == ["c2"]
    written = len(town.booking.written)
    for pet in town.pims.rows(Kind.REMINDER):
        town.pims.edit(Kind.REMINDER, pet["id"], {"name": "Rabies again"})
    town.cycle()
    assert [write.id for write in town.booking.written[written:]] == ["c2"]


def test_visits_that_are_long_over_are_dropped(tmp_path: Path) -> None:
    town, _, _ = told_town(tmp_path)
    town.later(days=470)
    with town.ledger.read() as tx:
        assert mirror.count(tx, "pims", Kind.APPOINTMENT) == 1
    pruning.prune_rows(town.ledger, Retention())
    with town.ledger.read() as tx:
        assert mirror.count(tx, "pims", Kind.APPOINTMENT) == 1
    town.later(days=20)
    pruning.prune_rows(town.ledger, Retention())
    with town.ledger.read() as tx:
        assert mirror.count(tx, "pims", Kind.APPOINTMENT) == 0
        assert mirror.count(tx, "pims", Kind.REMINDER) == 2
