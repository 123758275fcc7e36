"""Own certificates are trusted beside the public ones, and nothing is trusted unseen."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest

from tests.unit.connector.authority import Authority, answer, serving
from vetbridge.connector.budgets import Budgets
from vetbridge.connector.http import Caller, HttpClient
from vetbridge.connector.trust import UNTRUSTED, context
from vetbridge.core.errors import ConfigError, Unavailable
from vetbridge.testing.clock import FakeClock

ROOT = Path(__file__).parents[3]


def client(port: int, ca: Path | None) -> HttpClient:
    return HttpClient(
        f"https://localhost:{port}", account="city", budgets=Budgets((), FakeClock()), clock=FakeClock(), ca=ca
    )


def test_a_vendor_behind_an_own_authority_is_reached_only_with_it(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path), Authority(tmp_path, "somebody")
    with serving(answer, ours.server("localhost")) as port:
        assert client(port, ours.ca).read("/", budgets=()).body == {}
        assert Caller(timeout=5, ca=ours.ca).post(f"https://localhost:{port}/", b"", {}) == 501
        for wrong in (None, theirs.ca):
            with pytest.raises(Unavailable, match=r"^city: GET /: its certificate is not .*network\.ca") as caught:
                client(port, wrong).read("/", budgets=())
            assert caught.value.code == UNTRUSTED
            with pytest.raises(
                Unavailable, match=r"^its certificate is not trusted: (unable to get|self-signed)"
            ) as caught:
                Caller(timeout=5, ca=wrong).post(f"https://localhost:{port}/secret", b"", {})
            assert caught.value.code == UNTRUSTED


def test_a_certificate_of_another_host_is_none(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    with serving(answer, ours.server("another.example")) as port:
        with pytest.raises(Unavailable, match="not trusted: Hostname mismatch; ") as caught:
            client(port, ours.ca).read("/", budgets=())
        assert caught.value.code == UNTRUSTED
        assert "localhost" not in caught.value.message


def test_a_machine_that_is_not_there_is_no_matter_of_trust() -> None:
    with pytest.raises(Unavailable, match="no connection") as caught:
        client(9, None).read("/", budgets=())
    assert caught.value.code == "unavailable"


def test_old_tls_is_none(tmp_path: Path) -> None:
    assert context().minimum_version == ssl.TLSVersion.TLSv1_2
    assert context().verify_mode is ssl.CERT_REQUIRED
    assert context().check_hostname is True


def test_the_public_authorities_stay_trusted(tmp_path: Path) -> None:
    public = context().cert_store_stats()["x509_ca"]
    assert public > 50
    assert context(Authority(tmp_path).ca).cert_store_stats()["x509_ca"] == public + 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"", "holds no certificate"),
        (b"no certificate \xff", "holds no certificate"),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "holds no certificate .*or one .*damaged",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_said(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"network\.ca: .*ca\.pem {words}"):
        context(path)


def test_nothing_in_the_program_leaves_the_check_out() -> None:
    unchecked = re.compile(
        r"verify\s*=\s*False|CERT_NONE|CERT_OPTIONAL|check_hostname\s*=\s*False|_create_unverified"
    )
    sources = [path for folder in ("vetbridge", "connectors") for path in (ROOT / folder).rglob("*.py")]
    assert len(sources) > 100
    assert [str(path) for path in sources if unchecked.search(path.read_text("utf-8"))] == []
    assert unchecked.search("ssl.CERT_NONE"), "the pattern finds what it looks for"
