"""After `privacy forget` nothing of an owner is found in the ledger's file, its log or the backups, by any search:
neither what was typed, nor how it was sealed, nor by what it was hashed. And nothing of them comes back."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from sqlmodel import select

from tests import ledgers
from tests.rig import KEY, Rig
from vetbridge.config.models import Config
from vetbridge.config.secrets import Secret
from vetbridge.connector.interface import Native
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.joining import Partner
from vetbridge.core.records import Client, Kind, Reminder, Vaccination
from vetbridge.desk import privacy
from vetbridge.desk.advice import next_step
from vetbridge.ledger import actions, backup, chains, due, holdings, links, mirror, owners, reviews, sqlite, worklist
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.restoring import restore
from vetbridge.ledger.suppression import Key
from vetbridge.ledger.tables import Action, ActionState, Attached, Change, FileLook, Review
from vetbridge.sync.importing import import_clients
from vetbridge.sync.refreshing import read_cards

GIVEN, FAMILY, SECOND = "Zebedeus", "Quillfeather", "Oldquillfeather"
PHONE, OTHER_PHONE, EMAIL = "+447911777123", "+447911777456", "zq@quillfeather.example"
PET, NEW_PET = "Xylophonka", "Wuffzilla"
COMMENT, NOTE, VACCINE = "gate code is zinnober", "rings the magenta bell", "Borreliavax"
PLANTED = (VACCINE, GIVEN, FAMILY, SECOND, PHONE, "7911777123", OTHER_PHONE, EMAIL, PET, NEW_PET, COMMENT, NOTE)


@dataclass
class Planted:
    """A town in which one owner has a long history."""

    rig: Rig
    config: Config
    client: Key
    hashes: set[str]
    """By which the ledger knows the owner, and nobody else."""
    sealed: set[bytes]
    """All that shows a word of the owner, as it is sealed."""
    backup: Path

    def contents(self) -> bytes:
        """All bytes of the ledger and its backups."""
        files = (file.read_bytes() for file in self.backup.parent.rglob("*") if file.is_file())
        return ledgers.contents(self.rig.place) + b"".join(files)

    def traces(self) -> list[str]:
        """What of the owner is found, in any form."""
        raw = self.contents()
        lower = raw.lower()
        found = [f"plain: {word}" for word in PLANTED if word.lower().encode() in lower]
        found += [f"sealed: {len(blob)} bytes" for blob in self.sealed if blob in raw]
        found += [f"hash: {each}" for each in self.hashes if each.encode() in raw]
        return found + [f"opens: {each}" for each in opened(self.rig)]


def hashes(rig: Rig) -> set[str]:
    """Every keyed hash that stands in the ledger."""
    texts = {
        str(value).removeprefix("file:")
        for name, table in ledgers.dump(rig.place).items()
        if name not in ("suppression", "meta", "alembic_version")
        for row in table
        for value in row
        if isinstance(value, str)
    }
    return {text for text in texts if len(text) == 32 and set(text) <= set("0123456789abcdef")}


def blobs(rig: Rig) -> Iterator[tuple[str, bytes, str]]:
    """Every sealed value of the ledger: its table, how it stands, and what it says."""
    for name, table in ledgers.dump(rig.place).items():
        for row in table:
            for value in row:
                if isinstance(value, bytes):
                    yield name, value, json.dumps(rig.ledger.sealer.open(value), ensure_ascii=False).lower()


def opened(rig: Rig) -> list[str]:
    """The tables in which something sealed shows a word of the owner."""
    return sorted({name for name, _, says in blobs(rig) if any(word.lower() in says for word in PLANTED)})


def live(rig: Rig) -> str:
    """The owner's history, through every table; returns their client in the PIMS."""
    row = Client(given_name=GIVEN, family_name=SECOND, phones=(OTHER_PHONE,), emails=(EMAIL,))
    (made,) = import_clients(rig.engine, rig.engine.importer("town"), rig.ledger, [row], rig.settle)
    client = made.client_id or ""
    rig.run()
    rig.pims.edit(Kind.CLIENT, client, {"name": {"given": GIVEN, "family": FAMILY}, "phones": [PHONE]})
    rig.pims.add(Kind.PET, {"owner": client, "name": PET, "species": "D"})
    rig.run()
    first = rig.book(GIVEN, FAMILY, PHONE, PET, hours=2, notes=COMMENT)
    second = rig.book(GIVEN, FAMILY, PHONE, NEW_PET, hours=4)
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, first, {"start": (rig.clock.now() + timedelta(hours=6)).isoformat()})
    rig.booking.edit(Kind.APPOINTMENT, second, {"state": "cancelled"})
    rig.run()
    read_cards(rig.pair, rig.ledger)
    # A first name that nobody knows under this phone: a person says who is meant, and notes something.
    third = rig.book("Hortensius", "Quux", PHONE, PET, hours=8)
    rig.booking.edit(Kind.APPOINTMENT, third, {"owner": None})
    rig.run()
    with rig.ledger.write() as tx:
        (item,) = reviews.open_items(tx)
        reviews.add_note(tx, item, "ann", NOTE)
        reviews.answer(tx, item, Answer(choice=Choice.LINK, client_id=client, pet_id=None), "ann")
    rig.settle()
    with rig.ledger.write() as tx:
        change = tx.session.exec(select(Change).where(Change.remote_id == first)).first()
        assert change is not None
        details = {"phone": [PHONE]}
        worklist.put(
            tx,
            change,
            account="pims",
            kind=Kind.CLIENT,
            remote_id=client,
            task=worklist.CONTACT,
            details=details,
            visit_at=None,
        )
        actions.reserve(tx, "pims", "contact", [f"phone:{PHONE}"], change.record_id)
        chains.looked(tx, "pims", {client: tx.sealer.hash(PHONE)})
        chains.join(tx, ("pims", client), ("elsewhere", "77"), Partner("77", 0.999))
        tell(tx, client)
    return client


def tell(tx: Transaction, client: str) -> None:
    """What is due for one of their pets stands on their card, they were sent a notice, and a file lies there."""
    (link, *_) = links.all_of_pims(tx, "pims", Kind.CLIENT, [client])
    (pet, *_) = mirror.clients(tx, "pims", [client])[0].pets
    due.put(tx, "pims", [Vaccination(id="1", pet_id=pet.id, name=VACCINE)])
    card = Reminder(id=link.booking_id, name=VACCINE, pet_name=PET)
    due.stands(tx, "booking", link.booking_id, "town", due.Standing(wanted=card, shown=card, stamp=""))
    due.intend(tx, "booking", link.booking_id, [VACCINE], "")
    at = {"account": "booking", "client_id": link.booking_id}
    tx.session.add(Attached(**at, content_hash=tx.sealer.hash(NOTE), remote_id="7", seen_at=tx.now))
    tx.session.add(FileLook(**at, looked_at=tx.now))


def name_elsewhere(rig: Rig, client: str) -> None:
    """Somebody else's booking, whose question, write, line and link name the owner."""
    id_ = rig.book("Otto", "Other", "+447911000001", "Rex", hours=72)
    rig.run()
    seen = [{"field": "email", "here": "", "there": EMAIL, "words": "no e-mail here"}]
    with rig.ledger.write() as tx:
        change = tx.session.exec(select(Change).where(Change.remote_id == id_)).one()
        question = {"candidates": [{"client_id": client, "evidence": seen}], "why": "contact-shared"}
        reviews.ask(tx, change, why="contact-shared", visit_at=None, question=question)
        payload = {"here": {"client_id": client}, "evidence": seen}
        more = {"account": "pims", "kind": Kind.APPOINTMENT, "remote_id": "77"}
        action = actions.intend(
            tx, change, operation="update", stamp="", fields=["client_id"], payload=payload, **more
        )
        actions.close(tx, action, ActionState.ANSWERED)
        details = {"client_id": client, "words": EMAIL}
        worklist.put(tx, change, task=worklist.RELINK, details=details, visit_at=None, **more)
        link = links.of_booking(tx, "booking", Kind.APPOINTMENT, id_)
        assert link is not None
        link.evidence_sealed = tx.sealer.seal(seen)


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    (tmp_path / "ledger").mkdir()
    (tmp_path / "backups").mkdir()
    rig = Rig(tmp_path / "ledger")
    rig.meet(start_live=True)
    rig.owner("Nora", "Neighbour", "+447911000002", "Bello")
    rig.pair_up()
    before = hashes(rig)
    client = live(rig)
    own = hashes(rig) - before
    name_elsewhere(rig, client)
    made = backup.make(rig.place, KEY, tmp_path / "backups", rig.clock.now())
    config = SimpleNamespace(
        backup=SimpleNamespace(folder=tmp_path / "backups"),
        ledger=SimpleNamespace(place=rig.place, key=Secret.of(KEY)),
        sites=rig.sites(),
    )
    return Planted(
        rig=rig,
        config=cast(Config, config),
        client=Key("pims", Kind.CLIENT, client),
        hashes=own,
        sealed={blob for _, blob, says in blobs(rig) if any(word.lower() in says for word in PLANTED)},
        backup=made.path,
    )


def forget(planted: Planted, *, anyway: bool = True) -> privacy.Forgotten:
    rig = planted.rig
    return privacy.forget(rig.ledger, planted.config, rig.clock, planted.client, by="dpo", anyway=anyway)


def held_now(planted: Planted) -> dict[str, int]:
    with planted.rig.ledger.read() as tx:
        return holdings.held(tx, owners.owner_of(tx, [planted.client])).counts(tx)


def touch(rig: Rig) -> None:
    """People at both sides change something of every record."""
    for side in (rig.pims, rig.booking):
        for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT):
            for row in side.rows(kind):
                side.edit(kind, row["id"], {"ref": f"{row['ref']}x"})


def test_nothing_of_an_owner_is_found_afterwards_and_nothing_comes_back(planted: Planted) -> None:
    rig = planted.rig
    assert all(held_now(planted).values()), "the history reaches every table"
    assert len(planted.hashes) > 40
    assert len(planted.sealed) > 20

    done = forget(planted)

    assert done.is_whole
    assert planted.traces() == []
    assert not any(held_now(planted).values())
    # Everything looks again: poll, sweep, refresh, pairing, a webhook about each record; people edit, days go by.
    for _ in range(2):
        touch(rig)
        rig.run()
        rig.sweeper.sweep()
        rig.settle()
        for account, side in (("pims", rig.pims), ("booking", rig.booking)):
            for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT):
                for row in side.rows(kind):
                    rig.hint_kind(kind, row["id"], account)
        rig.settle()
        rig.pair_up()
        rig.settle()
        rig.clock.advance(86400)
    assert planted.traces() == []
    with rig.ledger.read() as tx:
        theirs = owners.owner_of(tx, [planted.client]).records
    newest = {Key(one.account, one.kind, one.remote_id): (one.state, one.code) for one in rig.changes()}
    assert {newest[key] for key in theirs} == {("skipped", "forgotten")}


def test_a_new_booking_waits_for_a_person_and_readmitting_lets_it_through(planted: Planted) -> None:
    rig = planted.rig
    forget(planted)
    visits = len(rig.visits())
    rig.book(GIVEN, FAMILY, PHONE, PET, hours=90)  # by their card at the booking side, which is forgotten
    rig.run()
    assert planted.traces() == [], "its change says that it waits, and nothing of whom"
    rig.book(GIVEN, FAMILY, PHONE, PET, hours=92, owner=None)  # and as a guest, whom the PIMS would know
    rig.run()
    assert rig.endings()[-2:] == [("failed", "forgotten-client"), ("failed", "forgotten-client")]
    assert len(rig.visits()) == visits
    assert "forget" in next_step("forgotten-client") or "readmit" in next_step("forgotten-client")

    with rig.ledger.write() as tx:
        assert privacy.readmit(tx, planted.client, by="dpo") > 1
        assert privacy.readmit(tx, planted.client, by="dpo") == 0
    rig.pair_up()  # as the daemon does before it writes anything more
    for change in rig.changes()[-2:]:
        rig.hint(change.remote_id)
    rig.settle()
    assert rig.endings()[-2:] == [("done", "matched"), ("done", "matched")]
    assert len(rig.visits()) == visits + 2


def test_it_is_refused_while_visits_are_to_come_or_a_write_is_in_doubt(planted: Planted) -> None:
    rig = planted.rig
    with pytest.raises(privacy.NotNow) as refusal:
        forget(planted, anyway=False)
    assert [key.id for key, _ in refusal.value.obstacles.visits]
    with rig.ledger.write() as tx:
        action = tx.session.exec(select(Action).where(Action.remote_id == planted.client.id)).first()
        assert action is not None
        action.state = ActionState.UNKNOWN
    with pytest.raises(privacy.NotNow) as refusal:
        forget(planted)
    assert refusal.value.obstacles.writes == (action.change_id,)
    assert opened(rig), "nothing was erased"


def test_others_keep_what_they_have_and_are_asked_about_anew(planted: Planted) -> None:
    rig = planted.rig
    forget(planted)
    rig.settle()
    with rig.ledger.read() as tx:
        (item,) = tx.session.exec(select(Review).where(Review.why == "contact-shared")).all()
        assert (item.state, item.question_sealed) == ("closed", None)
        assert mirror.client(tx, "pims", "c3") is not None, "the neighbour"
    others = [change for change in rig.changes() if change.record_id == item.record_id]
    assert others[-1].source == "forgotten"
    assert others[-1].state in ("done", "review", "skipped")


def test_a_backup_that_does_not_open_is_named_and_a_restored_one_keeps_the_owner_out(planted: Planted) -> None:
    damaged = planted.backup.with_name(backup.name_of(planted.rig.clock.now() - timedelta(days=1), "0009"))
    damaged.write_bytes(b"no ledger at all")
    done = forget(planted)
    assert [(each.path.name, each.erased) for each in done.backups] == [
        (planted.backup.name, True),
        (damaged.name, False),
    ]
    assert not done.is_whole
    assert backup.inspect(planted.backup, KEY).rows["suppression"] > 1
    assert list(planted.backup.parent.glob("*-wal")) == []


def test_it_may_be_said_again_and_comes_to_the_same(planted: Planted) -> None:
    first = forget(planted)
    again = forget(planted)
    assert again.is_whole
    assert again.forgotten.rows == {}
    assert again.forgotten.visits == first.forgotten.visits, "a forgotten owner is still known by what it left"
    assert planted.traces() == []


def test_whoever_is_at_work_on_the_owner_settles_nothing(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = planted.rig
    read = rig.pims.get

    def get(kind: Kind, id_: str) -> Native | None:
        monkeypatch.setattr(rig.pims, "get", read)
        forget(planted)
        return read(kind, id_)

    (card,) = (row for row in rig.booking.rows(Kind.CLIENT) if PHONE in row["phones"])
    rig.booking.edit(Kind.CLIENT, card["id"], {"emails": [EMAIL]})
    rig.hint_kind(Kind.CLIENT, card["id"])
    monkeypatch.setattr(rig.pims, "get", get)
    rig.settle()
    assert planted.traces() == []


@pytest.mark.sqlite_file("it is about the file that others read meanwhile")
def test_while_others_read_the_file_is_not_written_anew_and_that_is_said(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.01)
    assert isinstance(planted.rig.place, Path)
    with closing(sqlite3.connect(planted.rig.place, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM audit").fetchone()
        done = forget(planted)
    assert (done.left, done.scrubbed, done.is_whole) == (0, False, False)
    assert forget(planted).is_whole
    assert planted.traces() == []


def test_a_backup_from_before_there_were_chains_is_restored_without_the_owner(planted: Planted) -> None:
    rig = planted.rig
    away = planted.backup.parent.parent / "away.db"  # where forgetting does not find it
    shutil.copyfile(planted.backup, away)
    with closing(sqlite3.connect(away)) as old:
        for table in ("joining", "joined", "install", "attached", "file_look", "due", "notice", "mass_end"):
            old.execute(f"DROP TABLE {table}")
        old.execute("ALTER TABLE link DROP COLUMN follows")
        old.execute("ALTER TABLE account DROP COLUMN failing_part")
        for column in ("action_id", "labels", "changed_at", "changed"):
            old.execute(f"ALTER TABLE worklist DROP COLUMN {column}")
        old.execute("UPDATE alembic_version SET version_num = '0009'")
        old.commit()
    forget(planted)
    rig.ledger.close()
    done = restore(rig.place, away, KEY, rig.clock.now(), by="admin", aside=planted.backup.parent)
    assert done.forgotten == 1
    rig.start()
    assert opened(rig) == []
