"""Doctor: says what is wrong and what to do, against both simulators, and writes nothing there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.altegio import simulator as altegio
from connectors.ezyvet import simulator as ezyvet
from connectors.ezyvet.options import SCOPES
from tests.unit.desk.practice import Desk, Settled
from vetbridge.desk.doctor import Line, Mark, check_clock, exit_code
from vetbridge.ledger.database import open_ledger
from vetbridge.ledger.tables import ChangeState
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.simkit import Simulator


@pytest.fixture
def booking() -> Iterator[Simulator]:
    with altegio.build(clients=5, seed=7) as simulator:
        yield simulator


@pytest.fixture
def pims() -> Iterator[Simulator]:
    with ezyvet.build(clients=5, seed=7) as simulator:
        yield simulator


@pytest.fixture
def town(desk: Desk, booking: Simulator, pims: Simulator) -> Desk:
    """The desk's config, pointed at both simulators."""
    for name, text in (
        ("partner", booking.credentials["partner_token"]),
        ("user", booking.credentials["user_token"]),
        ("client", pims.credentials["client_secret"]),
    ):
        (desk.folder / name).write_text(text)
    names = ("partner_id", "client_id", "site_uid")
    desk.write_config(
        booking={"base_url": booking.base_url, "location_id": booking.credentials["location_id"]},
        pims={"base_url": pims.base_url, **{name: pims.credentials[name] for name in names}},
    )
    config = desk.config()
    config["door"] = {"port": 0}  # another program on this machine may have the usual one
    config["alerts"] = {"commands": {"pager": {"command": ["page-me"]}}}
    config["sites"]["city"]["pims"]["codes"] = {
        name: {word: str(code) for word, code in codes.items()} for name, codes in ezyvet.CODE_LISTS.items()
    }
    config["sites"]["city"]["booking"]["codes"] = {
        "appointment_type": {
            word: str(700 + code - 30) for word, code in ezyvet.CODE_LISTS["appointment_type"].items()
        },
        "resource": {word: str(500 + code - 20) for word, code in ezyvet.CODE_LISTS["resource"].items()},
    }
    desk.save(config)
    return desk


def every_line(desk: Desk) -> list[dict[str, Any]]:
    return list(json.loads(desk.run("doctor", "--json").stdout)["data"]["checks"])


def checks(desk: Desk, code: int) -> dict[tuple[str, str], dict[str, Any]]:
    """Every line of a doctor that ends with ``code``, by subject and name."""
    result = desk.run("doctor", "--json")
    assert result.exit_code == code, result.output
    envelope = json.loads(result.stdout)
    assert envelope["data"]["ok"] == (code == 0)
    assert bool(envelope["problems"]) == (code != 0)
    return {(each["subject"], each["name"]): each for each in envelope["data"]["checks"]}


def test_all_is_well_and_nothing_was_written(town: Desk, booking: Simulator, pims: Simulator) -> None:
    found = checks(town, 0)
    assert {each["mark"] for each in found.values()} == {"OK"}
    assert {subject for subject, _name in found} == {"config", "ledger", "city", "altegio-city", "ezyvet-city"}
    assert (booking.counts()["writes"], booking.counts()["tokens"]) == (0, 0)
    assert (pims.counts()["writes"], pims.counts()["tokens"]) == (0, 1)
    sent = {*booking.counts()["requests"], *pims.counts()["requests"]} - {"POST /v1/oauth/access_token"}
    assert {request.split()[0] for request in sent} == {"GET"}
    assert not town.has_ledger(), "doctor makes no ledger"


def test_the_text_names_each_line_and_fits_eighty_columns(town: Desk) -> None:
    result = town.run("doctor")
    assert result.exit_code == 0
    assert "OK     city placeholder: client 900 and its pet 901 can be read and are active" in result.stdout
    assert "0 wrong" in result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("told", "warns"),
    [
        ({}, True),
        ({"commands": {"pager": {"command": ["page-me"], "tells": ["review.soon"]}}}, True),
        ({"commands": {"pager": {"command": ["page-me"], "tells": ["alert.raised"]}}}, False),
    ],
)
def test_that_nobody_is_told_is_said(town: Desk, told: dict[str, object], warns: bool) -> None:
    town.save(town.config() | {"alerts": told})
    found = checks(town, 0)
    assert (("config", "alerts") in found) is warns


@pytest.mark.parametrize(("length", "warns"), [(19, True), (20, False)])
def test_a_hook_secret_that_may_be_guessed_is_named(town: Desk, length: int, warns: bool) -> None:
    config = town.config()
    config["accounts"]["altegio-city"]["hook_secret"] = {"file": "hook"}
    (town.folder / "hook").write_text("s" * length + "\n")
    town.save(config)
    line = checks(town, 0).get(("altegio-city", "hook_secret"))
    assert (line is not None) == warns
    assert line is None or (line["mark"], "sss" in str(line)) == ("WARN", False)


@pytest.mark.parametrize(
    ("client", "pet", "words"),
    [
        ("900", "1", "has no pet 1"),
        ("1", "901", "has no client 1"),
        ("1001", "901", "pet 901 belongs to another client than 1001"),
    ],
)
def test_a_placeholder_that_does_not_fit_is_named(town: Desk, client: str, pet: str, words: str) -> None:
    config = town.config()
    config["sites"]["city"]["pims"]["placeholder"] = {"client": client, "pet": pet}
    town.save(config)
    line = checks(town, 3)["city", "placeholder"]
    assert line["mark"] == "WRONG"
    assert words in line["text"]
    assert "placeholder in the config" in line["advice"]


@pytest.mark.parametrize(
    ("kind", "id_", "change", "words"),
    [
        ("contact", 900, {"active": False}, "client 900 is inactive"),
        ("animal", 901, {"active": False}, "pet 901 is inactive"),
        ("animal", 901, {"is_dead": True}, "pet 901 is deceased"),
    ],
)
def test_a_placeholder_that_is_switched_off_is_named(
    town: Desk, pims: Simulator, kind: str, id_: int, change: dict[str, bool], words: str
) -> None:
    row = pims.store.get(kind, id_)
    assert row is not None
    with pims.store.transaction():
        pims.store.put(kind, id_, {**row, **change})
    assert words in checks(town, 3)["city", "placeholder"]["text"]


def test_no_placeholder_is_something_to_think_about(town: Desk) -> None:
    config = town.config()
    del config["sites"]["city"]["pims"]["placeholder"]
    town.save(config)
    assert checks(town, 0)["city", "placeholder"]["mark"] == "WARN"


def test_words_without_a_code_in_the_pims_are_named(town: Desk, booking: Simulator) -> None:
    booking.store.insert("staff", {"name": "Dr. Nine"}, id=509)
    config = town.config()
    config["sites"]["city"]["booking"]["codes"]["resource"]["vet_9"] = "509"
    town.save(config)
    line = checks(town, 0)["city", "codes of resource"]
    assert line["mark"] == "WARN"
    assert "vet_9" in line["text"]
    assert "vet_1" not in line["text"]


def test_words_without_a_code_at_the_booking_side_are_named(town: Desk) -> None:
    config = town.config()
    del config["sites"]["city"]["booking"]["codes"]["resource"]["vet_2"]
    town.save(config)
    line = checks(town, 0)["city", "codes of resource"]
    assert line["mark"] == "WARN"
    assert "PIMS side knows vet_2" in line["text"]


def test_a_vendor_that_does_not_answer_does_not_hide_the_other(town: Desk, pims: Simulator) -> None:
    pims.begin_outage(3600)
    found = checks(town, 5)
    assert found["altegio-city", "location"]["mark"] == "OK"
    wrong = [each for each in found.values() if each["mark"] == "WRONG"]
    assert {each["subject"] for each in wrong} == {"ezyvet-city"}
    assert all("base_url" in each["advice"] for each in wrong), "before the first start an address is mostly wrong"


def test_refused_credentials_are_told_with_what_to_do(town: Desk) -> None:
    (town.folder / "user").write_text("stale")
    wrong = [each for each in checks(town, 5).values() if each["mark"] == "WRONG"]
    assert {each["subject"] for each in wrong} == {"altegio-city"}
    assert "stale" not in json.dumps(wrong)


def test_what_has_to_be_mended_here_decides_the_exit_code(town: Desk, pims: Simulator) -> None:
    pims.begin_outage(3600)
    (town.folder / "user").unlink()
    line = checks(town, 3)["config", "accounts.altegio-city.options.user_token"]
    assert line["mark"] == "WRONG"
    assert f"{town.config_path.name}:" in line["advice"], "file and line"


def test_a_config_that_cannot_be_read(desk: Desk) -> None:
    desk.config_path.write_text("version: 1\nledgre: {}\n")
    result = desk.run("doctor", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["problems"][0]["code"] == "config"
    assert desk.run("doctor").exit_code == 3


def test_the_ledger_key_that_fits_and_one_that_does_not(town: Desk) -> None:
    open_ledger(town.place, (town.folder / "key").read_text(), FakeClock()).close()
    assert checks(town, 0)["ledger", "key"]["text"] == "fits this ledger"
    (town.folder / "key").write_text("another key, and a long one, that this ledger was not made with")
    line = checks(town, 6)["ledger", "key"]
    assert line["mark"] == "WRONG"
    assert "another key, and" not in json.dumps(line)


def test_a_ledger_key_that_is_too_short_is_told_before_there_is_a_ledger(town: Desk) -> None:
    (town.folder / "key").write_text("short")
    assert "shorter than" in checks(town, 6)["ledger", "key"]["text"]
    assert not town.has_ledger()


def test_a_clock_that_went_back_shows_in_the_ledger(town: Desk, settled: Settled) -> None:
    town.clock.advance(3 * 3600)
    settled(ChangeState.DONE)
    line = checks(town, 0)["ledger", "clock"]
    assert line["mark"] == "WARN"
    assert "2 hours in the future" in line["text"]


def test_a_clock_that_cannot_be_right(desk: Desk) -> None:
    sites = desk.loaded().config.sites
    (line,) = check_clock(FakeClock(datetime(1970, 1, 1, tzinfo=UTC)), sites)
    assert (line.mark, line.exit_code) == (Mark.WRONG, 3)
    (line,) = check_clock(FakeClock(datetime(2026, 7, 1, 9, 0, tzinfo=UTC)), sites)
    assert line.mark is Mark.OK
    assert "Wed 01 Jul 10:00" in line.text, "the site's own summer time"


def test_the_exit_code_is_that_of_what_comes_first() -> None:
    def line(code: int) -> Line:
        return Line(subject="", name="", mark=Mark.WRONG, text="", exit_code=code)

    assert exit_code([]) == exit_code([line(0)]) == 0
    assert exit_code([line(5), line(0)]) == 5
    assert exit_code([line(5), line(6)]) == 6
    assert exit_code([line(5), line(6), line(3)]) == 3


@pytest.mark.sqlite_file("a file stands in a folder")
def test_a_folder_that_is_none_takes_no_ledger(town: Desk) -> None:
    (town.folder / "in-the-way").write_text("a file")
    config = town.config()
    config["ledger"]["path"] = "in-the-way/vetbridge.db"
    town.save(config)
    assert "is no folder" in checks(town, 6)["ledger", "file"]["text"]


@pytest.mark.sqlite_file("a file stands in a folder")
def test_a_folder_that_cannot_be_written_to_takes_no_ledger(town: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, _mode: path != town.ledger_path.parent)
    assert "cannot be written to" in checks(town, 6)["ledger", "file"]["text"]


def test_seconds_are_not_wasted_on_a_clock_that_is_nearly_right(town: Desk, settled: Settled) -> None:
    town.clock.advance(timedelta(minutes=10, seconds=20).total_seconds())
    settled(ChangeState.DONE)
    assert ("ledger", "clock") not in checks(town, 0)


def test_a_virus_scanner_that_does_not_answer_is_named(town: Desk) -> None:
    config = town.config()
    config["scanner"] = {"address": f"unix://{town.folder}/clamd.ctl"}
    town.save(config)

    line = checks(town, 5)["files", "scanner"]

    assert "does not answer" in line["text"]
    assert "scanner.address" in line["advice"]


def test_files_that_a_side_does_not_give_as_it_is_set_up_are_told(town: Desk) -> None:
    config = town.config()
    config["sites"]["city"]["attachments"] = {"to_pims": {}, "to_booking": {}}
    town.save(config)

    found = checks(town, 0)

    assert found["files", "scanner"]["mark"] == "OK"
    for way in ("to_pims", "to_booking"):
        assert found["city", f"files {way}"]["mark"] == "WARN"
        assert "ezyvet" in found["city", f"files {way}"]["text"]


def test_types_and_sizes_of_files_that_a_side_does_not_take_are_told(town: Desk) -> None:
    config = town.config()
    config["accounts"]["ezyvet-city"]["options"]["scope"] = [*SCOPES, "read-attachment", "write-attachment"]
    config["sites"]["city"]["attachments"] = {"to_booking": {"types": {"heic": 5, "pdf": 12, "docx": 13}}}
    town.save(config)
    found = [each for each in every_line(town) if each["name"] == "files to_booking"]

    assert [each["mark"] for each in found] == ["WARN", "WARN"]
    assert found[0]["text"].endswith("takes no heic")
    assert found[1]["text"].endswith("takes only files below 12 MB of docx")


def test_due_services_that_no_side_is_set_up_for_are_told(town: Desk) -> None:
    config = town.config()
    config["sites"]["city"]["reminders"] = {
        "notices": {"text": "{services}"},
        "exempt_types": ["checkup", "grooming"],
    }
    town.save(config)

    found = checks(town, 0)

    for part in ("reminders", "reminders card", "reminders notices", "reminders exempt_types"):
        assert found["city", part]["mark"] == "WARN"
    assert "ezyvet" in found["city", "reminders"]["text"]
    assert "altegio" in found["city", "reminders card"]["text"]
    assert "has grooming, so" in found["city", "reminders exempt_types"]["text"]


def test_due_services_that_both_sides_are_set_up_for_are_well(town: Desk) -> None:
    config = town.config()
    accounts = config["accounts"]
    accounts["altegio-city"]["options"] |= {"due_labels": {"soon": "1"}, "mailing": {"clients": "c", "text": "t"}}
    accounts["ezyvet-city"]["options"]["scope"] = [*SCOPES, "read-vaccination", "read-consult"]
    config["sites"]["city"]["reminders"] = {"notices": {"text": "{services}"}}
    town.save(config)

    found = {(each["subject"], each["name"]): each for each in every_line(town)}

    for part in ("reminders", "reminders card", "reminders notices"):
        assert found["city", part]["mark"] == "OK"
