"""Files of an ezyVet site over real HTTP, against its simulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest

from connectors.ezyvet.connector import EzyVet
from connectors.ezyvet.options import FILES, SCOPES
from connectors.ezyvet.simulator import CODE_LISTS, EzyVetSimulator, build
from tests.unit.connectors.test_ezyvet_connector import CLINIC, connected
from vetbridge.connector.interface import Native, Operation, Write
from vetbridge.core.errors import BadAnswer, OutcomeUnknown, RateLimited, Refused, Unavailable
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.suite.files import Paper

STAMP = "VB-0000000001"
NOTES = f"[VetBridge {STAMP}]\nfrom the owner\n[/VetBridge]"
LETTER = bytes(range(256)) * 1000 + b"\r\n--x\r\n\x00"
SCOPE = (*SCOPES, *FILES, "read-consult")


def letter(data: bytes = LETTER) -> Paper:
    return Paper(name="letter.pdf", data=data)


@pytest.fixture
def simulator() -> Iterator[EzyVetSimulator]:
    with build(clients=5, seed=7) as running:
        yield running


@pytest.fixture
def side(simulator: EzyVetSimulator) -> Iterator[EzyVet]:
    with with_files(simulator) as connector:
        yield connector


def with_files(simulator: EzyVetSimulator, **more: Any) -> AbstractContextManager[EzyVet]:
    return connected(simulator, **{"scope": SCOPE, **more})


def upload(content: Paper | None = None, stamp: str = STAMP, **native: Any) -> Write:
    content = content or letter()
    given = {"pet_id": "5001", "name": content.name, "notes": NOTES if stamp else ""}
    return Write(
        operation=Operation.CREATE,
        kind=Kind.ATTACHMENT,
        id=None,
        native={**given, **native},
        stamp=stamp,
        content=content,
    )


def fetched(side: EzyVet, number: str | int) -> bytes:
    return b"".join(side.content(str(number)))


def listed(side: EzyVet, since: str | None = None) -> dict[str, Native]:
    pages = list(side.changes(Kind.ATTACHMENT, since))
    return {found.id: found.native or {} for page in pages for found in page.records}


@pytest.mark.parametrize(("on", "number"), [("pet_id", "5001"), ("client_id", "1001")])
def test_a_file_stands_as_it_was_sent_on_whom_it_was_for(side: EzyVet, on: str, number: str) -> None:
    target: dict[str, Any] = {"pet_id": None, on: number}
    write = upload(**target)
    receipt = side.apply(write)

    native = side.get(Kind.ATTACHMENT, receipt.id)
    assert native is not None
    assert (native["name"], native["notes"], native["active"]) == ("letter.pdf", NOTES, True)
    assert {name: native[name] for name in ("client_id", "pet_id")} == {"client_id": None, "pet_id": None, on: number}
    assert receipt.native == native
    assert fetched(side, receipt.id) == LETTER
    assert [each["id"] for each in side.search(Kind.ATTACHMENT, {on: number})] == [receipt.id]
    assert list(side.look(write)) == [native]


def test_an_attachment_is_read_into_a_record(simulator: EzyVetSimulator, side: EzyVet) -> None:
    number = simulator.attach("Animal", 5001, "a/b.pdf", LETTER, notes="from reception")

    native = side.get(Kind.ATTACHMENT, str(number))
    assert native is not None
    assert not any("download" in str(value) or "http" in str(value) for value in native.values())
    mapper = Mapper(load_table("ezyvet"), zone=CLINIC.zone, country="GB", codes=CODE_LISTS)
    record = mapper.read(Kind.ATTACHMENT, native)
    assert (record.pet_id, record.client_id, record.name, record.notes) == ("5001", None, "a/b.pdf", "from reception")
    assert record.made_at is not None
    assert record.made_at.epoch == simulator.now()


def test_what_hangs_on_a_consult_is_its_pets(simulator: EzyVetSimulator, side: EzyVet) -> None:
    consults = [simulator.store.insert("consult", {"animal_id": animal, "active": True}) for animal in (5002, None)]
    numbers = [simulator.attach("Consult", consult, "report.pdf", b"%PDF") for consult in consults]
    owners = {key: (each["client_id"], each["pet_id"]) for key, each in listed(side).items()}
    assert owners == {str(numbers[0]): (None, "5002"), str(numbers[1]): (None, None)}

    with with_files(simulator, scope=(*SCOPES, *FILES)) as narrow:
        assert {each["pet_id"] for each in listed(narrow).values()} == {None}


def test_only_what_changed_is_told_again(simulator: EzyVetSimulator, side: EzyVet) -> None:
    simulator.clock.set(simulator.clock.now() - timedelta(hours=1))
    simulator.attach("Animal", 5001, "old.pdf", b"%PDF")
    simulator.clock.set(None)
    cursor = list(side.changes(Kind.ATTACHMENT, None))[-1].cursor
    new = simulator.attach("Contact", 1002, "new.pdf", b"%PDF")
    assert set(listed(side, cursor)) == {str(new)}


# -- exactly once


@pytest.mark.parametrize("fault", ["drop_after_commit", "5xx_after", "html_for_json", "cut_json"])
def test_a_lost_answer_is_found_by_its_stamp(simulator: EzyVetSimulator, side: EzyVet, fault: str) -> None:
    simulator.attach("Animal", 5001, "letter.pdf", b"%PDF another", notes="")
    simulator.store.put("attachment", 1, {**(simulator.store.get("attachment", 1) or {}), "created_at": 1})
    side.get(Kind.ATTACHMENT, "1")  # a token is there
    simulator.faults.arm(fault)
    with pytest.raises(OutcomeUnknown):
        side.apply(upload())
    [found] = side.look(upload())
    assert fetched(side, found["id"]) == LETTER
    assert list(side.look(upload(stamp="VB-0000000002"))) == []


def test_an_upload_that_is_cut_leaves_nothing(simulator: EzyVetSimulator, side: EzyVet) -> None:
    simulator.faults.arm("cut_upload")
    with pytest.raises(OutcomeUnknown):
        side.apply(upload(letter(LETTER * 20)))
    assert list(side.look(upload())) == []
    assert simulator.store.all("attachment") == simulator.store.all("file") == []


def test_a_site_that_keeps_no_notes_has_its_file_found_by_name(simulator: EzyVetSimulator, side: EzyVet) -> None:
    number = simulator.attach("Animal", 5001, "letter.pdf", LETTER)
    simulator.attach("Animal", 5001, "letter.pdf", LETTER, notes="staff's own")
    simulator.attach("Animal", 5001, "other.pdf", LETTER)
    simulator.attach("Animal", 5002, "letter.pdf", LETTER)
    assert [each["id"] for each in side.look(upload())] == [str(number)]
    with with_files(simulator, upload={"notes": None}) as nameless:
        assert [each["id"] for each in nameless.look(upload())] == [str(number), str(number + 1)]


def test_the_parts_of_an_upload_are_called_as_the_options_say(simulator: EzyVetSimulator) -> None:
    names = {"file": "document", "record_type": "type", "record_id": "of", "notes": None, "name": None}
    with with_files(simulator, upload=names) as side, pytest.raises(Refused) as caught:
        side.apply(upload())
    assert caught.value.code == "invalid"
    assert "of, type" in caught.value.message


# -- refusals


@pytest.mark.parametrize(
    ("write", "code"),
    [
        (upload(pet_id=None), "not-supported"),
        (upload(pet_id="../1"), "not-supported"),
        (upload(pet_id="9999"), "invalid"),
    ],
)
def test_a_file_for_nobody_is_refused(simulator: EzyVetSimulator, side: EzyVet, write: Write, code: str) -> None:
    with pytest.raises(Refused) as caught:
        side.apply(write)
    assert caught.value.code == code
    assert simulator.store.all("attachment") == []


@pytest.mark.parametrize("number", ["77", "x", "1/../../contact/1001", ""])
def test_a_file_that_is_not_there_is_said_so(side: EzyVet, number: str) -> None:
    with pytest.raises(Refused) as caught:
        fetched(side, number)
    assert caught.value.code == "not-found"


def test_without_its_scopes_there_are_no_files(simulator: EzyVetSimulator) -> None:
    with connected(simulator) as plain:
        assert Kind.ATTACHMENT not in plain.capabilities.kinds
        for act in (lambda: plain.content("1"), lambda: plain.apply(upload()), lambda: plain.look(upload())):
            with pytest.raises(Refused) as caught:
                act()
            assert caught.value.code == "not-supported"
    with with_files(simulator, scope=(*SCOPES, "read-attachment")) as reader:
        simulator.attach("Animal", 5001, "a.pdf", LETTER)
        assert fetched(reader, 1) == LETTER
        with pytest.raises(Refused) as caught:
            reader.apply(upload())
        assert caught.value.code == "not-supported"


# -- fetching


def test_a_token_that_ended_is_renewed_once(simulator: EzyVetSimulator, side: EzyVet) -> None:
    number = simulator.attach("Animal", 5001, "a.pdf", LETTER)
    assert fetched(side, number) == LETTER
    simulator._tokens.clear()
    assert fetched(side, number) == LETTER
    assert simulator.counts()["tokens"] == 2


def test_a_right_that_was_not_granted_is_named_and_stops_no_booking(simulator: EzyVetSimulator, side: EzyVet) -> None:
    number = simulator.attach("Animal", 5001, "a.pdf", LETTER)
    fetched(side, number)
    [token] = simulator._tokens
    simulator._tokens[token] = (simulator._tokens[token][0], frozenset({"read-animal"}))
    for act in (lambda: fetched(side, number), lambda: listed(side), lambda: side.apply(upload())):
        with pytest.raises(Refused) as caught:
            act()
        assert caught.value.code == "right-missing"
        assert "-attachment" in caught.value.message


def test_a_pause_that_is_asked_for_holds_the_next_call_up(simulator: EzyVetSimulator, side: EzyVet) -> None:
    number = simulator.attach("Animal", 5001, "a.pdf", LETTER)
    fetched(side, number)
    simulator.faults.arm("429")
    with pytest.raises(RateLimited) as caught:
        fetched(side, number)
    assert caught.value.budget == "endpoint:attachment"


def test_a_download_that_is_cut_goes_on_where_it_was(simulator: EzyVetSimulator, side: EzyVet) -> None:
    number = simulator.attach("Animal", 5001, "a.pdf", LETTER * 10)
    fetched(side, number)
    simulator.faults.arm("cut_download")
    assert fetched(side, number) == LETTER * 10
    assert simulator.counts()["requests"]["GET /v1/attachment/download/{id}"] == 3


def test_each_request_for_a_file_counts(simulator: EzyVetSimulator) -> None:
    """Also that for its rest: sixty a minute, of whatever attachments are asked for."""
    clock = FakeClock()
    with with_files(simulator, clock=clock, scale=1.0) as side:
        number = simulator.attach("Animal", 5001, "a.pdf", LETTER)
        for _ in range(20):
            simulator.faults.arm("cut_download", 2)
            assert fetched(side, number) == LETTER
        before = clock.steady()
        fetched(side, number)
    assert clock.steady() - before > 30


def test_a_download_that_is_cut_is_no_file(simulator: EzyVetSimulator, side: EzyVet) -> None:
    simulator.switches = simulator.switches.__class__(file_ranges="refuse")
    number = simulator.attach("Animal", 5001, "a.pdf", LETTER * 10)
    fetched(side, number)
    simulator.faults.arm("cut_download")
    with pytest.raises(Unavailable):
        fetched(side, number)


def test_a_page_or_an_error_inside_a_success_is_no_file(simulator: EzyVetSimulator, side: EzyVet) -> None:
    number = simulator.attach("Animal", 5001, "a.pdf", LETTER)
    fetched(side, number)
    simulator.faults.arm("html_for_json")
    with pytest.raises(BadAnswer):
        fetched(side, number)
    simulator.switches = simulator.switches.__class__(error_status="ok")
    with pytest.raises(BadAnswer):
        fetched(side, 77)
