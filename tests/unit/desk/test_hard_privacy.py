"""Forgetting an owner reaches all of them, and nobody else: by records that moved, copies that were being made, ids
that two people share, and ledgers that are restored."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
from sqlmodel import select

from tests import ledgers
from tests.rig import KEY, Rig
from vetbridge.config.address import Address
from vetbridge.config.models import Config
from vetbridge.config.secrets import Secret
from vetbridge.core.records import Kind
from vetbridge.desk import privacy
from vetbridge.ledger import backup, changes, mirror, rekeying, restoring, reviews, worklist
from vetbridge.ledger.suppression import Key
from vetbridge.ledger.tables import Change, Link, Mirror, Subject, SubjectKey, Worklist

ZEB = ("Zebedeus", "Quillfeather", "+447911777123", "Xylophonka")
WORDS = ("zebedeus", "quillfeather", "7911777123", "xylophonka")
NORA = ("Nora", "Neighbour", "+447911000002", "Bello")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    (tmp_path / "ledger").mkdir()
    rig = Rig(tmp_path / "ledger")
    rig.meet(start_live=True)
    rig.owner(*NORA)
    rig.zeb = rig.owner(*ZEB)  # type: ignore[attr-defined]
    rig.pair_up()
    rig.book(*ZEB, hours=5)
    rig.book(*NORA, hours=7)
    rig.run()
    return rig


def owner(rig: Rig) -> Key:
    return Key("pims", Kind.CLIENT, rig.zeb)  # type: ignore[attr-defined]


def config_of(rig: Rig, folder: Path | None = None) -> Config:
    settings = None if folder is None else SimpleNamespace(folder=folder)
    ledger = SimpleNamespace(place=rig.place, key=Secret.of(KEY))
    return cast(Config, SimpleNamespace(backup=settings, ledger=ledger, sites=rig.sites()))


def forget(rig: Rig, folder: Path | None = None) -> privacy.Forgotten:
    return privacy.forget(rig.ledger, config_of(rig, folder), rig.clock, owner(rig), by="dpo", anyway=True)


def opened(rig: Rig) -> list[str]:
    """The tables in which something sealed shows a word of the owner."""
    found = set()
    for name, table in ledgers.dump(rig.place).items():
        for value in (value for row in table for value in row if isinstance(value, bytes)):
            says = json.dumps(rig.ledger.sealer.open(value), ensure_ascii=False).lower()
            found |= {name for word in WORDS if word in says}
    return sorted(found)


def written(rig: Rig) -> tuple[Any, Any]:
    return [
        [(row["id"], row["state"], row["start"]) for row in side.rows(Kind.APPOINTMENT)]
        for side in (rig.booking, rig.pims)
    ]  # type: ignore[return-value]


# -- all of them --------------------------------------------------------------------------------------------------


def test_who_was_deleted_at_the_pims_before_is_forgotten_with_their_pets(rig: Rig) -> None:
    (pet,) = (row["id"] for row in rig.pims.rows(Kind.PET) if row["owner"] == owner(rig).id)
    with rig.ledger.write() as tx:
        # As it is where the booking side knows pets.
        tx.session.add(
            Link(
                site="town",
                kind=Kind.PET,
                booking_account="booking",
                booking_id="p77",
                pims_account="pims",
                pims_id=pet,
                origin="paired",
                created_at=tx.now,
                updated_at=tx.now,
                pims_base_sealed=tx.sealer.seal({"name": "Xylophonka"}),
            )
        )
        tx.session.execute(sa.delete(Mirror).where(sa.column("remote_id").in_([pet, owner(rig).id])))
    done = forget(rig)
    assert f"pims/pet/{pet}" in done.forgotten.pets
    assert opened(rig) == []


def test_a_booking_without_a_client_that_turns_out_to_be_theirs_keeps_nothing_of_whom(rig: Rig) -> None:
    forget(rig)
    id_ = rig.book(*ZEB, hours=30, owner=None)
    rig.run()
    assert rig.endings()[-1] == ("failed", "forgotten-client")
    assert rig.changes()[-1].remote_id == id_
    assert opened(rig) == []


def test_whoever_is_paired_while_they_are_forgotten_is_not_noted_anew(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_all = _forgets_when(rig, monkeypatch)
    with rig.ledger.write() as tx:
        tx.session.execute(sa.update(Link).where(sa.column("kind") == "appointment").values(ended_at=tx.now))
        for table in (SubjectKey, Subject):
            tx.session.execute(sa.delete(table))
    rig.pair_up()
    assert forget_all
    assert opened(rig) == []
    with rig.ledger.read() as tx:
        assert [each.booking_id for each in tx.session.exec(select(Link).where(Link.origin == "paired"))], (
            "others are"
        )


def _forgets_when(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> list[privacy.Forgotten]:
    """They are forgotten once pairing has read both sides."""
    done: list[privacy.Forgotten] = []
    whose: Callable[..., Any] = rig.pairer._whose

    def interrupted(here: Any) -> Any:
        if not done:
            done.append(forget(rig))
        return whose(here)

    monkeypatch.setattr(rig.pairer, "_whose", interrupted)
    return done


# -- nobody else --------------------------------------------------------------------------------------------------


def test_the_same_id_at_another_account_is_somebody_else(rig: Rig) -> None:
    """Two practices of a chain count their clients from 1, each for itself."""
    theirs = owner(rig).id
    with rig.ledger.write() as tx:
        more = {"site": "village", "account": "village-pims", "kind": Kind.APPOINTMENT, "remote_id": "77"}
        change = changes.receive(tx, source="poll", **more)
        line = worklist.put(
            tx,
            change,
            account="village-pims",
            kind=Kind.APPOINTMENT,
            remote_id="77",
            task=worklist.RELINK,
            details={"client_id": theirs},
            visit_at=None,
        )
        question = {"why": "contact-shared", "candidates": [{"client_id": theirs}]}
        reviews.ask(tx, change, why="contact-shared", visit_at=None, question=question)
        number = line.id
    done = forget(rig)
    assert done.is_whole
    with rig.ledger.read() as tx:
        row = tx.session.get_one(Worklist, number)
        assert (row.state, row.details_sealed is not None) == ("open", True)
        (item,) = (each for each in reviews.open_items(tx) if each.site == "village")
        assert reviews.question(tx, item)["candidates"][0] == {"client_id": theirs}


def test_a_pet_that_is_somebody_elses_by_now_is_theirs_to_keep(rig: Rig) -> None:
    (pet,) = (row["id"] for row in rig.pims.rows(Kind.PET) if row["owner"] == owner(rig).id)
    forget(rig)
    (nora,) = (row["id"] for row in rig.pims.rows(Kind.CLIENT) if row["name"]["family"] == "Neighbour")
    rig.pims.edit(Kind.PET, pet, {"owner": nora, "name": "Wuffzilla"})
    rig.refresher.pass_()
    with rig.ledger.read() as tx:
        known = mirror.client(tx, "pims", nora)
        assert known is not None
        assert {each.name for each in known.pets} == {"Bello", "Wuffzilla"}
    pets = len(rig.pims.rows(Kind.PET))
    rig.book("Nora", "Neighbour", "+447911000002", "Wuffzilla", hours=50)
    rig.run()
    assert rig.endings()[-1] == ("done", "matched")
    assert len(rig.pims.rows(Kind.PET)) == pets, "it is not made a second time"


def test_an_export_shows_nobody_else(rig: Rig) -> None:
    with rig.ledger.write() as tx:
        change = tx.session.exec(select(Change).where(Change.kind == Kind.APPOINTMENT)).first()
        assert change is not None
        seen = [{"field": "phone", "here": ZEB[2], "there": "+447911555555", "words": "Hermione Stranger"}]
        question = {
            "why": "contact-shared",
            "booking": {"booker": "Zebedeus"},
            "words": "the contact is shared",
            "candidates": [
                {"client_id": "c999", "evidence": seen},
                {"client_id": owner(rig).id, "evidence": [{"field": "name", "there": "Zebedeus"}]},
            ],
        }
        reviews.ask(tx, change, why="contact-shared", visit_at=None, question=question)
    shown = json.dumps(privacy.export(rig.ledger, owner(rig), by="dpo"), default=str)
    assert "Hermione" not in shown
    assert "+447911555555" not in shown
    assert "c999" not in shown
    assert shown.count("contact-shared") >= 2
    for word in ("Neighbour", "Bello", NORA[2]):
        assert word not in shown
    for word in ("Zebedeus", "Quillfeather", "Xylophonka"):
        assert word in shown


def test_who_may_be_the_same_person_is_named(rig: Rig) -> None:
    twin = rig.owner("Z.", "Quillfeather", ZEB[2], "Xylophonka")
    rig.refresher.pass_()
    with rig.ledger.read() as tx:
        assert privacy.planned(tx, owner(rig)).alike == (f"pims/{twin}",)
    forget(rig)
    with rig.ledger.read() as tx:
        assert mirror.client(tx, "pims", twin) is not None, "they are named, not forgotten"


# -- both sides ---------------------------------------------------------------------------------------------------


def test_nothing_is_written_at_either_side_neither_then_nor_when_a_visit_is_cancelled(rig: Rig) -> None:
    before = written(rig)
    forget(rig)
    for _ in range(2):
        rig.run()
        rig.sweeper.sweep()
        rig.settle()
        rig.pair_up()
        rig.clock.advance(600)
    assert written(rig) == before
    (visit,) = (row for row in rig.visits() if row["owner"] == owner(rig).id)
    rig.pims.edit(Kind.APPOINTMENT, visit["id"], {"state": "cancelled"})
    rig.run()
    assert written(rig)[0] == before[0]


@pytest.mark.parametrize("hinted", ["booking", "pims", "both"])
def test_who_is_let_in_again_gets_no_visit_twice(rig: Rig, hinted: str) -> None:
    before = written(rig)
    forget(rig)
    rig.run()
    with rig.ledger.write() as tx:
        assert privacy.readmit(tx, owner(rig), by="dpo")
    rig.settle()
    assert written(rig) == before
    for account, side in (("booking", rig.booking), ("pims", rig.pims)):
        for row in side.rows(Kind.APPOINTMENT) if hinted in (account, "both") else ():
            rig.hint_kind(Kind.APPOINTMENT, row["id"], account)
    rig.settle()
    rig.pair_up()  # as the daemon does then
    rig.settle()
    rig.run()
    rig.sweeper.sweep()
    rig.settle()
    assert written(rig) == before
    rig.booking.edit(Kind.APPOINTMENT, rig.booking.rows(Kind.APPOINTMENT)[0]["id"], {"state": "cancelled"})
    rig.run()
    assert [state for _, state, _ in written(rig)[1]] == ["cancelled", "booked"], "it is followed as before"


# -- copies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", [False, True])
def test_a_backup_from_elsewhere_does_not_bring_them_back(rig: Rig, tmp_path: Path, changed: bool) -> None:
    """``changed``: the ledger has another key by now, and the backup the one from before."""
    copy = backup.make(rig.place, KEY, tmp_path / "usb-stick.db", rig.clock.now()).path
    rig.clock.advance(3600)
    forget(rig)
    rig.ledger.close()
    if changed:
        rekeying.rekey(rig.place, KEY, "another key " * 4, rig.clock, by="Kim")
    done = restoring.restore(rig.place, copy, KEY, rig.clock.now(), by="Kim", aside=tmp_path)
    rig.start()
    assert done.forgotten == 1
    assert opened(rig) == []
    raw = ledgers.contents(rig.place)
    with rig.ledger.read() as tx:
        assert mirror.client(tx, "pims", owner(rig).id) is None
    assert not any(word.encode() in raw.lower() for word in WORDS)
    rig.run()
    assert opened(rig) == []


def test_copies_that_are_not_whole_yet_are_named(rig: Rig, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "vetbridge-20260301T020000Z-4711.part").write_bytes(b"half of it")
    done = forget(rig, folder)
    assert [(each.path.name, each.erased) for each in done.backups] == [
        ("vetbridge-20260301T020000Z-4711.part", False)
    ]
    assert "being made" in done.backups[0].why
    assert not done.is_whole


@pytest.mark.sqlite_file("what stands beside a file")
def test_what_a_restore_that_was_killed_has_left_is_named(rig: Rig) -> None:
    assert isinstance(rig.place, Path)
    shutil.copyfile(rig.place, rig.place.with_name(f"{rig.place.name}.restoring"))
    done = forget(rig)
    assert [each.path.name for each in done.backups] == [f"{rig.place.name}.restoring"]
    assert not done.is_whole


def test_copies_of_a_database_beside_the_config_are_known(tmp_path: Path) -> None:
    made = tmp_path / backup.name_of(backup_moment(), "0009")
    made.write_bytes(b"")
    ledger = SimpleNamespace(place=Address("postgresql://kim@db/vetbridge"))
    config = cast(Config, SimpleNamespace(backup=None, ledger=ledger))
    assert [each.path for each in privacy._backups(config, tmp_path)] == [made]


def backup_moment() -> Any:
    from vetbridge.testing.clock import FakeClock  # noqa: PLC0415

    return FakeClock().now()
