"""`vetbridge staff` and `vetbridge audit`: who may use the page, and what people have done."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from argon2 import PasswordHasher

from tests.unit.desk.practice import ZONE, Desk, park
from vetbridge.cli import approving
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.instants import Instant
from vetbridge.core.roles import Role
from vetbridge.desk import claims, staff
from vetbridge.desk.staff import CannotChangeStaff
from vetbridge.ledger import changes, reviews
from vetbridge.ledger.database import Ledger

HOURS = 12.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    staff._nobody.cache_clear()


def acts(desk: Desk, *more: str) -> list[tuple[str, str, str, str]]:
    rows: list[dict[str, Any]] = desk.data("audit", "list", *more)
    return [(row["by"], row["act"], row["subject_id"], row["says"]) for row in reversed(rows)]


def names(desk: Desk) -> list[tuple[str, str]]:
    return [(row["name"], row["role"]) for row in desk.data("staff", "list")]


def test_somebody_is_added_and_signs_in_by_the_password_that_was_made(desk: Desk, ledger: Ledger) -> None:
    assert "Nobody may use the page yet" in desk.run("staff", "list").output
    planned = desk.data("staff", "add", "Ann", "--role", "reception", "--generate", "--plan")
    assert (planned["planned"], planned["password"], names(desk)) == (True, None, [])
    made = desk.data("staff", "add", "  Ann  Lee ", "--role", "reception", "--generate", "--by", "kim")
    assert made["name"] == "Ann Lee"
    assert staff.sign_in(ledger, "ann lee", made["password"], hours=HOURS) is not None
    assert names(desk) == [("Ann Lee", "reception")]
    assert acts(desk) == [("kim", "staff-added", "Ann Lee", "reception"), ("Ann Lee", "signed-in", "Ann Lee", "")]
    assert made["password"] not in desk.run("staff", "list").output


def test_a_password_comes_from_a_file(desk: Desk, ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("Grüße an alle\r\nmore\n", encoding="utf-8")
    desk.data("staff", "add", "Ben", "--role", "support", "--password-file", str(file), "--language", "de")
    token = staff.sign_in(ledger, "BEN", "Gru\u0308\u00dfe an alle", hours=HOURS)  # as another keyboard composes it
    assert token is not None
    visitor = staff.by_session(ledger, token)
    assert visitor == staff.Visitor("Ben", Role.SUPPORT, "de")
    file.write_text("another long one\n", encoding="utf-8")
    assert desk.run("staff", "password", "ben", "--password-file", str(file), "--plan").exit_code == 0
    assert staff.by_session(ledger, token) is not None
    assert desk.run("staff", "password", "ben", "--password-file", str(file)).exit_code == 0
    assert staff.by_session(ledger, token) is None
    assert staff.sign_in(ledger, "Ben", "another long one", hours=HOURS) is not None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "ANN", "--role", "reader", "--generate"), "Ann is there already."),
        (("add", "\x1b[31m", "--role", "reader", "--generate"), "is added"),
        (("add", " \t ", "--role", "reader", "--generate"), "A name has 1 to 60 characters."),
        (("add", "x" * 61, "--role", "reader", "--generate"), "A name has 1 to 60 characters."),
        (("add", "Ben", "--role", "reader"), "there is no terminal to ask at"),
        (("add", "Ben", "--role", "reader", "--generate", "--no-password"), "do not go together"),
        (("add", "Ben", "--role", "reader", "--password-file", "no-such-file"), "cannot be read"),
        (("add", "Ben", "--role", "reader", "--generate", "--language", "tlh"), "VetBridge speaks these languages"),
        (("add", "Ben", "--role", "king", "--generate"), "king"),
        (("remove", "Bob"), "Nobody of the staff is called Bob."),
        (("change", "Bob", "--role", "reader"), "Nobody of the staff is called Bob."),
        (("change", "Ann"), "say what is to change"),
        (("password", "Bob", "--generate"), "Nobody of the staff is called Bob."),
        (("token", "Bob"), "Nobody of the staff is called Bob."),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_done(
    desk: Desk, ledger: Ledger, arguments: tuple[str, ...], says: str
) -> None:
    with ledger.write() as tx:
        staff.add(tx, "Ann", Role.READER, password_hash=None, by="tests")
    result = desk.run("staff", *arguments)
    assert says in " ".join(result.output.split())
    assert "\x1b" not in result.output
    if "is added" not in says:
        assert result.exit_code == 2
        assert names(desk) == [("Ann", "reader")]


@pytest.mark.parametrize(
    "password", ["", "short", "x" * 9, "aaaaaaaaaaaa", "Annabella!", "annabella!annabella!", "y" * 1001]
)
def test_passwords_that_are_easily_guessed_are_refused(password: str) -> None:
    with pytest.raises(CannotChangeStaff):
        staff.must_be_fit("annabella!", password)
    staff.must_be_fit("annabella!", "correct horse")


def test_the_last_admin_is_not_removed_by_a_slip(desk: Desk, ledger: Ledger) -> None:
    for name, role in (("Kim", "admin"), ("Ann", "reception")):
        desk.data("staff", "add", name, "--role", role, "--generate")
    for arguments in (("remove", "kim"), ("change", "kim", "--role", "support")):
        refused = desk.run("staff", *arguments)
        assert refused.exit_code == 2
        assert "Kim is the last admin" in refused.output
    desk.data("staff", "add", "Lee", "--role", "admin", "--generate")
    desk.data("staff", "remove", "Kim")
    desk.data("staff", "remove", "Lee", "--yes")
    assert names(desk) == [("Ann", "reception")]


def test_what_somebody_was_to_answer_is_anybodys_when_they_are_removed(desk: Desk, ledger: Ledger) -> None:
    for name in ("Ann", "Ben"):
        desk.data("staff", "add", name, "--role", "reception", "--no-password")
    for number, name in enumerate(("ANN", "Ben", "Ann", "Ann"), start=1):
        park(ledger, Instant(desk.clock.now() + timedelta(hours=number), ZONE), remote_id=f"3{number}")
        with ledger.write() as tx:
            claims.assign(tx, {}, number, name, by="kim")
    with ledger.write() as tx:
        for number, choice in ((3, Choice.NEW), (4, Choice.NEW)):
            row = reviews.item(tx, number)
            assert row is not None
            reviews.answer(tx, row, Answer(choice=choice), "ben")
        reviews.applied(tx, row)
    desk.data("staff", "remove", "Ann", "--plan")

    def whose() -> list[str]:
        with ledger.read() as tx:
            return [row.assigned_to for _, row in sorted(reviews.items(tx, [1, 2, 3, 4]).items())]

    assert whose() == ["ANN", "Ben", "Ann", "Ann"]
    desk.data("staff", "remove", "Ann", "--by", "kim")
    assert whose() == ["", "Ben", "", "Ann"], "what is carried out stays as it was; what may open again does not"
    assert acts(desk, "--by", "kim")[-3:] == [
        ("kim", "assigned", "1", "anybody"),
        ("kim", "assigned", "3", "anybody"),
        ("kim", "staff-removed", "Ann", ""),
    ]


def test_whoever_comes_back_has_neither_password_nor_token_of_before(desk: Desk, ledger: Ledger) -> None:
    old = desk.data("staff", "add", "Ann", "--role", "admin", "--generate")["password"]
    token = desk.data("staff", "token", "Ann")["token"]
    desk.data("staff", "remove", "Ann", "--yes")
    assert staff.by_token(ledger, token) is None
    assert desk.data("staff", "add", "ANN", "--role", "reader", "--no-password")["name"] == "ANN"
    assert staff.by_token(ledger, token) is None
    assert staff.sign_in(ledger, "Ann", old, hours=HOURS) is None
    assert names(desk) == [("Ann", "reader")]


def test_a_token_is_shown_once_and_ends_with_the_next(desk: Desk, ledger: Ledger) -> None:
    desk.data("staff", "add", "dashboard", "--role", "reader", "--no-password")
    assert desk.data("staff", "token", "dashboard", "--plan")["token"] is None
    first = desk.run("staff", "token", "dashboard").stdout.strip()
    assert staff.by_token(ledger, first) == staff.Visitor("dashboard", Role.READER, "")
    second = desk.data("staff", "token", "dashboard")["token"]
    assert staff.by_token(ledger, first) is None
    assert staff.by_token(ledger, second) is not None
    assert desk.data("staff", "list")[0]["token"] is True
    desk.data("staff", "token", "dashboard", "--revoke")
    assert staff.by_token(ledger, second) is None
    assert staff.by_token(ledger, "") is None
    assert [says for *_, says in acts(desk, "--act", "staff-changed")] == ["token", "token", "token revoked"]


def test_a_role_and_a_language_are_changed(desk: Desk, ledger: Ledger) -> None:
    desk.data("staff", "add", "Ann", "--role", "reader", "--no-password")
    with ledger.write() as tx:
        session = staff.begin_session(tx, "Ann", hours=HOURS)
    desk.data("staff", "change", "ann", "--language", "de")
    assert staff.by_session(ledger, session) == staff.Visitor("Ann", Role.READER, "de")
    desk.data("staff", "change", "ann", "--role", "support")
    assert staff.by_session(ledger, session) is None
    assert names(desk) == [("Ann", "support")]


def test_a_password_is_kept_by_newer_parameters_as_soon_as_it_is_known(
    desk: Desk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = desk.data("staff", "add", "Ann", "--role", "reader", "--generate")["password"]
    monkeypatch.setattr(staff, "HASHER", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    staff._nobody.cache_clear()
    assert staff.sign_in(ledger, "Ann", made, hours=HOURS) is not None
    with ledger.read() as tx:
        kept = tx.session.connection().exec_driver_sql("select password_hash from staff").scalar()
    assert "$m=16,t=2,p=1$" in str(kept)
    assert staff.sign_in(ledger, "Ann", made, hours=HOURS) is not None


def test_every_command_that_acts_is_written_down(desk: Desk, ledger: Ledger) -> None:
    """By whom, by which door, and to what."""
    assert desk.run("pause", "city", "--by", "ann").exit_code == 0
    assert desk.run("resume", "city", "--by", "ben", "--plan").exit_code == 0
    assert desk.run("resume", "city", "--by", "ben").exit_code == 0
    assert desk.run("resume", "city", "--by", "ben").exit_code == 0  # it was not paused: nothing was done
    assert desk.run("pause", "account/altegio-city", "--for", "2h", "--by", "ann").exit_code == 0
    assert desk.run("pair", "end", "city", "--by", "kim").exit_code == 0
    found = acts(desk)
    assert [each[:3] for each in found] == [
        ("ann", "paused", "city"),
        ("ben", "resumed", "city"),
        ("ann", "paused", "altegio-city"),
        ("kim", "pair-ended", "city"),
    ]
    assert found[2][3].startswith("until 20")
    assert acts(desk, "--by", "kim") == acts(desk, "--act", "pair-ended") == found[3:]
    assert acts(desk, "--site", "city") == [found[0], found[1], found[3]]
    assert acts(desk, "--since", "1h") == found
    assert acts(desk, "--since", "2099-01-01") == []
    assert acts(desk, "--limit", "1") == found[3:]
    text = desk.run("audit", "list").output
    assert "kim pair-ended site city, by command" in text
    assert desk.run("audit", "list", "--act", "answerd").exit_code == 2
    assert "answered" in desk.run("audit", "list", "--act", "answerd").output


def test_an_approval_is_written_down_for_each_site(desk: Desk, ledger: Ledger) -> None:
    approving.approve(ledger, desk.loaded().config, site=None, more=True, by="kim")
    approving.approve(ledger, desk.loaded().config, site="city", more=False, by="lee")
    assert acts(desk) == [("kim", "approved", "city", "more"), ("lee", "approved", "city", "")]


def test_whoever_takes_a_run_back_is_written_down(desk: Desk, ledger: Ledger) -> None:
    """Also where no side answers, and nothing goes back."""
    with ledger.write() as tx:
        ledger.run_id = changes.begin_run(tx, "run")
    park(ledger, Instant(desk.clock.now() + timedelta(hours=1), ZONE))
    assert desk.run("sync", "--undo", "1", "--by", "kim", "--patience", "0").exit_code == 4
    assert acts(desk) == [("kim", "run-undone", "1", "")]
    structlog.reset_defaults()
