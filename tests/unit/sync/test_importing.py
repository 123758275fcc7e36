"""Clients from a file: made once whatever happens, never made where somebody may be meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.rig import Killed, Rig
from vetbridge.core.errors import Unavailable
from vetbridge.core.records import Client, Kind
from vetbridge.ledger import going_live
from vetbridge.ledger.file_rows import is_row
from vetbridge.sync.engine import Engine
from vetbridge.sync.importing import Outcome, Result, import_clients
from vetbridge.sync.pair import Quota

ANN = Client(given_name="Ann", family_name="Weiss", phones=("07911 123456",), emails=("ann@example.com",))
BOB = Client(given_name="Bob", family_name="Stone", phones=("+44 7911 123457",))


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.owner("Zoe", "Old", "+447911000000", "Rex")
    made.refresher.pass_()
    return made


def bring(rig: Rig, *rows: Client) -> list[Outcome]:
    importer = rig.engine.importer("town")
    return list(import_clients(rig.engine, importer, rig.ledger, rows, rig.settle))


def results(outcomes: list[Outcome]) -> list[Result]:
    return [one.result for one in outcomes]


def phones(rig: Rig) -> list[str]:
    return sorted(phone for row in rig.pims.rows(Kind.CLIENT) for phone in row.get("phones", ()))


def kill_at(point: str) -> Callable[[str], None]:
    def kill(reached: str) -> None:
        if reached == point:
            raise Killed

    return kill


def test_new_clients_are_made_with_what_the_row_says(rig: Rig) -> None:
    outcomes = bring(rig, ANN, BOB)
    assert results(outcomes) == [Result.CREATED, Result.CREATED]
    assert phones(rig) == ["+447911000000", "+447911123456", "+447911123457"]
    made = rig.pims.row(Kind.CLIENT, outcomes[0].client_id or "")
    assert made is not None
    assert made["name"] == {"given": "Ann", "family": "Weiss"}
    assert made["emails"] == ["ann@example.com"]


def test_the_same_file_again_makes_nobody(rig: Rig) -> None:
    first = bring(rig, ANN, BOB)
    rig.refresher.pass_()
    again = bring(rig, ANN, BOB)
    assert results(again) == [Result.LINKED, Result.LINKED]
    assert [one.client_id for one in again] == [one.client_id for one in first]
    assert len(rig.pims.rows(Kind.CLIENT)) == 4


def test_a_client_whom_the_pims_has_is_left_alone(rig: Rig) -> None:
    outcomes = bring(rig, Client(given_name="Zoe", family_name="Old", phones=("07911 000000",)))
    assert results(outcomes) == [Result.LINKED]
    assert rig.changes() == []


def test_one_whom_the_mirror_has_not_met_is_found_by_a_live_search(rig: Rig) -> None:
    there = rig.owner("Ann", "Weiss", "+447911123456")
    outcomes = bring(rig, ANN)
    assert [(one.result, one.client_id) for one in outcomes] == [(Result.LINKED, there)]
    assert phones(rig).count("+447911123456") == 1


def test_two_names_on_one_phone_are_for_a_person_to_say(rig: Rig) -> None:
    other = Client(given_name="Karl", family_name="Quirrell", phones=ANN.phones)
    outcomes = bring(rig, ANN, other)
    assert results(outcomes) == [Result.CREATED, Result.REVIEW]
    assert outcomes[1].candidates == (outcomes[0].client_id,)
    assert phones(rig).count("+447911123456") == 1


def test_a_row_that_stands_twice_counts_once(rig: Rig) -> None:
    shouted = Client(given_name="ANN", family_name="weiss", phones=("+447911123456",), emails=("Ann@Example.com",))
    outcomes = bring(rig, ANN, shouted)
    assert [(one.result, one.code) for one in outcomes] == [
        (Result.CREATED, "created"),
        (Result.LINKED, "row-twice"),
    ]


@pytest.mark.parametrize("point", ["intended", "sending", "sent", "answered", "before-settle"])
def test_killed_anywhere_and_imported_again_it_is_one_client(rig: Rig, point: str) -> None:
    rig.start(point=kill_at(point))
    with pytest.raises(Killed):
        bring(rig, ANN)
    rig.start()
    rig.refresher.pass_()
    outcomes = bring(rig, ANN)
    assert results(outcomes) in ([Result.CREATED], [Result.LINKED])
    assert phones(rig).count("+447911123456") == 1
    rig.settle()
    assert rig.engine.open_changes() == 0


def test_a_daemon_that_finds_a_killed_import_finds_out_and_makes_nobody(rig: Rig) -> None:
    rig.start(point=kill_at("sent"))
    with pytest.raises(Killed):
        bring(rig, ANN)
    rig.start()
    rig.settle()
    assert rig.endings() == [("done", "created")]
    assert phones(rig).count("+447911123456") == 1


def test_a_row_that_was_never_sent_waits_for_its_file(rig: Rig) -> None:
    rig.start(point=kill_at("intended"))
    with pytest.raises(Killed):
        bring(rig, ANN)
    rig.start()
    rig.settle()
    assert rig.endings() == [("skipped", "file-not-at-hand")]
    assert phones(rig) == ["+447911000000"]
    assert results(bring(rig, ANN)) == [Result.CREATED]


def test_a_pims_that_does_not_answer_leaves_rows_that_can_be_imported_later(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> None:
        raise Unavailable("nobody answers")

    with monkeypatch.context() as patched:
        patched.setattr(rig.pims, "search", silent)
        outcomes = list(import_clients(rig.engine, rig.engine.importer("town"), rig.ledger, [ANN, BOB], rig.work))
    assert results(outcomes) == [Result.WAITING, Result.WAITING]
    rig.clock.advance(120)
    assert results(bring(rig, ANN, BOB)) == [Result.CREATED, Result.CREATED]


def test_no_value_of_a_row_stands_in_its_change(rig: Rig) -> None:
    bring(rig, ANN)
    (change,) = rig.changes()
    assert is_row(change.remote_id)
    assert change.source == "import"
    for text in ("Ann", "Weiss", "07911", "7911123456", "example.com"):
        assert text not in f"{change.remote_id} {change.message} {change.code}"


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_who_share_a_phone_the_earlier_row_is_there_first(rig: Rig, first: int) -> None:
    rows = [ANN, Client(given_name="Karl", family_name="Quirrell", phones=ANN.phones)]
    outcomes = bring(rig, rows[first], rows[1 - first])
    made = rig.pims.row(Kind.CLIENT, outcomes[0].client_id or "")
    assert made is not None
    assert made["name"]["given"] == rows[first].given_name
    assert results(outcomes) == [Result.CREATED, Result.REVIEW]


def test_the_quota_of_the_first_days_holds_for_an_import_too(rig: Rig) -> None:
    with rig.ledger.write() as tx:
        going_live.meet(tx, "town", start_live=True)
        going_live.paired(tx, "town")
    rig.pair = replace(rig.pair, quota=Quota(days=14, limits={Kind.CLIENT: 1}))
    rig.engine = Engine([rig.pair], rig.ledger, rig.clock, rig.timings)
    importer = rig.engine.importer("town")
    outcomes = list(import_clients(rig.engine, importer, rig.ledger, [ANN, BOB], rig.work))
    assert results(outcomes) == [Result.CREATED, Result.WAITING]
    assert outcomes[1].code == going_live.QUOTA
    rig.clock.advance(2 * 86400)
    rig.refresher.pass_()
    assert results(bring(rig, BOB)) == [Result.CREATED]
