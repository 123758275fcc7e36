"""Plan, replay, `sync --only` and pauses, as an admin types them, against both simulators."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from typer.testing import CliRunner, Result

from tests.ledgers import dump
from tests.system.test_daemon import daemon
from tests.system.town import HOOK_SECRET, Town, call, town, until
from vetbridge.cli.config import load_config
from vetbridge.cli.main import app
from vetbridge.core.errors import RateLimited
from vetbridge.daemon.assembly import assembled
from vetbridge.daemon.rehearsal import rehearsed
from vetbridge.daemon.rounds import Rounds
from vetbridge.demo.stage import config_text
from vetbridge.ledger.database import exists
from vetbridge.testing.clinic import SERVICES, Owner

DENTAL = SERVICES[2]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made
    structlog.reset_defaults()


def vetbridge(place: Town, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--config", str(place.config_path), *arguments])


def data(place: Town, *arguments: str, exit_code: int = 0) -> Any:
    result = vetbridge(place, *arguments, "--json")
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)["data"]


def unmap(place: Town, side: str, code: str) -> None:
    """Takes a service out of the code lists of one side."""
    config = yaml.safe_load(place.config_path.read_text())
    del config["sites"]["town"][side]["codes"]["appointment_type"][code]
    place.config_path.write_text(config_text(config))


def writes(place: Town) -> tuple[int, int]:
    return place.booking.counts()["writes"], place.pims.counts()["writes"]


def begin(place: Town, record: int) -> None:
    """Time passes: the visit of a booking has begun."""
    row = dict(place.booking.store.get("record", record) or {})
    row["_start"] = int((datetime.now(UTC) - timedelta(hours=3)).timestamp())
    place.booking.store.put("record", record, row)


def five_fail(place: Town, side: str) -> list[int]:
    """Five bookings of a service that one side's code list lacks; returns their ids."""
    unmap(place, side, DENTAL.code)
    records = [place.book_owner(place.plain_owner(number), service=DENTAL.number)[0] for number in range(5)]
    assert data(place, "sync", exit_code=4)["changes"] == {"failed": 5}
    assert place.visits() == []
    return records


@pytest.mark.parametrize("side", ["booking", "pims"])
def test_an_unmapped_service_is_mended_and_each_comes_over_once(place: Town, side: str) -> None:
    records = five_fail(place, side)
    begin(place, records[4])
    place.write_config()
    before, sent = dump(place.ledger_place), writes(place)

    planned = data(place, "replay", "--code", "mapping", "--plan", exit_code=4)
    assert (planned["total"], planned["planned"], planned["replayed"], planned["refused"]) == (5, 4, 0, 1)
    for each in planned["replays"][:4]:
        assert each["planned"]["writes"][-1]["kind"] == "appointment"
        assert each["planned"]["writes"][-1]["operation"] == "create"
    refused = planned["replays"][4]
    assert (refused["remote_id"], refused["reason"]) == (str(records[4]), "visit-has-begun")
    assert (dump(place.ledger_place), writes(place)) == (before, sent), "a preview changes nothing"

    done = data(place, "replay", "--code", "mapping", exit_code=4)
    assert (done["replayed"], done["refused"]) == (4, 1)
    again = data(place, "replay", *[str(each["change"]) for each in done["replays"][:4]], exit_code=4)
    assert {each["reason"] for each in again["replays"]} == {"still-open"}

    vetbridge(place, "sync")
    vetbridge(place, "sync")
    assert len(place.visits()) == 4
    stamps = [visit["description"].split("\n")[0] for visit in place.visits()]
    assert len(set(stamps)) == 4
    old = [each["change"] for each in done["replays"][:4]]
    states = {place.ledger("SELECT state, code FROM change WHERE id = ?", number)[0] for number in old}
    assert states == {("skipped", "superseded")}
    replayed = place.ledger("SELECT replay_of, state FROM change WHERE source = 'replay' ORDER BY id")
    assert replayed == [(number, "done") for number in old]


def test_one_side_only_is_shown_before_it_is_done(place: Town) -> None:
    record, _ = place.book_owner(place.plain_owner())
    data(place, "sync")
    place.move(record, place.slot())
    place.desk.set_status(place.visits()[0]["id"], "confirmed")
    ((change,),) = place.ledger("SELECT max(id) FROM change WHERE account = 'altegio'")
    before, sent = dump(place.ledger_place), writes(place)
    (each,) = data(place, "replay", str(change), "--side", "pims", "--plan")["replays"]
    assert [(write["account"], write["operation"]) for write in each["planned"]["writes"]] == [("ezyvet", "update")]
    text = " ".join(vetbridge(place, "replay", str(change), "--side", "booking", "--plan").stdout.split())
    assert "what is to be done at the other side is left to its next change" in text
    assert ("at altegio: status" in text, "at ezyvet" in text) == (True, False)
    assert (dump(place.ledger_place), writes(place)) == (before, sent)


def test_what_would_fail_again_is_refused_and_says_why(place: Town) -> None:
    five_fail(place, "booking")
    result = vetbridge(place, "replay", "--code", "mapping")
    assert result.exit_code == 4
    assert "would fail again (mapping)" in " ".join(result.stdout.split())
    assert place.ledger("SELECT count(*) FROM change WHERE source = 'replay'") == [(0,)]


def test_a_running_vetbridge_takes_replays_over_and_one_with_the_old_mapping_after_a_restart(place: Town) -> None:
    unmap(place, "pims", DENTAL.code)
    with daemon(place) as old:
        old.ready()
        place.book_owner(place.plain_owner(0), service=DENTAL.number)
        place.book_owner(place.plain_owner(1), service=DENTAL.number)
        until(lambda: failed(place) == 2, "two bookings to fail")
        place.write_config()
        result = vetbridge(place, "replay", "--code", "mapping", "--limit", "1")
        assert result.exit_code == 0, result.output
        assert f"(process {old.process.pid}) still has the old mapping of site town: restart it" in " ".join(
            result.stdout.split()
        )
        assert place.ledger("SELECT state, code FROM change WHERE source = 'replay'") == [("waiting", "old-mapping")]
        place.book_owner(place.plain_owner(2))
        until(lambda: len(place.visits()) == 1, "another booking, which is not held up")
        assert place.ledger("SELECT state, code FROM change WHERE source = 'replay'") == [("waiting", "old-mapping")]
        assert old.stop() == 0
    with daemon(place) as new:
        new.ready()
        until(lambda: len(place.visits()) >= 2, "the replayed booking to come over")
        # The restart alone may have brought the second one over: its listing reads otherwise now.
        vetbridge(place, "replay", "--code", "mapping")
        until(lambda: len(place.visits()) >= 3, "the second booking to come over")
        until(
            lambda: place.ledger("SELECT count(*) FROM change WHERE settled_at IS NULL") == [(0,)],
            "quiet",
        )
        assert new.stop() == 0
    assert len(place.visits()) == 3
    assert failed(place) == 0


def failed(place: Town) -> int:
    found = (
        place.ledger("SELECT count(*) FROM change WHERE state = 'failed'") if exists(place.ledger_place) else [(0,)]
    )
    return int(found[0][0])


def test_a_plan_says_what_a_sync_would_write_and_writes_nothing(place: Town) -> None:
    owner = place.plain_owner()
    known, _ = place.book_owner(owner)
    new, _ = place.book(fullname="Zdenka Brandnova", phone="+447912345678", pet="Quirin", species="cat")
    unsure, _ = place.book(fullname="Eva Novakova", phone=place.plain_owner(1).phones[0], pet="Xerxes")
    sent = writes(place)

    result = vetbridge(place, "plan", "--json")
    assert result.exit_code == 0, result.output
    assert not exists(place.ledger_place), "a plan makes no ledger"
    assert writes(place) == sent
    for word in ("Brandnova", "Novakova", "Xerxes", "Quirin", owner.family_name, owner.phones[0], "447912345678"):
        assert word not in result.output
    found = {each["remote_id"]: each for each in json.loads(result.stdout)["data"]["changes"]}
    kinds = {id_: [write["kind"] for write in each["writes"]] for id_, each in found.items()}
    assert kinds == {
        str(known): ["appointment"],
        str(new): ["client", "pet", "appointment"],
        str(unsure): ["appointment"],
    }
    assert [found[str(id_)]["state"] for id_ in (known, new, unsure)] == ["done", "done", "review"]
    assert found[str(unsure)]["asks"]
    assert found[str(known)]["change"] is None
    assert "start" in found[str(known)]["writes"][0]["fields"]

    text = vetbridge(place, "plan").stdout
    assert f"appointment {new} at altegio" in text
    assert "would ask:" in text
    assert "5 writes, 1 question" in text
    assert max(map(len, text.splitlines())) <= 80

    assert data(place, "sync")["changes"] == {"done": 2, "review": 1}
    assert len(place.visits()) == 3
    after = data(place, "sync", "--plan")["changes"]
    assert [each["writes"] for each in after if each["writes"]] == []


def test_a_plan_shows_what_the_desk_has_done_and_what_an_answer_comes_to(place: Town) -> None:
    unsure, _ = place.book(fullname="Eva Novakova", phone=place.plain_owner(1).phones[0], pet="Xerxes")
    data(place, "sync")
    (held,) = place.visits()
    desk_visit = _desk_visit(place, place.plain_owner(2))
    (item,) = data(place, "review", "list")
    meant = item["candidates"][0]["client_id"]
    vetbridge(place, "review", "link", str(item["id"]), "--client", meant, "--yes", "--no-wait")
    sent = writes(place)

    found = {each["remote_id"]: each for each in data(place, "plan")["changes"]}
    assert writes(place) == sent
    relinks = [write for write in found[str(unsure)]["writes"] if "client_id" in write["fields"]]
    relinked = [write["remote_id"] for write in relinks if write["kind"] == "appointment"]
    assert relinked == [str(held["id"])], "the very visit that stands on the placeholder"
    assert found[str(unsure)]["state"] == "done"
    carried = found[str(desk_visit)]["writes"][-1]
    assert (carried["account"], carried["kind"], carried["operation"]) == ("altegio", "appointment", "create")


def _desk_visit(place: Town, owner: Owner) -> int:
    """The front desk makes a visit in the PIMS; returns its id."""
    known = place.pims.credentials
    asked = {name: known[name] for name in ("partner_id", "client_id", "client_secret", "site_uid")}
    asked |= {"grant_type": "client_credentials", "scope": "read-appointment write-appointment"}
    token = call("POST", f"{place.pims.base_url}/v1/oauth/access_token", asked)["access_token"]
    pet = next(row for row in place.pims.store.all("animal") if row["contact_id"] == place.contact_id(owner))
    visit = {
        "contact_id": place.contact_id(owner),
        "animal_id": pet["id"],
        "start_at": int(place.slot().timestamp()),
        "duration": 900,
        "type_id": 31,
        "status_id": 1,
        "sales_resource": 21,
        "resources": [{"id": 21}],
        "description": "by phone",
    }
    headers = {"Authorization": f"Bearer {token}"}
    answer = call("POST", f"{place.pims.base_url}/v2/appointment", visit, headers)
    return int(answer["items"][0]["appointment"]["id"])


def test_a_plan_runs_beside_a_vetbridge_that_works_and_leaves_its_ledger_alone(place: Town) -> None:
    place.book_owner(place.plain_owner())
    loaded = load_config(place.config_path)
    with assembled(loaded, command="run"):
        before = dump(place.ledger_place)
        assert len(data(place, "plan", "--site", "town")["changes"]) == 1
        with rehearsed(loaded) as rehearsal:
            copy = rehearsal.program.ledger.place
            assert isinstance(copy, Path)
            assert copy.stat().st_mode & 0o777 == 0o600
            limited = RateLimited("slower, please", wait=600.0, budget="database")
            limited.account = "ezyvet"
            rehearsal.program.engine.account_failed(limited)
        assert not copy.exists()
        assert dump(place.ledger_place) == before, "what a vendor tells about its limits stays in the copy, too"
    assert place.visits() == []
    assert vetbridge(place, "plan", "--site", "twon").exit_code == 2


@pytest.mark.sqlite_file("a file may hold something else")
def test_a_ledger_that_cannot_be_copied_is_named(place: Town) -> None:
    assert isinstance(place.ledger_place, Path)
    place.ledger_place.write_bytes(b"no ledger at all, but long enough to be looked at as one" * 40)
    result = vetbridge(place, "plan", "--json")
    assert result.exit_code == 6
    assert str(place.ledger_place) in json.loads(result.stdout)["problems"][0]["text"]
    assert "rehearsal-" not in result.output


def test_only_one_client_is_worked_on_and_the_others_come_later(place: Town) -> None:
    ann, bob = place.plain_owner(0), place.plain_owner(1)
    mine, _ = place.book_owner(ann)
    place.book_owner(bob)
    card = str((place.booking.store.get("record", mine) or {})["client_id"])

    planned = data(place, "sync", "--only", card, "--plan")
    assert [each["remote_id"] for each in planned["changes"]] == [str(mine)]
    assert place.visits() == []

    assert data(place, "sync", "--only", card)["changes"] == {"done": 1}
    (visit,) = place.visits()
    assert visit["contact_id"] == place.contact_id(ann)

    later = place.slot()
    place.move(mine, later)
    found = data(place, "sync", "--only", f"ezyvet/{place.contact_id(ann)}")
    assert found["changes"] == {"done": 1}
    assert [visit["start_at"] for visit in place.visits()] == [int(later.timestamp())]

    assert data(place, "sync")["changes"]["done"] >= 1, "no cursor has moved past the other booking"
    assert {visit["contact_id"] for visit in place.visits()} == {place.contact_id(ann), place.contact_id(bob)}


@pytest.mark.parametrize("client", ["99999999", "altegio/99999999", "ezyvet/99999999", "", "nobody"])
def test_a_client_that_nobody_has(place: Town, client: str) -> None:
    result = vetbridge(place, "sync", "--only", client, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["problems"][0]["code"] == "unknown-client"


def test_a_paused_site_is_left_alone_until_it_is_resumed(place: Town) -> None:
    place.write_config(accounts={"altegio": {"poll": 3600}})
    with daemon(place) as running:
        door = running.ready()
        until(lambda: exists(place.ledger_place), "the ledger")
        assert data(place, "pause", "town", "--by", "Ann")["paused"]
        record, _ = place.book_owner(place.plain_owner())
        event = {
            "company_id": int(place.booking.credentials["location_id"]),
            "resource": "record",
            "resource_id": record,
            "status": "create",
            "data": {},
        }
        call("POST", f"{door}/hooks/altegio/{HOOK_SECRET}", event)
        assert place.ledger("SELECT state, tries FROM change") == [("received", 0)]
        site = data(place, "status")["sites"][0]
        assert (site["pause"]["by"], site["pause"]["until"]) == ("Ann", None)
        assert "paused by Ann" in vetbridge(place, "status").stdout
        assert data(place, "resume", "town", "--plan") == {
            "scope": "site",
            "name": "town",
            "was": site["pause"],
            "resumed": False,
            "accepted": False,
            "asked_again": False,
            "open_changes": 1,
            "planned": True,
        }
        assert place.visits() == []
        assert data(place, "resume", "town")["resumed"]
        until(lambda: len(place.visits()) == 1, "the booking to come over")
        assert running.stop() == 0


def test_a_sync_of_a_paused_account_does_not_call_it(place: Town) -> None:
    data(place, "sync")
    place.book_owner(place.plain_owner())
    data(place, "pause", "ezyvet", "--for", "2h")
    asked = place.pims.counts()["requests"]
    assert data(place, "sync", exit_code=4)["changes"] == {"received": 1}
    assert place.pims.counts()["requests"] == asked
    with assembled(load_config(place.config_path), command="run") as program:
        rounds = Rounds(program)
        assert (rounds.rests("ezyvet"), rounds.rests("altegio")) == (True, False)
        assert not rounds.refresh("ezyvet")
        assert not rounds.sweep("town")
    assert place.pims.counts()["requests"] == asked
    text = vetbridge(place, "status").stdout
    assert "goes on in 2 hours" in text or "goes on in 119 minutes" in text
    planned = vetbridge(place, "plan").stdout
    assert "would wait" in planned
    data(place, "resume", "ezyvet")
    assert data(place, "sync")["changes"] == {"done": 1}
