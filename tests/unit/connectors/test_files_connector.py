"""What is known of files is searched, listed in pages and told to have changed; a check says how old it is."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from connectors.files import FilesOptions, declares, plugin
from connectors.files.profile import FilesProfile
from tests.unit.connectors.folder_exchange import PROFILE, Exchange, clients, visits, write
from vetbridge.connector.interface import Check, Operation
from vetbridge.connector.plugin import Environment, systems
from vetbridge.connector.profiles import load_profile, shipped_profiles
from vetbridge.core.errors import ConfigError, Refused
from vetbridge.core.records import Kind

TWO = clients("1,Zoë,Müßig,030 123456,Zoe@Example.org", "2,Jan,Berg,+49 30 123456,jan@example.org;x", "3,Eva,Tal,,")


@pytest.fixture
def acme(tmp_path: Path) -> Exchange:
    acme = Exchange(tmp_path)
    acme.put("clients.csv", TWO)
    acme.put("visits.csv", visits("9;1;2026-03-29 02:30;15;VB-1 stamp", "8;2;2026-05-04 09:00;15;"))
    acme.ids()
    return acme


def found(acme: Exchange, kind: Kind = Kind.CLIENT, **query: str) -> list[str]:
    return [str(native["id"]) for native in acme.files.search(kind, query)]


def test_clients_are_found_by_any_form_of_a_phone_and_by_mail(acme: Exchange) -> None:
    assert found(acme, phone="0049-30-123456") == ["1", "2"]
    assert found(acme, phone="030123456", email="zoe@example.org") == ["1"]
    assert found(acme, email="nobody@example.org") == found(acme, phone="none") == []
    acme.put("clients.csv", TWO.replace("030 123456", "030 999999"))
    acme.ids()
    assert found(acme, phone="030 123456") == ["2"]


def test_visits_are_found_by_client_and_time(acme: Exchange) -> None:
    assert found(acme, Kind.APPOINTMENT, client_id="2") == ["8"]
    # That night the clock of Berlin goes from two to three: half past two is half past three.
    assert found(acme, Kind.APPOINTMENT, start_before="2026-03-29T03:31:00+02:00") == ["9"]
    assert found(acme, Kind.APPOINTMENT, start_from="2026-05-04T09:00:00+02:00", client_id="1") == []


def test_a_visit_is_looked_for_by_its_stamp(acme: Exchange) -> None:
    wanted = write(Operation.CREATE, "k")
    assert [native["id"] for native in acme.files.look(replace(wanted, stamp="VB-1"))] == ["9"]
    assert list(acme.files.look(replace(wanted, stamp="VB-2"))) == list(acme.files.look(wanted)) == []


def test_pages_end_where_they_say(acme: Exchange) -> None:
    pages = list(acme.files.changes(Kind.CLIENT, None))
    assert [len(page.records) for page in pages] == [2, 1]
    assert [page.total for page in pages] == [3, 3]
    assert [page.last for page in pages] == [False, True]


def test_a_list_of_nothing_is_one_empty_page(acme: Exchange) -> None:
    (page,) = acme.files.changes(Kind.CLIENT, acme.cursor())
    assert (page.records, page.last, page.total) == ((), True, None)


def test_what_went_and_came_since_a_cursor(acme: Exchange) -> None:
    before = acme.cursor()
    acme.put("clients.csv", TWO.replace("3,Eva,Tal,,", "4,Udo,See,,"))
    middle = acme.cursor()
    acme.put("clients.csv", TWO.replace("Müßig", "Fleißig"))
    assert sorted(acme.told(since=middle)) == ["1", "3", "4"]
    assert {each.id: each.deleted for each in acme.told(since=before).values()} == {"1": False, "3": False, "4": True}


def test_a_cursor_of_nobody_begins_at_the_beginning(acme: Exchange) -> None:
    epoch = acme.cursor().partition(".")[0]
    for cursor in ("", "x.1", "1", ".", f"{epoch}.", f"{epoch}.999", f"{epoch}.-1", f"{epoch}.²", f"{epoch}.1.1"):
        assert sorted(acme.told(since=cursor)) == ["1", "2", "3"]


def test_a_profile_may_name_codes_that_no_record_bears_yet(tmp_path: Path) -> None:
    kinds = PROFILE["kinds"]
    fields = {**kinds["appointment"]["fields"], "resource": {"column": "Notes"}, "status": {"value": "5"}}
    profile = {
        **PROFILE,
        "kinds": {"appointment": {**kinds["appointment"], "fields": fields}},
        "codes": {"resource": {"3": "Room 3"}},
    }
    acme = Exchange(tmp_path, profile)
    acme.put("visits.csv", visits("9;1;2026-05-04 09:00;15;7"))
    assert acme.files.code_lists() == {
        "resource": {"3": "Room 3", "7": "7"},
        "status": {"deleted": "deleted", "5": "5"},
    }
    acme.put("visits.csv", visits("9;1;2026-05-04 09:00;15;8"))
    acme.ids(Kind.APPOINTMENT)
    assert acme.another().code_lists()["resource"] == {"3": "Room 3", "7": "7", "8": "8"}


def test_the_first_to_ask_for_codes_waits_until_the_files_stand_still(tmp_path: Path) -> None:
    fields = {**PROFILE["kinds"]["appointment"]["fields"], "resource": {"column": "Notes"}}
    profile = {**PROFILE, "kinds": {"appointment": {**PROFILE["kinds"]["appointment"], "fields": fields}}}
    acme = Exchange(tmp_path, profile, settle=10)
    path = acme.put("visits.csv", visits("9;1;2026-05-04 09:00;15;7"))
    now = acme.clock.now().timestamp()
    os.utime(path, (now, now))
    before = acme.clock.steady()
    assert acme.files.code_lists() == {"resource": {"7": "7"}}
    assert acme.clock.steady() == before + 10
    acme.files.code_lists()
    assert acme.clock.steady() == before + 10, "later ones do not"


# -- check


def lines(acme: Exchange) -> dict[str, Check]:
    return {line.name: line for line in acme.files.check().lines}


def test_a_new_folder_waits_for_files(tmp_path: Path) -> None:
    acme = Exchange(tmp_path)
    report = acme.files.check()
    assert report.ok
    line = lines(acme)["files of clients"]
    assert (line.ok, line.warning) == (False, True)
    assert line.advice == f"let Acme Vet write one called clients*.* into {tmp_path / 'in'}"


def test_a_check_says_how_old_files_are_and_takes_in_nothing(acme: Exchange) -> None:
    acme.put("clients.csv", clients("1,A,B,,"))
    acme.put("holiday.txt", "x")
    acme.clock.advance(7200)
    said = lines(acme)
    assert said["files of clients"].text == "the last one is clients.csv, taken in 2 hours ago (3 rows)"
    assert said["files of clients"].ok
    assert said["waiting files"].text == "1 will be taken in once they stand still"
    assert said["unknown files"].warning
    assert acme.lying("in") == ["clients.csv", "holiday.txt"]
    acme.clock.advance(3 * 86400)
    stale = lines(acme)["files of clients"]
    assert (stale.ok, stale.warning, "3 days ago" in stale.text) == (False, True, True)


def test_a_check_says_what_was_put_aside_and_refused(acme: Exchange) -> None:
    acme.put("visits.csv", b"\0")
    acme.put("clients.csv", TWO + "4,Udo\r\n")
    acme.ids()
    said = lines(acme)
    assert said["files put aside"].text == "put aside: visits.csv"
    assert "3 rows, 1 refused" in said["files of clients"].text
    assert said["files of clients"].advice.endswith("clients.csv.rejected.csv")
    assert acme.files.check().ok


def test_a_check_says_which_columns_are_missed(acme: Exchange) -> None:
    acme.files = acme.another(most_gone=1)
    acme.put("clients.csv", clients("1,Zoë,Müßig", "2,Jan,Berg", "3,Eva,Tal", header="Id,First,Last"))
    acme.ids()
    line = lines(acme)["files of clients"]
    assert (line.ok, line.warning) == (False, True)
    assert line.text.endswith("; no column for emails and phones")


def test_a_file_that_may_not_be_opened_is_an_error_of_the_check(
    acme: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme.put("clients.csv", TWO)
    monkeypatch.setattr(os, "access", lambda path, _mode: not str(path).endswith(".csv"))
    line = lines(acme)["closed files"]
    assert (line.ok, line.warning) == (False, False)
    assert line.text.startswith("1 files")


def test_a_share_that_is_away_is_an_error_of_the_check(tmp_path: Path) -> None:
    acme = Exchange(tmp_path / "share")
    (tmp_path / "share" / "in").rmdir()
    (tmp_path / "share").rmdir()
    (line,) = acme.files.check().lines
    assert not line.ok
    assert "mount the share" in line.text


# -- options and profiles


def test_an_account_may_take_fewer_kinds_than_its_profile_knows(tmp_path: Path) -> None:
    files = Exchange(tmp_path, kinds=("client",)).files
    assert set(files.capabilities.kinds) == {Kind.CLIENT}
    with pytest.raises(Refused, match="questions for appointment"):
        files.get(Kind.APPOINTMENT, "1")


@pytest.mark.parametrize("name", sorted(shipped_profiles("files")))
def test_every_shipped_profile_is_read_and_searched_by(name: str, tmp_path: Path) -> None:
    options = FilesOptions(folder=tmp_path, profile=name)
    can = plugin.build(options, Environment(account="a", zone="Europe/Berlin")).capabilities
    assert can.of(Kind.APPOINTMENT).search >= {"pet_id", "start_from", "start_before"}
    if name != "pulse":  # whose people a feed shows
        assert can.of(Kind.CLIENT).search == {"phone", "email"}
        assert can.of(Kind.PET).search == {"client_id"}
    assert can.proven
    assert not can.of(Kind.CLIENT).create


def test_a_broken_profile_is_told_when_the_options_are_read(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("title: x\nproven: y\nkinds:\n  pet:\n    fiels: {}\nkinds: {}\n")
    given = {"folder": ".", "profile": "site.yaml"}
    with pytest.raises(ValidationError, match=r"site.yaml:6: kinds: stands here a second time"):
        FilesOptions.model_validate(given, context={"folder": tmp_path})
    with pytest.raises(ValidationError, match=r"no profile called 'impromd' .* did you mean 'impromed'"):
        FilesOptions.model_validate({**given, "profile": "impromd"}, context={"folder": tmp_path})


def test_the_systems_that_say_so_have_a_profile_for_files() -> None:
    named = {name for name, system in systems().items() if system.profile("files")}
    assert {"impromed", "animana", "pulse"} <= named
    assert shipped_profiles("files").keys() == {"neutral", *named}


def test_what_the_plugin_declares_is_that_of_the_neutral_profile() -> None:
    assert declares().side == "pims"
    assert declares().of(Kind.APPOINTMENT).handed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"codes": {"breed": {}}}, "no code list is called 'breed'"),
        ({"kinds": {}}, "kinds"),
        ({"kinds": {"client": {**PROFILE["kinds"]["client"], "encodings": ["klingon"]}}}, "no encoding is called"),
        ({"kinds": {"client": {**PROFILE["kinds"]["client"], "delimiter": "-"}}}, "delimiter"),
        ({"kinds": {"client": {**PROFILE["kinds"]["client"], "files": []}}}, "files: must hold at least one entry"),
    ],
)
def test_a_profile_that_cannot_be_meant_is_refused(tmp_path: Path, change: dict[str, object], words: str) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(json.dumps({**PROFILE, **change}, default=dict))
    with pytest.raises(ConfigError, match=words):
        load_profile(FilesProfile, file, "files")
