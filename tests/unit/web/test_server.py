"""The page over a real socket: TLS, and what a proxy says."""

from __future__ import annotations

import http.client
import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.unit.web.conftest import Serve
from tests.unit.web.served import Served, pages
from vetbridge.config.models import Tls
from vetbridge.core.errors import ConfigError
from vetbridge.web.pages import application, build
from vetbridge.web.server import DoorServer

pytestmark = pytest.mark.usefixtures("alone")


def certificate(folder: Path, *names: str) -> Tls:
    """A self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "desk")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [*(x509.DNSName(each) for each in names), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    tls = Tls(certificate=folder / "desk.pem", key=folder / "desk.key")
    tls.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    tls.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return tls


@contextmanager
def listening(served: Served, *, tls: Tls | None = None, trusted: tuple[str, ...] = ()) -> Iterator[int]:
    server = DoorServer(application(served.frame), "127.0.0.1", 0, part="pages", tls=tls, trusted=trusted)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


def asked(
    port: int, *, context: ssl.SSLContext | None = None, headers: dict[str, str] | None = None
) -> http.client.HTTPResponse:
    connection: http.client.HTTPConnection = (
        http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        if context is None
        else http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    )
    connection.request("GET", "/sign-in", headers=headers or {})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_the_page_is_served_over_tls(serve: Serve, tmp_path: Path) -> None:
    tls = certificate(tmp_path, "desk.clinic.example", "*.lan.example")
    served = serve(host="0.0.0.0", tls=tls.model_dump())  # noqa: S104 - it is not listened at
    trusting = ssl.create_default_context(cafile=tls.certificate)
    with listening(served, tls=tls) as port:
        answer = asked(port, context=trusting)
        assert answer.status == 200
        assert answer.headers["strict-transport-security"] == "max-age=2592000"
        assert "server" not in answer.headers
        statuses = {
            host: asked(port, context=trusting, headers={"host": host}).status
            for host in ("desk.clinic.example", "x.lan.example", "y.x.lan.example", "clinic.example", "0.0.0.0")  # noqa: S104
        }
        assert statuses == {
            "desk.clinic.example": 200,
            "x.lan.example": 200,
            "y.x.lan.example": 400,
            "clinic.example": 400,
            "0.0.0.0": 400,  # noqa: S104
        }
        old = ssl.create_default_context(cafile=tls.certificate)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert asked(port, context=old).status == 200
        with pytest.raises((http.client.HTTPException, OSError)):
            asked(port)
        with pytest.raises(ssl.SSLCertVerificationError):
            asked(port, context=ssl.create_default_context())


def test_a_proxy_alone_is_believed(serve: Serve) -> None:
    served = serve(proxy={"address": "https://desk.example"})
    through = {"host": "desk.example", "x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.9"}
    with listening(served, trusted=("127.0.0.1",)) as port:
        assert asked(port, headers=through).status == 200
        # Past the proxy, in the clear.
        assert asked(port, headers={"host": "desk.example"}).status == 403
    with listening(served, trusted=("192.0.2.1",)) as port:
        assert asked(port, headers=through).status == 403


@pytest.mark.parametrize("broken", ["certificate", "key"])
def test_a_file_that_is_not_there_is_named(served: Served, tmp_path: Path, broken: str) -> None:
    tls = certificate(tmp_path).model_copy(update={broken: tmp_path / "no-such.pem"})
    with pytest.raises(ConfigError, match=rf"pages\.tls\.{broken}: .*no-such\.pem cannot be read"):
        DoorServer(application(served.frame), "127.0.0.1", 0, part="pages", tls=tls)


def test_what_does_not_go_together_is_told_at_the_start(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    tls = certificate(tmp_path).model_copy(update={"key": certificate(tmp_path / "other").key})
    served = serve(tls=tls.model_dump())
    with pytest.raises(ConfigError, match=r"desk\.pem and key .* do not go together"):
        DoorServer(application(served.frame), "127.0.0.1", 0, part="pages", tls=tls)
    (tmp_path / "desk.pem").write_text("no certificate")
    with pytest.raises(
        ConfigError, match=r"pages\.tls\.certificate: .*desk\.pem cannot be read as a PEM certificate"
    ):
        build(served.frame.program, pages(tls=tls.model_dump()), wake=lambda: None, health=dict)


def test_a_port_that_is_taken_is_said_with_its_name(served: Served) -> None:
    with (
        listening(served) as port,
        pytest.raises(
            ConfigError, match=rf"pages: cannot listen at 127\.0\.0\.1:{port} .*choose another pages\.port"
        ),
    ):
        DoorServer(application(served.frame), "127.0.0.1", port, part="pages")
