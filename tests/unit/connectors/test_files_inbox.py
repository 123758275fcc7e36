"""Files are taken in once they stand still, judged whole, and moved away last: nothing is lost, nothing doubled."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.files import inbox
from tests.unit.connectors.folder_exchange import PROFILE, Exchange, clients, visits
from vetbridge.core.errors import BadAnswer, Unavailable
from vetbridge.core.records import Kind

MANY = [f"{number},First,Last {number},030 {number:04},{number}@example.org" for number in range(1, 41)]
PRIVATE = "Müßig"


@pytest.fixture
def acme(tmp_path: Path) -> Exchange:
    return Exchange(tmp_path)


# -- when a file is taken


def test_a_file_is_taken_once_it_has_stood_still(tmp_path: Path) -> None:
    acme = Exchange(tmp_path, settle=30)
    now = int(acme.clock.now().timestamp())
    acme.put("clients.csv", clients("1,A,B,,"), written=now)
    for seconds in (0, 20):
        acme.clock.advance(seconds)
        with pytest.raises(Unavailable, match=r"no file of clients has been taken in yet; put one called clients\*"):
            acme.ids()
    acme.put("clients.csv", clients("1,A,B,,", "2,C,D,,"), written=now + 20)
    for _ in range(2):
        with pytest.raises(Unavailable):
            acme.ids()
        acme.clock.advance(15)
    assert acme.ids() == ["1", "2"]


def test_a_file_that_has_been_lying_there_need_not_be_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = Exchange(tmp_path, settle=30)
    acme.put("clients.csv", clients("1,A,B,,"))
    written = (tmp_path / "in" / "clients.csv").stat().st_ctime
    acme.clock.advance(written + 700 - acme.clock.now().timestamp())
    assert acme.ids() == ["1"]


def test_with_marks_a_file_is_taken_when_its_mark_is_there(tmp_path: Path) -> None:
    acme = Exchange(tmp_path, settle=3600, done=".done")
    acme.put("clients.csv", clients("1,A,B,,"))
    with pytest.raises(Unavailable):
        acme.ids()
    acme.put("clients.csv.done", "")
    assert acme.ids() == ["1"]
    assert acme.lying("in") == []


@pytest.mark.parametrize(
    "name", ["clients.csv.tmp", "clients.csv.part", ".clients.csv", "~$clients.csv", "Thumbs.db"]
)
def test_what_is_still_being_written_is_left(acme: Exchange, name: str) -> None:
    acme.put("clients.csv", clients("1,A,B,,"))
    acme.put(name, clients("2,A,B,,"))
    assert acme.ids() == ["1"]
    assert acme.lying("in") == ([name] if not name.startswith(".") else [])


def test_a_file_that_moves_while_it_is_read_is_tried_again(acme: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    acme.put("visits.csv", visits("9;;2026-05-04 09:00;15;"))
    acme.put("clients.csv", clients("1,A,B,,"))
    real, copies = inbox.private, 0

    def slow(path: Path, mode: str = "w") -> Any:
        nonlocal copies
        copies += path.name == "being-read"
        if path.name == "being-read" and copies == 2:  # The clients: somebody goes on writing while they are copied.
            acme.put("clients.csv", clients("1,A,B,,", "2,C,D,,"))
        return real(path, mode)

    monkeypatch.setattr(inbox, "private", slow)
    with pytest.raises(Unavailable):
        acme.ids()
    monkeypatch.undo()
    assert acme.ids() == ["1", "2"]
    assert acme.lying("errors") == []


@pytest.mark.parametrize("content", [clients("1,A,B,,"), "nothing to read"], ids=["taken", "put aside"])
@pytest.mark.parametrize("archive_days", [30, 0])
def test_what_was_put_in_the_place_of_a_file_meanwhile_is_read_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, archive_days: int
) -> None:
    acme = Exchange(tmp_path, archive_days=archive_days)
    acme.put("clients.csv", content)
    real = inbox.Inbox._leaves

    def replaced(self: inbox.Inbox, *more: Any) -> bool:
        monkeypatch.undo()
        acme.put("clients.csv", clients("1,A,B,,", "2,C,D,,"))
        return real(self, *more)

    monkeypatch.setattr(inbox.Inbox, "_leaves", replaced)
    with suppress(Unavailable):
        acme.ids()
    assert acme.lying("in") == ["clients.csv"]
    assert acme.ids() == ["1", "2"]
    assert acme.lying("in") == acme.lying("work") == []


def test_a_file_that_somebody_takes_away_was_taken_in_all_the_same(
    acme: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme.put("clients.csv", clients("1,A,B,,"))
    real = inbox.Inbox._leaves

    def gone(self: inbox.Inbox, *more: Any) -> bool:
        (acme.folder / "in" / "clients.csv").unlink()
        return real(self, *more)

    monkeypatch.setattr(inbox.Inbox, "_leaves", gone)
    assert acme.ids() == ["1"]


def test_a_file_that_is_locked_is_tried_again(acme: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    acme.put("clients.csv", clients("1,A,B,,"))
    real = os.open

    def locked(path: Any, *more: Any) -> int:
        if str(path).endswith("clients.csv"):
            raise PermissionError(13, "in use by another program")
        return real(path, *more)

    monkeypatch.setattr(os, "open", locked)
    with pytest.raises(Unavailable, match="no file of clients"):
        acme.ids()
    monkeypatch.undo()
    assert acme.ids() == ["1"]


def test_a_file_that_somebody_has_open_is_taken_in_and_leaves_later(
    acme: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spreadsheet on Windows keeps a file from being moved; the other files are none the worse for it."""
    acme.put("clients.csv", clients("1,A,B,,"))
    acme.put("visits.csv", visits("9;;2026-05-04 09:00;15;"))
    real = Path.replace

    def held(self: Path, target: Path) -> Path:
        if self.name == "clients.csv":
            raise PermissionError(13, "the process cannot access the file")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", held)
    for _ in range(2):
        assert acme.ids() == ["1"]
        assert acme.ids(Kind.APPOINTMENT) == ["9"]
    monkeypatch.undo()
    assert acme.ids() == ["1"]
    assert acme.lying("in") == []


def test_files_are_taken_in_the_order_in_which_they_were_written(acme: Exchange) -> None:
    acme.put("clients-b.csv", clients("1,A,Old,,"))
    acme.put("clients-a.csv", clients("1,A,New,,"))
    assert (acme.told()["1"].native or {})["family_name"] == "New"


# -- what is no file to take


def make_link(path: Path) -> None:
    secret = path.parent.parent / "secret.csv"
    secret.write_text(clients("9,X,Y,,"))
    path.symlink_to(secret)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        os.chdir(path.parent)
        made.bind(path.name)


@pytest.mark.parametrize(
    ("make", "reason"),
    [(make_link, "it is a link"), (make_pipe, "no plain file"), (make_socket, "no plain file")],
)
def test_what_is_no_file_is_never_opened(
    acme: Exchange, make: Callable[[Path], None], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(acme.folder)
    acme.put("clients.csv", clients("1,A,B,,"))
    make(acme.folder / "in" / "clients-2.csv")
    assert acme.ids() == ["1"]
    assert reason in acme.reason("clients-2.csv")
    assert acme.lying("in") == []


@pytest.mark.parametrize(
    "name", ["clients\x1b[2J.csv", "clients\n.csv", "clients\udcff.csv", f"clients{'x' * 200}.csv"]
)
def test_a_name_that_cannot_be_shown_is_put_aside_under_another(acme: Exchange, name: str) -> None:
    acme.put("clients.csv", clients("1,A,B,,"))
    acme.put(name, clients("2,A,B,,"))
    assert acme.ids() == ["1"]
    (reason,) = [each for each in acme.lying("errors") if each.endswith(".reason.txt")]
    assert reason.isprintable()
    assert acme.lying("in") == []


def test_a_folder_and_a_file_of_another_name_are_left(acme: Exchange) -> None:
    acme.put("clients.csv", clients("1,A,B,,"))
    acme.put("holiday.csv", "x")
    (acme.folder / "in" / "clients.d").mkdir()
    assert acme.ids() == ["1"]
    assert acme.lying("in") == ["clients.d", "holiday.csv"]


def test_a_share_that_is_away_is_not_an_empty_one(tmp_path: Path) -> None:
    acme = Exchange(tmp_path / "share")
    acme.put("clients.csv", clients("1,A,B,,"))
    acme.ids()
    (tmp_path / "share").rename(tmp_path / "away")
    with pytest.raises(Unavailable, match=r"there is no folder .*share; mount the share"):
        acme.ids()
    assert not (tmp_path / "share").exists()
    (tmp_path / "share").mkdir()
    with pytest.raises(Unavailable, match="no file of clients"):
        acme.files.get(Kind.CLIENT, "1")


# -- what a snapshot takes away


def test_who_is_missing_in_a_snapshot_is_gone(acme: Exchange) -> None:
    acme.put("clients.csv", clients(*MANY))
    before = acme.cursor()
    acme.put("clients.csv", clients(*MANY[1:]))
    told = acme.told(since=before)
    assert [(each.id, each.deleted, each.native) for each in told.values()] == [("1", True, None)]
    assert acme.files.get(Kind.CLIENT, "1") is None
    assert "1" not in acme.told()
    acme.put("clients.csv", clients(*MANY))
    assert acme.files.get(Kind.CLIENT, "1") is None
    assert acme.told()["1"].native == acme.files.get(Kind.CLIENT, "1")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (MANY[:20], "20 of 40 known clients are missing in it, more than may be gone at once (10%)"),
        ([], "it holds 0 clients"),
    ],
)
def test_a_purge_changes_nothing(acme: Exchange, rows: list[str], reason: str) -> None:
    acme.put("clients.csv", clients(*MANY))
    acme.ids()
    before = acme.cursor()
    acme.put("clients.csv", clients(*rows))
    assert acme.told(since=before) == {}
    assert len(acme.ids()) == 40
    assert reason in acme.reason("clients.csv")


def test_a_purge_that_was_meant_is_let_through_by_a_limit_of_the_account(tmp_path: Path) -> None:
    acme = Exchange(tmp_path)
    acme.put("clients.csv", clients(*MANY))
    acme.ids()
    acme.files = acme.another(most_gone=1)
    acme.put("clients.csv", clients(*MANY[:20]))
    assert len(acme.ids()) == 20


def test_a_refused_row_takes_nobody_away(acme: Exchange) -> None:
    acme.put("clients.csv", clients(*MANY))
    acme.ids()
    acme.put("clients.csv", clients("1,First,,030 1,", *MANY[2:]))
    assert acme.files.get(Kind.CLIENT, "1") is not None
    assert "2" not in acme.ids()
    assert "1" in acme.ids()


def test_after_a_row_of_nobody_knows_whom_nobody_is_gone(acme: Exchange) -> None:
    acme.put("clients.csv", clients(*MANY))
    acme.ids()
    acme.put("clients.csv", clients('"x"y,First', *MANY[1:]))
    assert len(acme.ids()) == 40


def test_a_snapshot_of_before_the_last_one_is_put_aside(acme: Exchange) -> None:
    acme.put("clients.csv", clients(*MANY))
    acme.ids()
    acme.put("clients-old.csv", clients(*MANY[1:]), written=1_600_000_000)
    assert len(acme.ids()) == 40
    assert "it was written before clients.csv, which was taken in already" in acme.reason("clients-old.csv")


def test_visits_outside_of_what_a_snapshot_covers_are_kept(acme: Exchange) -> None:
    days = [f"{day};;2026-05-{day:02} 09:00;15;" for day in (1, 4, 5, 6, 20)]
    acme.put("visits.csv", visits(*days))
    acme.ids(Kind.APPOINTMENT)
    acme.put("visits.csv", visits(days[1], days[3]))
    assert acme.ids(Kind.APPOINTMENT) == ["1", "20", "4", "6"]


def test_a_slip_of_the_pen_makes_a_snapshot_cover_no_more_days(acme: Exchange) -> None:
    days = [f"{day};;2026-05-{day:02} 09:00;15;" for day in range(10, 30)]
    acme.put("visits.csv", visits(*days))
    acme.ids(Kind.APPOINTMENT)
    acme.put("visits.csv", visits(*days[:18], "99;;2062-05-04 09:00;15;"))
    assert len(acme.ids(Kind.APPOINTMENT)) == 21
    acme.put("visits.csv", visits(*days[2:18], "99;;2006-05-04 09:00;15;"))
    assert len(acme.ids(Kind.APPOINTMENT)) == 21


def test_a_window_says_what_a_snapshot_covers(tmp_path: Path) -> None:
    kinds = PROFILE["kinds"]
    with_window = {**kinds["appointment"], "window": {"back_days": 1, "ahead_days": 10}}
    acme = Exchange(tmp_path, {**PROFILE, "kinds": {**kinds, "appointment": with_window}})
    day = acme.clock.now().date()
    moments = {number: f"{day + timedelta(days=number)} 09:00" for number in (-2, -1, 5, 10, 11)}
    rows = [f"{number};;{moment};15;" for number, moment in moments.items()]
    written = int(acme.clock.now().timestamp())
    acme.put("visits.csv", visits(*rows), written=written)
    acme.ids(Kind.APPOINTMENT)
    acme.put("visits.csv", visits(rows[2]), written=written + 60)
    assert acme.ids(Kind.APPOINTMENT) == ["-2", "11", "5"]
    acme.put("visits.csv", visits(), written=written + 120)
    assert acme.ids(Kind.APPOINTMENT) == ["-2", "11", "5"]
    assert "all 1 known appointments are missing in it; nothing was changed" in acme.reason("visits.csv")


DIARY = [(number, f"2026-05-{4 + number % 5:02}", 9 + number // 5, f"vet_{number % 2}") for number in range(40)]


def diary(*left_out: int, hours: int = 0, gone: int = 0) -> str:
    """Forty visits of one week, of two vets."""
    rows = [
        f"{number};{day} {hour + hours:02}:00;15;{vet};{int(number < gone)}"
        for number, day, hour, vet in DIARY
        if number not in left_out
    ]
    return "\r\n".join(["Id;Start;Minutes;Vet;Deleted", *rows, ""])


@pytest.fixture
def week(tmp_path: Path) -> Exchange:
    kinds = PROFILE["kinds"]
    fields = {**kinds["appointment"]["fields"], "resource": "Vet"}
    rules = {**kinds["appointment"], "fields": fields, "deleted_when": {"column": "Deleted"}}
    acme = Exchange(tmp_path, {**PROFILE, "kinds": {"appointment": rules}})
    acme.put("visits.csv", diary())
    assert len(acme.ids(Kind.APPOINTMENT)) == 40
    return acme


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (diary(*range(1, 40, 2)), "19 of 39 known appointments are missing in it, more than may be gone"),
        (diary(gone=20), "0 of 40 known appointments are missing in it and 20 are over"),
        (diary(*range(6, 11), gone=6), "5 of 40 known appointments are missing in it and 6 are over"),
        (diary(hours=2), "38 of 38 known appointments begin at another time in it"),
    ],
    ids=["of one vet", "struck", "missing and struck", "another clock"],
)
def test_more_than_happens_between_two_exports_of_a_diary_changes_nothing(
    week: Exchange, content: str, reason: str
) -> None:
    before = week.cursor(Kind.APPOINTMENT)
    week.put("visits.csv", content)
    assert week.told(Kind.APPOINTMENT, before) == {}
    assert reason in week.reason("visits.csv")
    week.files = week.another(most_gone=1)
    week.put("visits.csv", content)
    assert week.told(Kind.APPOINTMENT, before) != {}


def test_what_happens_in_a_day_is_taken(week: Exchange) -> None:
    before = week.cursor(Kind.APPOINTMENT)
    week.put("visits.csv", diary(7, 8, 9, gone=4))
    assert len(week.told(Kind.APPOINTMENT, before)) == 7


def test_of_a_small_diary_only_a_few_may_be_gone_at_once(acme: Exchange) -> None:
    rows = [f"{number};;2026-05-04 {9 + number:02}:00;15;" for number in range(10)]
    acme.put("visits.csv", visits(*rows))
    acme.ids(Kind.APPOINTMENT)
    acme.put("visits.csv", visits(rows[0], *rows[5:]))
    assert len(acme.ids(Kind.APPOINTMENT)) == 10
    acme.put("visits.csv", visits(rows[0], *rows[4:]))
    assert len(acme.ids(Kind.APPOINTMENT)) == 7


def test_a_vet_who_is_left_out_of_an_export_loses_no_visits(tmp_path: Path) -> None:
    kinds = PROFILE["kinds"]
    fields = {**kinds["appointment"]["fields"], "resource": "Notes"}
    acme = Exchange(tmp_path, {**PROFILE, "kinds": {"appointment": {**kinds["appointment"], "fields": fields}}})
    rows = [f"{n};;2026-05-{4 + n % 10:02} {9 + n // 10:02}:00;15;vet_{n // 6}" for n in range(80)]
    acme.put("visits.csv", visits(*rows))
    acme.ids(Kind.APPOINTMENT)
    acme.put("visits.csv", visits(*rows[:12], *rows[18:]))
    assert len(acme.ids(Kind.APPOINTMENT)) == 80
    assert "all known appointments of a vet or a room are missing in it" in acme.reason("visits.csv")


def test_a_column_that_was_renamed_empties_no_records(acme: Exchange) -> None:
    acme.put("clients.csv", clients("1,A,B,030 1,a@example.org"))
    acme.ids()
    acme.put("clients.csv", clients("1,A,C,030 1,a@example.org", header="Id,First,Last,Phone,Electronic mail"))
    assert (acme.told()["1"].native or {})["emails"] == ["a@example.org"]
    assert "the column of emails is missing, and clients.csv had it" in acme.reason("clients.csv")
    acme.files = acme.another(most_gone=1)
    acme.put("clients.csv", clients("1,A,C,030 1,", header="Id,First,Last,Phone,Other"))
    assert (acme.told()["1"].native or {})["emails"] == []
    acme.files = acme.another()
    acme.put("clients.csv", clients("1,A,D,030 1,", header="Id,First,Last,Phone,Other"))
    assert (acme.told()["1"].native or {})["family_name"] == "D"


def test_an_old_export_that_is_copied_in_again_brings_nothing_back(acme: Exchange) -> None:
    acme.put("clients-monday.csv", clients("1,A,Old,,"))
    acme.ids()
    acme.put("clients-tuesday.csv", clients("1,A,New,,"))
    acme.ids()
    acme.put("clients-monday.csv", clients("1,A,Old,,"))
    assert (acme.told()["1"].native or {})["family_name"] == "New"
    assert "it was taken in already, and clients-tuesday.csv after it" in acme.reason("clients-monday.csv")


def test_a_file_from_the_future_does_not_keep_later_ones_out(acme: Exchange) -> None:
    acme.put("clients.csv", clients("1,A,Old,,"), written=4_000_000_000)
    acme.ids()
    acme.clock.advance(3600)
    acme.put("clients.csv", clients("1,A,New,,"), written=int(acme.clock.now().timestamp()))
    assert (acme.told()["1"].native or {})["family_name"] == "New"


def test_changes_add_to_what_is_known_and_the_last_row_counts(tmp_path: Path) -> None:
    kinds = PROFILE["kinds"]
    acme = Exchange(tmp_path, {**PROFILE, "kinds": {"client": {**kinds["client"], "mode": "changes"}}})
    acme.put("clients-1.csv", clients("1,A,Old,,", "2,B,Berg,,"))
    acme.put("clients-2.csv", clients("1,A,New,,", "1,A,Newer,,"))
    assert acme.ids() == ["1", "2"]
    acme.put("clients-3.csv", clients("1,A,Older,,"), written=1_600_000_000)
    acme.put("clients-4.csv", clients())
    assert (acme.told()["1"].native or {})["family_name"] == "Newer"
    assert not acme.files.capabilities.of(Kind.CLIENT).deletions_visible
    assert acme.lying("errors") == ["clients-3.csv", "clients-3.csv.reason.txt"]


def test_the_same_rows_in_two_files_are_no_change(acme: Exchange) -> None:
    acme.put("clients.csv", clients("1,A,B,030 1,", "2,C,D,,"))
    before = acme.cursor()
    acme.put("clients-again.csv", clients("2;C;D;;", "1;A;B;030 1;").replace(",", ";"))
    assert acme.told(since=before) == {}
    assert acme.cursor() == before


def test_one_file_may_hold_two_kinds(tmp_path: Path) -> None:
    kinds = {kind: {**rules, "files": ["all*.csv"]} for kind, rules in PROFILE["kinds"].items()}
    acme = Exchange(tmp_path, {**PROFILE, "kinds": kinds})
    acme.put("all.csv", "Id,Last,Start,Minutes\r\n1,Berg,2026-05-04 09:00,15\r\n")
    assert acme.ids() == acme.ids(Kind.APPOINTMENT) == ["1"]


# -- where files go


def test_files_and_reasons_are_kept_as_long_as_the_account_says(tmp_path: Path) -> None:
    acme = Exchange(tmp_path, archive_days=30)
    acme.put("clients.csv", clients("1,A,B,,"))
    acme.put("clients-bad.csv", b"\0")
    acme.put("clients-half.csv", clients("1,A,B,,", "2,C"), written=1_800_000_000)
    acme.ids()
    assert acme.lying("archive") == ["20260302-090000-clients-half.csv", "20260302-090000-clients.csv"]
    aside = ["clients-bad.csv", "clients-bad.csv.reason.txt", "clients-half.csv.rejected.csv"]
    assert acme.lying("errors") == aside
    acme.clock.advance(29 * 86400)
    acme.ids()
    assert acme.lying("errors") == aside
    acme.clock.advance(2 * 86400)
    acme.ids()
    assert acme.lying("archive") == acme.lying("errors") == []


def test_two_files_of_one_name_in_one_second_are_both_kept(acme: Exchange) -> None:
    for row in ("1,A,B,,", "1,A,C,,", "1,A,D,,"):
        acme.put("clients.csv", clients(row))
        acme.ids()
    assert acme.lying("archive") == [f"20260302-090000{turn}-clients.csv" for turn in ("", ".2", ".3")]


def test_a_folder_that_is_a_link_is_not_used(acme: Exchange, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (acme.folder / "in").rmdir()
    (acme.folder / "in").symlink_to(elsewhere)
    (elsewhere / "clients.csv").write_text(clients("1,A,B,,"))
    with pytest.raises(Unavailable, match=r"in in .* is a link"):
        acme.ids()
    assert (elsewhere / "clients.csv").exists()


def test_nothing_is_kept_where_nothing_is_to_be(tmp_path: Path) -> None:
    acme = Exchange(tmp_path, archive_days=0)
    acme.put("clients.csv", clients("1,A,B,,"))
    assert acme.ids() == ["1"]
    assert acme.lying("in") == acme.lying("archive") == []


def test_refused_rows_are_harmless_to_a_spreadsheet(acme: Exchange) -> None:
    acme.put("clients.csv", clients("1,A,B,,", "2,B,C,,", '3,"=HYPERLINK(""http://x"")",@SUM(A1),+49,-1,more'))
    acme.ids()
    cells = acme.rejected("clients.csv").splitlines()[1]
    assert "'=HYPERLINK" in cells
    assert ",'@SUM(A1),'+49,'-1,more" in cells


def test_reasons_name_no_person(acme: Exchange) -> None:
    acme.put("clients.csv", clients(f"1,Zoë,{PRIVATE},,", f"2,{PRIVATE}"))
    acme.put("clients-2.csv", f"{PRIVATE},Zoë\r\n1,2\r\n")
    acme.ids()
    assert PRIVATE not in acme.reason("clients-2.csv") + acme.rejected("clients.csv").split(",2,")[0]


def test_state_and_copies_are_for_nobody_else(acme: Exchange) -> None:
    acme.put("clients.csv", clients("1,A,B,,"))
    acme.ids()
    assert (acme.folder / "state" / "client.jsonl").stat().st_mode & 0o077 == 0
    assert (acme.folder / "state").stat().st_mode & 0o077 == 0
    assert acme.lying("work") == []


# -- after a restart, and a crash


def test_what_is_known_outlives_the_connector(acme: Exchange) -> None:
    acme.put("clients.csv", clients(*MANY))
    cursor, everybody = acme.cursor(), acme.told()
    acme.files = acme.another()
    assert acme.told(since=cursor) == {}
    assert acme.told() == everybody
    assert acme.files.get(Kind.CLIENT, "7") == everybody["7"].native


def test_another_process_sees_what_this_one_took_in(acme: Exchange) -> None:
    other = acme.another()
    acme.put("clients.csv", clients("1,A,B,,"))
    acme.ids()
    assert other.get(Kind.CLIENT, "1")
    acme.put("clients.csv", clients("1,A,B,,", "2,C,D,,"))
    acme.ids()
    assert other.get(Kind.CLIENT, "2")


def test_a_damaged_state_is_said_and_takes_nobody_away(acme: Exchange) -> None:
    acme.put("clients.csv", clients("1,A,B,,", "2,C,D,,"))
    acme.ids()
    state = acme.folder / "state" / "client.jsonl"
    state.write_text("".join(state.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(BadAnswer, match=r"state/client.jsonl: it is damaged; restore it"):
        acme.another().get(Kind.CLIENT, "2")


def test_a_state_that_was_removed_makes_cursors_meaningless(acme: Exchange) -> None:
    acme.put("clients.csv", clients("1,A,B,,"))
    cursor = acme.cursor()
    (acme.folder / "state" / "client.jsonl").unlink()
    acme.files = acme.another()
    acme.put("clients.csv", clients("1,A,B,,"))
    assert sorted(acme.told(since=cursor)) == ["1"]


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("turn", range(1, 13))
def test_a_crash_at_any_point_loses_nothing_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    acme = Exchange(tmp_path)
    acme.put("clients.csv", clients(*MANY))
    acme.ids()
    before = acme.cursor()
    acme.put("clients-2.csv", clients("40,F,Changed,,", "41,F", "42,New,One,,", *MANY[1:39]))
    acme.put("clients-3.csv", b"\0")
    calls = 0

    def killed(real: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any, **more: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == turn:
                raise Killed
            real(*args, **more)

        return call

    for name in ("replace", "unlink"):
        monkeypatch.setattr(os, name, killed(getattr(os, name)))
    with pytest.raises(Killed):
        acme.ids()
    monkeypatch.undo()
    acme.files = acme.another()
    told = acme.told(since=before)
    assert {each.id: each.deleted for each in told.values()} == {"1": True, "40": False, "42": False}
    assert len(acme.ids()) == 40
    assert acme.cursor().endswith(".2")
    assert acme.lying("in") == []
    assert acme.lying("archive") == ["20260302-090000-clients-2.csv", "20260302-090000-clients.csv"]
    assert acme.lying("errors") == ["clients-2.csv.rejected.csv", "clients-3.csv", "clients-3.csv.reason.txt"]


def test_two_processes_do_not_take_in_at_once(acme: Exchange) -> None:
    acme.put("clients.csv", clients("1,A,B,,"))
    acme.files._inbox.prepare()
    other = acme.another()
    with other._inbox._alone() as mine:
        assert mine
        with pytest.raises(Unavailable):
            acme.ids()
    assert acme.ids() == ["1"]


def test_a_file_larger_than_anything_is_not_copied_to_its_end(
    acme: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "LARGEST", 100)
    monkeypatch.setattr("connectors.files.tables.LARGEST", 100)
    monkeypatch.setattr(inbox, "_CHUNK", 50)
    acme.put("clients.csv", clients(*MANY))
    acme.put("visits.csv", visits())
    acme.ids(Kind.APPOINTMENT)
    assert "it is larger than" in acme.reason("clients.csv")
