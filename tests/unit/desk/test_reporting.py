"""The bundle for support: made from whatever there is, written whole, and nothing personal in it."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.desk.practice import KEY, Desk, Parked, Settled
from vetbridge.desk.reporting import CONTENT, TAKEN_OUT, without_contacts
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import ChangeState


def unpacked(desk: Desk, *more: str) -> dict[str, str]:
    """The files of a bundle that was written."""
    target = desk.folder / "report.zip"
    result = desk.run("report", "--offline", "--to", str(target), *more)
    assert result.exit_code == 0, result.output
    with zipfile.ZipFile(target) as archive:
        return {name: archive.read(name).decode("utf-8") for name in archive.namelist()}


def test_it_holds_what_it_says_and_only_its_owner_reads_it(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    files = unpacked(desk)
    assert set(files) == {*CONTENT, "README.txt", "manifest.json"} - {"log.txt"}
    manifest = json.loads(files["manifest.json"])
    assert {each["name"] for each in manifest["files"]} == set(files) - {"README.txt", "manifest.json"}
    assert manifest["missing"] == ["log.txt"]
    assert stat.S_IMODE((desk.folder / "report.zip").stat().st_mode) == 0o600
    assert json.loads(files["changes.json"])[0]["id"] == parked.change
    assert json.loads(files["tables.json"])["rows"]["change"] == 1
    (attempt,) = json.loads(files["attempts.json"])
    assert (attempt["account"], attempt["operation"], attempt["count"]) == ("ezyvet-city", "create", 1)
    assert {each["name"] for each in json.loads(files["connectors.json"])} >= {"altegio", "ezyvet"}
    codes = {each["code"] for each in json.loads(files["status.json"])["conditions"]}
    assert "question-soon" in codes


def test_neither_owners_nor_secrets_nor_texts_of_the_config_are_in_it(
    desk: Desk, ledger: Ledger, parked: Parked
) -> None:
    config = desk.config()
    config["webhooks"] = {
        "anna": {"url": "https://hooks.example/T0P", "secret": {"file": "client"}, "events": ["change.failed"]}
    }
    config["sites"]["city"]["booking"]["codes"]["resource"]["dr_olga"] = "509"
    config["alerts"] = {
        "mail_server": {"host": "mail.example", "sender": "vet@mail.example"},
        "mails": {"olga": {"to": ["olga@mail.example"]}},
    }
    desk.save(config)
    text = "\n".join(unpacked(desk).values())
    owners, texts = ("Harris", "Monty", "900123"), ("example", "T0P", "anna", "olga", "City Vets", str(desk.folder))
    for planted in (*owners, *texts, KEY):
        assert planted not in text
    settings = {each["key"]: each.get("value") for each in json.loads(unpacked(desk)["config.json"])}
    assert settings["ledger.key"] == "<secret: file>"
    assert settings["webhooks.1.url"] == TAKEN_OUT
    assert settings["webhooks.1.events"] == ["change.failed"]
    assert settings["sites.city.zone"] == "Europe/London"
    assert settings["timings.request_timeout"] == 2.0


def test_what_failed_is_grouped_and_odd_ids_are_hashed(desk: Desk, settled: Settled) -> None:
    settled(ChangeState.FAILED, "mapping", remote_id="7/Bella", message="Bella has no code")
    settled(ChangeState.FAILED, "mapping", remote_id="4711")
    files = unpacked(desk)
    (group,) = json.loads(files["failures.json"])
    assert (group["code"], group["account"], group["count"]) == ("mapping", "altegio-city", 2)
    ids = [each["remote_id"] for each in json.loads(files["changes.json"])]
    assert ids[0] == "4711"
    assert ids[1].startswith("hash:")
    assert "Bella" not in "\n".join(files.values())


def test_a_config_that_cannot_be_used_gives_a_bundle_too(desk: Desk) -> None:
    desk.config_path.write_text("version: 1\nledger: {}\nhello: Olga\n")
    files = unpacked(desk)
    found = json.loads(files["config.json"])
    assert found["code"] == "config"
    assert 2 in found["lines"]
    assert "Olga" not in "\n".join(files.values())
    assert "status.json" not in files


def test_a_ledger_that_cannot_be_opened_gives_a_bundle_too(desk: Desk, ledger: Ledger) -> None:
    (desk.folder / "key").write_text("another key that this ledger was not made with, and long enough")
    assert json.loads(unpacked(desk)["manifest.json"])["ledger_problem"] == "ledger-key"


def test_the_plan_writes_nothing(desk: Desk, ledger: Ledger) -> None:
    before = sorted(desk.folder.iterdir())
    data = desk.data("report", "--offline", "--plan", "--to", str(desk.folder / "report.zip"))
    assert data["file"] is None
    assert data["planned"] is True
    assert "changes.json" in data["files"]
    assert sorted(desk.folder.iterdir()) == before


def test_a_place_that_takes_no_file_is_told_before_the_work(desk: Desk, ledger: Ledger, tmp_path: Path) -> None:
    result = desk.run("report", "--offline", "--to", str(tmp_path / "nowhere" / "report.zip"))
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_the_end_of_the_log_is_in_it_without_phones_and_addresses(desk: Desk, ledger: Ledger) -> None:
    config = desk.config()
    config["log"] = {"file": "vetbridge.log"}
    desk.save(config)
    (desk.folder / "vetbridge.log").write_bytes(
        b'{"event": "poll.done", "change": 88123, "at": "2026-11-22T18:35:11.123456Z"}\n'
        b"odd: call +44 7700 900123 or ann@example.org \xff\x1b[31m\n"
    )
    log = unpacked(desk)["log.txt"]
    assert '"change": 88123, "at": "2026-11-22T18:35:11.123456Z"' in log
    assert "900123" not in log
    assert "ann@" not in log


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("call 07700 900123 now", False),
        ("tel:+447911123456", False),
        ("(030) 901820-11", False),
        ("447911123456.", False),
        ("phone:447911123456", False),
        ("phone=07911123456,", False),
        ("079-1112-3456", False),
        ("write to ann@example.org", False),
        ("Ann <ann+x@example.co.uk>", False),
        ("change 88123 of record 104512", True),
        ("2026-11-22T18:35:11.123456+00:00 took 0.0123456789 s", True),
        ("2026-11-22 18:35:11 [info] poll", True),
        ("c0ffee00-1234-5678-9abc-def012345678", True),
        ("VB-0000000001", True),
    ],
)
def test_what_looks_like_a_contact_is_taken_out(text: str, kept: bool) -> None:
    assert (without_contacts(text, ["GB", "DE"]) == text) is kept


def test_every_part_that_falls_over_leaves_the_others(
    desk: Desk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("Olga's phone")

    monkeypatch.setattr("vetbridge.desk.reporting.status", broken)
    files = unpacked(desk)
    assert json.loads(files["status.json"]) == {"failed": "ValueError"}
    assert json.loads(files["tables.json"])["rows"]
