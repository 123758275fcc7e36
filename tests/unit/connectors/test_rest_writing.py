"""What `rest` sends: bodies by a profile's template, keys and versions, and what becomes of the answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.connectors.rest_api import BASE, CLIENT, PROFILE, VISIT, changed, connected, serving
from vetbridge.connector.interface import ExactlyOnce, Native, Operation, Relink, Unlinked, Write
from vetbridge.core.errors import BadAnswer, OutcomeUnknown, Refused, SlotTaken
from vetbridge.core.records import Kind

STAMP = "VB-0000000001"
BODY: dict[str, Any] = {
    "owner": {"id": "{client_id}"},
    "pet": {"id": "{pet_id}"},
    "at": "{start}",
    "until": "{end}",
    "minutes": "{minutes}",
    "text": "{notes}",
    "source": "VetBridge",
    "title": "{appointment_type} with {resource}",
}
WRITES: dict[str, Any] = {
    "kinds__appointment__create": {"method": "POST", "path": "/visits", "body": BODY},
    "kinds__appointment__update": {
        "method": "PATCH",
        "path": "/visits/{id}",
        "body": {name: BODY[name] for name in ("at", "until", "text", "owner")},
    },
    "kinds__appointment__cancel": {
        "method": "DELETE",
        "path": "/visits/{id}",
        "query": {"why": "{by}"},
        "words": {"by": {"client": 1, "clinic": 2}},
    },
}
SEEN: Native = {"start": "2026-06-15 09:00:00", "duration": 900, "notes": "limping"}


def write(operation: Operation, native: Native, kind: Kind = Kind.APPOINTMENT, **more: Any) -> Write:
    id_ = None if operation is Operation.CREATE else more.pop("id", "7")
    return Write(operation=operation, kind=kind, id=id_, native=native, stamp=STAMP, key="k1", **more)


def test_a_body_says_what_is_written_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = serving(monkeypatch, lambda asked: VISIT)
    rest = connected(tmp_path, changed(PROFILE, **WRITES, kinds__appointment__relink="yes"))
    native = {**SEEN, "client_id": "c1", "pet_id": None, "appointment_type": "checkup", "resource": "v1"}
    assert rest.apply(write(Operation.CREATE, native)).id == "7"
    assert api.asked[-1].body == {
        "owner": {"id": "c1"},
        "at": "2026-06-15T09:00:00+01:00",
        "until": "2026-06-15T09:15:00+01:00",
        "minutes": 15,
        "text": "limping",
        "source": "VetBridge",
        "title": "checkup with v1",
    }
    rest.apply(write(Operation.UPDATE, {"notes": "x", "client_id": None}))
    assert api.asked[-1].body == {"text": "x", "owner": {"id": None}}


def test_a_day_is_sent_in_the_profiles_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create = {"method": "POST", "path": "/pets", "body": {"n": "{name}", "born": "{birth_date}"}}
    fields = {"id": "id", "client_id": "of", "name": "n", "birth_date": {"column": "born", "formats": ["%d.%m.%Y"]}}
    pet = {"list": "/pets", "get": "/pets/{id}", "fields": fields, "create": create}
    api = serving(monkeypatch, lambda asked: {"id": 1, "of": 2, "n": "Rex", "born": "17.05.2020"})
    rest = connected(tmp_path, changed(PROFILE, kinds={"pet": pet}, times={"date": "%d.%m.%Y"}))
    receipt = rest.apply(write(Operation.CREATE, {"name": "Rex", "birth_date": "2020-05-17"}, Kind.PET))
    assert api.asked[-1].body == {"n": "Rex", "born": "17.05.2020"}
    assert receipt.native is not None
    assert receipt.native["birth_date"] == "2020-05-17"


def test_a_visit_changes_its_owner_only_where_the_profile_says_so(tmp_path: Path) -> None:
    assert "client_id" not in connected(tmp_path, changed(PROFILE, **WRITES)).capabilities.of(Kind.APPOINTMENT).update
    moves = changed(PROFILE, **WRITES, kinds__appointment__relink="yes")
    assert "client_id" in connected(tmp_path, moves).capabilities.of(Kind.APPOINTMENT).update


def test_the_end_of_a_visit_that_moves_is_worked_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end needs the length, which the change does not say: it is read. Over the change of clocks, too."""
    api = serving(monkeypatch, lambda asked: VISIT)
    rest = connected(tmp_path, changed(PROFILE, **WRITES))
    rest.apply(write(Operation.UPDATE, {"start": "2026-10-25 00:55:00"}))
    assert [asked.method for asked in api.asked] == ["GET", "PATCH"]
    assert api.asked[-1].body == {"at": "2026-10-25T00:55:00+01:00", "until": "2026-10-25T01:10:00+01:00"}


def test_a_change_may_have_to_say_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {"method": "PUT", "path": "/visits/{id}", "whole": True, "body": BODY}
    api = serving(monkeypatch, lambda asked: VISIT if asked.method == "GET" else None)
    rest = connected(tmp_path, changed(PROFILE, kinds__appointment__update=whole))
    receipt = rest.apply(write(Operation.UPDATE, {"resource": "v2"}))
    assert (receipt.id, receipt.native) == ("7", None)
    assert api.asked[-1].body["title"] == "checkup with v2"
    assert api.asked[-1].body["owner"] == {"id": "c1"}
    serving(monkeypatch, lambda asked: (404, None))
    with pytest.raises(Refused) as caught:
        rest.apply(write(Operation.UPDATE, {"resource": "v2"}))
    assert caught.value.code == "not-found"


def test_who_cancelled_is_said_in_the_apis_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = serving(monkeypatch, lambda asked: None)
    rest = connected(tmp_path, changed(PROFILE, **WRITES))
    for by in ("client", "clinic", "vetbridge"):
        assert rest.apply(write(Operation.CANCEL, {"by": by, "reason": "ill"})).id == "7"
    assert [asked.query for asked in api.asked] == [{"why": "1"}, {"why": "2"}, {"why": "2"}]
    assert {(asked.method, asked.url, asked.body) for asked in api.asked} == {("DELETE", f"{BASE}/visits/7", None)}


def test_keys_and_versions_go_as_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = serving(monkeypatch, lambda asked: VISIT)
    version = {"path": "changed", "header": "If-Match"}
    profile = changed(PROFILE, **WRITES, idempotency_header="Idempotency-Key", kinds__appointment__version=version)
    rest = connected(tmp_path, profile)
    able = rest.capabilities.of(Kind.APPOINTMENT)
    assert (able.create, able.changed) == (ExactlyOnce.IDEMPOTENCY_KEY, ExactlyOnce.CONDITIONAL)
    native = rest.get(Kind.APPOINTMENT, "7")
    assert native is not None
    assert native["version"] == VISIT["changed"]
    rest.apply(write(Operation.UPDATE, {"notes": "x"}, version=native["version"]))
    assert dict(api.asked[-1].headers) == {"Idempotency-Key": "k1", "If-Match": f'"{VISIT["changed"]}"'}


@pytest.mark.parametrize("told", ["7\r\nX-Admin: 1", "\u00e9", "7\x00", " ", "7" * 300, "", None, 7.5])
def test_a_version_that_no_header_can_hold_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: object
) -> None:
    serving(monkeypatch, lambda asked: {**VISIT, "changed": told})
    version = {"path": "changed", "header": "If-Match"}
    rest = connected(tmp_path, changed(PROFILE, **WRITES, kinds__appointment__version=version))
    with pytest.raises(BadAnswer, match="changed: a version was expected"):
        rest.get(Kind.APPOINTMENT, "7")


@pytest.mark.parametrize("answer", [None, {}, {"id": None}, {"id": ""}, [], "done", {"id": {"value": 7}}])
def test_a_create_without_an_id_is_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """It was taken, so nothing may make it look refused."""
    serving(monkeypatch, lambda asked: answer)
    rest = connected(tmp_path, changed(PROFILE, **WRITES))
    with pytest.raises(OutcomeUnknown):
        rest.apply(write(Operation.CREATE, SEEN))


def test_a_lost_create_is_looked_for_by_its_stamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = VISIT | {"id": 8, "text": "limping"}
    api = serving(monkeypatch, lambda asked: {"data": [other, VISIT]})
    rest = connected(tmp_path, changed(PROFILE, **WRITES))
    assert rest.capabilities.of(Kind.APPOINTMENT).create is ExactlyOnce.LOOK
    assert [each["id"] for each in rest.look(write(Operation.CREATE, SEEN))] == ["7"]
    assert api.asked[0].query == {"from": "2026-06-15T00:00:00+01:00", "to": "2026-06-16T00:00:00+01:00"}


def test_a_lost_client_is_looked_for_by_phone_and_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other half of a couple has the same phone."""
    serving(monkeypatch, lambda asked: {"data": [CLIENT | {"id": "c2", "first": "Bob"}, CLIENT]})
    create = {"method": "POST", "path": "/clients", "body": {"last": "{family_name}"}}
    rest = connected(tmp_path, changed(PROFILE, kinds__client__create=create))
    native = {"given_name": "ann", "family_name": " Fox", "phones": ["+447911123456"]}
    assert [each["id"] for each in rest.look(write(Operation.CREATE, native, Kind.CLIENT))] == ["c1"]
    assert list(rest.look(write(Operation.CREATE, {"family_name": "Fox"}, Kind.CLIENT))) == []


def test_what_cannot_be_found_again_is_sent_once_at_most(tmp_path: Path) -> None:
    profile = changed(PROFILE, **WRITES, kinds__appointment__search={})
    rest = connected(tmp_path, profile)
    assert rest.capabilities.of(Kind.APPOINTMENT).create is ExactlyOnce.NONE
    with pytest.raises(Refused):
        rest.look(write(Operation.CREATE, SEEN))


def test_a_time_that_is_taken_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = serving(monkeypatch, lambda asked: (409, {"code": "busy"}))
    errors = [{"status": [409], "path": "code", "values": ["busy"], "means": "taken"}]
    rest = connected(tmp_path, changed(PROFILE, **WRITES, errors=errors))
    with pytest.raises(SlotTaken):
        rest.apply(write(Operation.CREATE, SEEN))
    assert len(api.asked) == 1


def test_an_id_that_walks_is_never_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = serving(monkeypatch, lambda asked: VISIT)
    rest = connected(tmp_path, changed(PROFILE, **WRITES))
    for id_ in ("..", ".", "", "a\x00"):
        with pytest.raises(Refused) as caught:
            rest.apply(write(Operation.CANCEL, {"by": "client"}, id=id_))
        assert caught.value.code == "bad-id"
    assert api.asked == []
    rest.apply(write(Operation.CANCEL, {"by": "client"}, id="../clients/1"))
    assert api.asked[0].url == f"{BASE}/visits/..%2Fclients%2F1"


def test_handed_writes_reach_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the profile, write by write; or by the account's option, whatever the profile says."""
    api = serving(monkeypatch, lambda asked: VISIT)
    by_hand = {f"kinds__appointment__{name}": "handed" for name in ("create", "update", "cancel")}
    create = {"method": "POST", "path": "/clients", "body": {"last": "{family_name}"}}
    for rest in (
        connected(tmp_path, changed(PROFILE, **by_hand)),
        connected(tmp_path, changed(PROFILE, **WRITES, kinds__client__create=create), writes="handed"),
    ):
        able = rest.capabilities.of(Kind.APPOINTMENT)
        assert able.handed == {Operation.CREATE, Operation.UPDATE, Operation.CANCEL}
        assert (able.create, able.unlinked, able.relink) == (ExactlyOnce.IDEMPOTENCY_KEY, Unlinked.YES, Relink.NO)
        assert able.update == {"start", "duration", "appointment_type", "resource"}
        assert rest.capabilities.of(Kind.CLIENT).create is None
        for operation in (Operation.CREATE, Operation.UPDATE, Operation.CANCEL, Operation.RECALL):
            native = {"by": "client"} if operation is Operation.CANCEL else {"start": "2026-06-15 09:00:00"}
            assert rest.apply(write(operation, native)).id == ""
        with pytest.raises(Refused):
            rest.apply(write(Operation.UPDATE, {"notes": "x"}))
    assert api.asked == []
