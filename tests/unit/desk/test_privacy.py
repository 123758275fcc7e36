"""What an owner may ask for, by command; who has looked at whose data; and the proof that the audit stands."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from tests.unit.desk.practice import Desk, Parked
from vetbridge.core.records import Client, Kind
from vetbridge.ledger import access, audit, links, mirror, reviews, subjects
from vetbridge.ledger.audit import Act
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Audit, Change

OWNER = "ezyvet-city/1002"


@pytest.fixture
def known(ledger: Ledger, parked: Parked) -> int:
    """James Harris of the PIMS is the client 2001 of the booking side; returns the question about his booking."""
    with ledger.write() as tx:
        link = links.put(
            tx,
            site="city",
            kind=Kind.CLIENT,
            booking_account="altegio-city",
            booking_id="2001",
            pims_account="ezyvet-city",
            pims_id="1002",
            origin="matched",
        )
        bases = {"name": "James Harris"}
        links.set_bases(tx, link, booking=bases, pims=bases, booking_mapping="m", pims_mapping="m", pims_version=None)
        (item,) = reviews.open_items(tx)
        booking = reviews.question(tx, item)["booking"]
        change = tx.session.exec(select(Change)).one()
        subjects.note(tx, change.record_id, booking, country="GB", account="altegio-city")
        assert item.id is not None
        return item.id


def test_the_export_says_all_in_words_that_can_be_read(desk: Desk, known: int) -> None:
    data = desk.data("privacy", "export", OWNER)
    assert data["owner"]["clients"] == ["altegio-city/2001", OWNER]
    assert data["owner"]["pets"] == ["ezyvet-city/pet/5002", "ezyvet-city/pet/5003"]
    assert data["owner"]["visits"] == ["altegio-city/appointment/30001", "ezyvet-city/appointment/77"]
    assert data["owner"]["forgotten"] is False
    mirrored = {row["remote_id"]: row["content"] for row in data["mirror"]}
    assert mirrored["1002"]["family_name"] == "Harris"
    assert mirrored["5003"]["name"] == "Rex"
    assert data["subjects"][0]["content"]["booker"]["phones"] == ["+447700900123"]
    assert data["questions"][0]["question"]["booking"]["notes"].startswith("Please")
    assert [row["booking_base"] for row in data["links"] if row["kind"] == "client"] == [{"name": "James Harris"}]
    assert data["match_keys"]["count"] > 0
    assert "_hash" not in json.dumps(data)
    assert "_sealed" not in json.dumps(data)
    assert [(row["what"], row["subject_id"]) for row in data["accesses"]] == [("export", OWNER)]
    assert [row["act"] for row in data["acts"] if row["subject"] == "client"] == ["owner-exported"]


def test_the_export_goes_to_a_file_that_only_its_owner_may_read(desk: Desk, known: int) -> None:
    file = desk.folder / "owner.json"
    result = desk.run("privacy", "export", OWNER, "--to", str(file))
    assert result.exit_code == 0
    assert file.stat().st_mode & 0o077 == 0
    assert json.loads(file.read_text(encoding="utf-8"))["owner"]["clients"] == ["altegio-city/2001", OWNER]
    assert "Harris" not in result.output


@pytest.mark.parametrize(
    ("text", "says"), [("harris", "several owners fit"), ("nobody-is-called-so", "no owner fits")]
)
def test_a_search_must_find_just_one_owner(desk: Desk, ledger: Ledger, known: int, text: str, says: str) -> None:
    with ledger.write() as tx:
        mirror.put(tx, "ezyvet-city", [Client(id="1003", given_name="Jane", family_name="Harris")])
    for command in ("export", "forget", "readmit"):
        result = desk.run("privacy", command, text)
        assert result.exit_code == 2
        assert says in result.stderr
        assert "Jane" not in result.output
    assert desk.run("privacy", "export", "jane", "harris").exit_code == 0


def test_the_placeholder_is_nobody(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        mirror.put(tx, "ezyvet-city", [Client(id="900", family_name="Placeholder")])
    result = desk.run("privacy", "forget", "ezyvet-city/900")
    assert result.exit_code == 2
    assert "placeholder" in result.stderr


def test_forgetting_is_planned_refused_done_and_said_again(desk: Desk, ledger: Ledger, known: int) -> None:
    planned = desk.run("privacy", "forget", OWNER, "--plan")
    assert planned.exit_code == 0
    assert "2 clients: altegio-city/2001" in planned.stdout
    assert "Nothing was done." in planned.stdout
    refused = desk.run("privacy", "forget", OWNER)
    assert refused.exit_code == 2
    assert "altegio-city/appointment/30001" in refused.stderr
    assert "--anyway" in refused.stderr
    with ledger.read() as tx:
        assert mirror.client(tx, "ezyvet-city", "1002") is not None

    done = desk.run("privacy", "forget", OWNER, "--anyway", "--by", "dpo")
    assert done.exit_code == 0, done.output
    assert "both sides still have the owner" in done.stdout.lower().replace("\n", " ")
    assert "Harris" not in done.output
    with ledger.read() as tx:
        assert mirror.client(tx, "ezyvet-city", "1002") is None
        assert reviews.open_items(tx) == ()
        acts = audit.entries(tx, act=Act.OWNER_FORGOTTEN)
        assert [(row.by, row.subject_id) for row in acts] == [("dpo", OWNER)]
    assert desk.data("find", "harris")["visits"] == []
    exported = desk.data("privacy", "export", OWNER)
    assert exported["owner"]["forgotten"] is True
    assert exported["mirror"] == []
    assert "Harris" not in json.dumps(exported)
    assert desk.data("privacy", "forget", OWNER)["planned"] is False


def test_only_who_was_forgotten_is_let_in_again(desk: Desk, ledger: Ledger, known: int) -> None:
    assert "nobody has forgotten" in desk.run("privacy", "readmit", OWNER).stderr
    desk.run("privacy", "forget", OWNER, "--anyway")
    assert desk.data("privacy", "readmit", "altegio-city/2001", "--plan")["planned"] is True
    assert desk.data("privacy", "readmit", "altegio-city/2001")["records"] == 6
    with ledger.write() as tx:
        mirror.put(tx, "ezyvet-city", [Client(id="1002", family_name="Harris")])
        assert mirror.client(tx, "ezyvet-city", "1002") is not None


def test_who_looks_is_noted_once_in_ten_minutes(desk: Desk, ledger: Ledger, known: int) -> None:
    for _ in range(2):
        desk.run("review", "show", str(known))
        desk.run("find", "harris")
        desk.run("changes", "show", "1")
        desk.run("review", "search", "harris")
    found = {(row["what"], row["subject"], row["subject_id"], row["via"]) for row in desk.data("privacy", "accesses")}
    assert found == {
        ("question", "review", str(known), "command"),
        ("search", "record", "1", "command"),
        ("history", "change", "1", "command"),
        ("search", "client", OWNER, "command"),
    }
    assert len(desk.data("privacy", "accesses")) == len(found)
    only = desk.data("privacy", "accesses", "--subject", f"review/{known}")
    assert [row["what"] for row in only] == ["question"]
    # By the ledger's own clock: another person at once, the same one later.
    access.note_questions(ledger, [known], by="ann", via=audit.PAGE)
    access.note_questions(ledger, [known], by="ann", via=audit.API)
    desk.clock.advance(timedelta(minutes=11).total_seconds())
    access.note_questions(ledger, [known], by="ann", via=audit.PAGE)
    assert len(desk.data("privacy", "accesses", "--by", "ann")) == 2


def test_the_audit_is_proven_and_what_does_not_fit_is_named(desk: Desk, ledger: Ledger, known: int) -> None:
    assert "nothing to verify" in desk.run("audit", "verify").stdout
    desk.run("privacy", "export", OWNER)
    found = desk.data("audit", "verify")
    assert (found["seals"], found["acts"], found["unsealed"]) == (1, 1, 0)
    with ledger.write() as tx:
        tx.session.execute(sa.update(Audit).where(col(Audit.id) == 1).values(by="nobody"))
    result = desk.run("audit", "verify")
    assert result.exit_code == 6
    assert "acts 1 to 1" in result.stderr
    assert "one of them was changed" in result.stderr


def test_without_a_ledger_it_says_so(desk: Desk) -> None:
    assert not desk.has_ledger()
    assert [desk.run("privacy", "accesses").exit_code, desk.run("audit", "verify").exit_code] == [6, 6]
    assert not any(Path(desk.folder).glob("*.part"))
