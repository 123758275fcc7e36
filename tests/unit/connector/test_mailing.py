"""Mails: handed over encrypted or not at all, with headers that nothing adds to, and with no secret in an error."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.postbox import Postbox, certificate, postbox
from vetbridge.config.models import MailServer
from vetbridge.config.secrets import Secret
from vetbridge.connector import mailing
from vetbridge.connector.telling import NotTaken
from vetbridge.core.errors import AuthFailed, Unavailable, VetBridgeError

AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
TO = ("it@clinic.example", "owner@clinic.example")


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("certificate") / "postbox.pem")


@pytest.fixture
def box() -> Iterator[Postbox]:
    with postbox() as made:
        yield made


@pytest.fixture
def safe_box(pem: Path) -> Iterator[Postbox]:
    with postbox(pem=pem) as made:
        yield made


def server(box: Postbox, **more: Any) -> MailServer:
    given = {"host": "localhost", "port": box.port, "security": "none", "sender": "vetbridge@clinic.example", **more}
    return MailServer(**given)


def send(to_server: MailServer, subject: str = "a subject", body: str = "a body\n", ca: Path | None = None) -> int:
    return mailing.send(to_server, TO, subject, body, message_id="evt_1", at=AT, ca=ca)


def test_a_mail_says_from_whom_to_whom_when_and_what(box: Postbox) -> None:
    assert send(server(box), "[VetBridge] Größe", "Zieliński ☃\n.\nthe end\n") == 0
    (taken,) = box.taken
    mail = taken.mail
    assert (taken.sender, taken.to) == ("vetbridge@clinic.example", list(TO))
    assert mail["From"] == "VetBridge <vetbridge@clinic.example>"
    assert mail["To"] == "it@clinic.example, owner@clinic.example"
    assert mail["Subject"] == "[VetBridge] Größe"
    assert mail["Date"].datetime == AT
    assert mail["Message-ID"] == "<evt_1@clinic.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert taken.text == "Zieliński ☃\n.\nthe end\n"


@pytest.mark.parametrize(
    "subject",
    [
        "down\r\nBcc: everybody@elsewhere.example",
        "down\nBcc: everybody@elsewhere.example\n\nanother body",
        "down\x00\x1b[2J\u2028Bcc: everybody@elsewhere.example",
        "down\udcff" + "x" * 100_000,
        "",
    ],
)
def test_no_subject_adds_a_header(box: Postbox, subject: str) -> None:
    send(server(box), subject)
    (taken,) = box.taken
    assert taken.to == list(TO)
    assert taken.mail["Bcc"] is None
    own = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"}
    assert sorted(set(taken.mail.keys()) - own) == ["Content-Transfer-Encoding", "Content-Type", "MIME-Version"]
    assert len(taken.mail["Subject"]) <= mailing.LONGEST_SUBJECT
    assert taken.text == "a body\n"


def test_a_body_of_any_text_arrives(box: Postbox) -> None:
    send(server(box), body="half \udcff a letter\n" + "y" * 5000 + "\n")
    assert box.taken[0].text == "half ? a letter\n" + "y" * 5000 + "\n"


def test_it_signs_in_on_an_encrypted_connection_alone(safe_box: Postbox, pem: Path) -> None:
    secured = server(safe_box, security="starttls", user="vetbridge", password=Secret.of(safe_box.password))
    send(secured, ca=pem)
    (taken,) = safe_box.taken
    assert (taken.encrypted, taken.user) == (True, "vetbridge")


def test_tls_from_the_first_byte(pem: Path) -> None:
    with postbox(pem=pem, implicit=True) as box:
        send(server(box, security="tls"), ca=pem)
        assert [taken.encrypted for taken in box.taken] == [True]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_is_not_spoken_to(pem: Path, security: str) -> None:
    with postbox(pem=pem, implicit=security == "tls") as box:
        with pytest.raises(Unavailable, match=r"certificate is not trusted: .*network\.ca") as caught:
            send(server(box, security=security))
        assert caught.value.code == "certificate-untrusted"
        assert box.taken == []


def test_a_certificate_of_another_host_is_not_spoken_to(tmp_path: Path) -> None:
    other = certificate(tmp_path / "other.pem", "mail.elsewhere.example")
    with postbox(pem=other) as box:
        with pytest.raises(Unavailable):
            send(server(box, security="starttls"), ca=other)
        assert box.taken == []


def test_a_server_that_offers_no_encryption_gets_no_password(box: Postbox) -> None:
    said: list[str] = []
    box.answer = said.append
    with pytest.raises(NotTaken):
        send(server(box, security="starttls", user="vetbridge", password=Secret.of(box.password)))
    assert [line.split()[0].upper() for line in said] == ["EHLO"]


def test_some_addresses_that_are_refused_are_counted(box: Postbox) -> None:
    box.answer = lambda line: "550 no such person" if "owner@" in line else None
    assert send(server(box)) == 1
    assert box.taken[0].to == ["it@clinic.example"]


@pytest.mark.parametrize(
    ("command", "answer", "error", "code"),
    [
        ("AUTH", "535 no, {password}", AuthFailed, "auth-failed"),
        ("MAIL", "451 {password} later", NotTaken, "answered-451"),
        ("RCPT", "550 no it@clinic.example here", NotTaken, "answered-550"),
        ("DATA", "554 spam", NotTaken, "answered-554"),
        ("EHLO", "what?", NotTaken, "not-taken"),
        ("RCPT", "421 closing", NotTaken, "answered-421"),
    ],
)
def test_what_the_server_says_is_never_repeated(
    safe_box: Postbox, pem: Path, command: str, answer: str, error: type[VetBridgeError], code: str
) -> None:
    said = answer.format(password=safe_box.password)
    safe_box.answer = lambda line: said if line.upper().startswith(command) else None
    secured = server(safe_box, security="starttls", user="vetbridge", password=Secret.of(safe_box.password))
    with pytest.raises(error) as caught:
        send(secured, ca=pem)
    assert caught.value.code == code
    assert "clinic.example" not in str(caught.value)
    assert safe_box.password not in str(caught.value)
    assert safe_box.taken == []


def test_a_server_that_hangs_up_or_is_not_there_is_no_answer(box: Postbox) -> None:
    box.silent = True
    with pytest.raises(Unavailable):
        send(server(box))
    gone = server(box)
    box.close()
    with pytest.raises(Unavailable):
        send(gone)
