"""The pages of failures: what failed and what to do, trying it again after a look, acknowledging it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.unit.desk.practice import Settled
from tests.unit.web.served import Served
from vetbridge.core.errors import ConfigError
from vetbridge.core.records import Attachment, Client, Kind, Pet, Side
from vetbridge.core.roles import Role
from vetbridge.ledger import access, audit, changes, mirror, subjects
from vetbridge.ledger.rehearsals import PlannedChange, PlannedWrite
from vetbridge.ledger.tables import Acknowledgement, Change, ChangeState
from vetbridge.web import rehearsing


@dataclass
class Stage:
    """A rehearsal whose outcome a test says."""

    planned: dict[int, PlannedChange] = field(default_factory=dict)
    mappings: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[int, ...]] = field(default_factory=list)
    side: Side | None = None

    @property
    def program(self) -> Stage:
        return self

    def replay(self, numbers: Any, *, side: Side | None, **_more: Any) -> Mapping[int, PlannedChange]:
        self.side = side
        self.asked.append(tuple(numbers))
        return self.planned


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage()

    @contextmanager
    def rehearsed(_loaded: object) -> Iterator[Stage]:
        yield made

    monkeypatch.setattr(rehearsing, "rehearsed", rehearsed)
    return made


def planned(state: str, code: str = "matched", *writes: PlannedWrite, asks: str = "") -> PlannedChange:
    return PlannedChange(
        change=None,
        record_id=1,
        site="city",
        account="altegio-city",
        kind="appointment",
        remote_id="1",
        source="replay",
        visit_at=None,
        state=state,
        code=code,
        message=f"because of {code}",
        asks=asks,
        writes=writes,
    )


CREATE = PlannedWrite(
    account="ezyvet-city", kind="appointment", operation="create", remote_id=None, fields=("start", "notes")
)


def test_failures_stand_in_groups_with_advice_and_lead_to_their_history(served: Served, settled: Settled) -> None:
    settled(ChangeState.FAILED, "expired", message="<b>late</b>")
    settled(ChangeState.FAILED, "expired", remote_id="2")
    page = served.browser("Ann").get("/failures").text
    assert "Tell the front desk, and enter it by hand." in page
    assert "2 changes" in page
    assert "&lt;b&gt;late&lt;/b&gt;" in page
    assert 'href="/changes/1"' in page
    assert "rising" in page
    assert 'action="/failures/' not in page
    assert 'action="/failures/preview"' in served.browser("Sue", Role.SUPPORT).get("/failures").text


def test_a_look_then_trying_again(served: Served, settled: Settled, stage: Stage) -> None:
    first = settled(ChangeState.FAILED, "mapping", remote_id="1")
    second = settled(ChangeState.FAILED, "mapping", remote_id="2")
    stage.planned = {first: planned("done", "matched", CREATE), second: planned("failed", "mapping")}
    sue = served.browser("Sue", Role.SUPPORT)
    look = sue.post("/failures/preview", page="/failures", group="mapping@altegio-city")
    assert look.status_code == 200
    assert stage.asked == [(first, second)]
    assert "It would be carried over." in look.text
    assert "Visit is made at ezyvet-city: time, comment" in look.text
    assert "Not tried again" in look.text
    assert "because of mapping" in look.text
    assert "Try this one again now" in look.text
    assert f'name="change" value="{second}"' not in look.text[look.text.index('action="/failures/replay"') :]
    with served.ledger.read() as tx:
        assert tx.session.get(Change, second + 1) is None
    done = sue.post("/failures/replay", page="/failures", change=str(first))
    assert done.headers["location"] == "/failures"
    assert "One change is tried again." in sue.get("/failures").text
    assert served.woken == ["wake"]
    with served.ledger.read() as tx:
        (act,) = audit.entries(tx, act=audit.Act.REPLAYED)
        assert (act.by, act.via, act.subject_id) == ("Sue", "page", str(first))


def test_one_side_only_is_looked_at_first_and_done_so(served: Served, settled: Settled, stage: Stage) -> None:
    first = settled(ChangeState.FAILED, "mapping", remote_id="1")
    second = settled(ChangeState.FAILED, "mapping", remote_id="2")
    stage.planned = {first: planned("done", "one-side-only", CREATE), second: planned("failed", "one-side-only")}
    sue = served.browser("Sue", Role.SUPPORT)
    look = sue.post("/failures/preview", page="/failures", group="mapping@altegio-city", side="pims")
    assert stage.side is Side.PIMS
    assert '<option value="pims" selected>' in look.text
    assert "what is to be done at the other side would be left" in look.text
    assert "All that is to be done is at the other side, which it is to leave alone" in look.text
    assert '<input type="hidden" name="side" value="pims">' in look.text
    assert f'name="change" value="{second}"' in look.text, "what is refused may be looked at again for the other side"
    sue.post("/failures/replay", page="/failures", change=str(first), side="pims")
    with served.ledger.read() as tx:
        assert tx.session.get_one(Change, second + 1).source == "replay/pims"
        (act,) = audit.entries(tx, act=audit.Act.REPLAYED)
        assert act.says == f"as change {second + 1}, pims only"
    sue.post("/failures/preview", page="/failures", change=str(second), side="both?")
    assert stage.side is None


def test_what_was_replayed_meanwhile_is_refused_with_its_reason(served: Served, settled: Settled) -> None:
    first = settled(ChangeState.FAILED, "mapping")
    sue = served.browser("Sue", Role.SUPPORT)
    for _ in range(2):
        sue.post("/failures/replay", page="/failures", change=str(first))
    page = sue.get("/failures").text
    assert "One was refused: a change of this record is open already" in page


def test_a_mapping_that_is_newer_than_the_start_is_said(served: Served, settled: Settled, stage: Stage) -> None:
    first = settled(ChangeState.FAILED, "mapping")
    stage.planned = {first: planned("done", "matched", CREATE)}
    stage.mappings = {"city": "another one"}
    sue = served.browser("Sue", Role.SUPPORT)
    look = sue.post("/failures/preview", page="/failures", change=str(first))
    assert "these are worked on after its next start" in look.text
    sue.post("/failures/replay", page="/failures", change=str(first), restart="city")
    assert "restart it, and it works on them then" in sue.get("/failures").text


def test_one_rehearsal_at_a_time_and_a_broken_config_is_said(
    served: Served, settled: Settled, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = settled(ChangeState.FAILED, "mapping")
    sue = served.browser("Sue", Role.SUPPORT)
    with rehearsing._rehearsing:
        busy = sue.post("/failures/preview", page="/failures", change=str(first))
    assert busy.status_code == 503
    assert "Somebody else is just looking" in busy.text

    def broken(_path: object) -> None:
        raise ConfigError("a fault with a /path")

    monkeypatch.setattr(rehearsing, "read_config", broken)
    faulty = sue.post("/failures/preview", page="/failures", change=str(first))
    assert faulty.status_code == 409
    assert "The config has a fault" in faulty.text
    assert "/path" not in faulty.text
    assert not rehearsing._rehearsing.locked()


def test_a_group_or_one_failure_is_acknowledged(served: Served, settled: Settled) -> None:
    numbers = [settled(ChangeState.FAILED, "mapping", remote_id=str(number)) for number in range(3)]
    other = settled(ChangeState.FAILED, "expired", remote_id="9")
    sue = served.browser("Sue", Role.SUPPORT)
    sue.post("/failures/acknowledge", page="/failures", group="mapping@altegio-city")
    page = sue.get("/failures").text
    assert "3 failures are acknowledged." in page
    assert "mapping" not in page[page.index("</header>") :].replace("today&#39;s mapping", "")
    sue.post("/failures/acknowledge", page="/failures", change=str(other))
    assert "Nothing has failed that somebody has to see to." in sue.get("/failures").text
    with served.ledger.read() as tx:
        assert tx.session.get_one(Acknowledgement, numbers[0]).by == "Sue"


def test_what_names_nothing_does_nothing(served: Served, settled: Settled) -> None:
    settled(ChangeState.FAILED, "mapping")
    sue = served.browser("Sue", Role.SUPPORT)
    for path in ("/failures/preview", "/failures/acknowledge", "/failures/replay"):
        assert sue.post(path, page="/failures").status_code == 400
        assert sue.post(path, page="/failures", change="1; drop").status_code == 400
    assert sue.post("/failures/acknowledge", page="/failures", group="ZZ").status_code == 404
    assert sue.get("/failures?group=ZZ").status_code == 404
    assert sue.get("/failures?site=nowhere").status_code == 404
    unknown = sue.post("/failures/preview", page="/failures", change="999")
    assert "There is no change of this number" in unknown.text
    assert "None of them can be tried again." in unknown.text


def test_the_page_names_a_file_that_failed_and_notes_who_has_looked(served: Served) -> None:
    with served.ledger.write() as tx:
        mirror.put(
            tx,
            "ezyvet-city",
            [Client(id="1002", given_name="Ann", family_name="Weiss"), Pet(id="7", client_id="1002", name="Rex")],
        )
        change = changes.receive(
            tx, site="city", account="ezyvet-city", kind=Kind.ATTACHMENT, remote_id="88", source="poll"
        )
        file = Attachment(id="88", client_id="1002", pet_id="7", name="<b>bill</b>.pdf")
        subjects.note(tx, change.record_id, file, country="DE", account="ezyvet-city")
        number, record = change.id or 0, change.record_id
        changes.begin(tx, number)
        changes.settle(tx, number, ChangeState.FAILED, "file-encrypted", "the file is encrypted")

    page = served.browser("Ann").get("/failures").text

    assert "File &lt;b&gt;bill&lt;/b&gt;.pdf on Pet 7 at ezyvet-city: Rex, Ann Weiss." in page
    with served.ledger.read() as tx:
        (look,) = access.entries(tx, by="Ann")
    assert (look.via, look.what, look.subject, look.subject_id) == (
        audit.PAGE,
        access.Look.SEARCH,
        "record",
        str(record),
    )
    assert "Datei" in served.browser("Eva", language="de").get("/failures").text
