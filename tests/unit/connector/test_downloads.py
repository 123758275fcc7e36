"""Files from where a vendor says: from the public Internet alone, from the machine that was looked at, in time."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.connector.authority import Authority, Handler, answer, serving
from vetbridge.connector import http, reach
from vetbridge.connector.http import Downloads, HttpRefused
from vetbridge.connector.reach import Target, Unreachable, is_public, target
from vetbridge.connector.trust import UNTRUSTED
from vetbridge.core.errors import BadAnswer, RateLimited, Refused, Unavailable, VetBridgeError
from vetbridge.testing.clock import FakeClock

OWN = "https://api.vendor.example/v1"
PUBLIC = "93.184.216.34"
SIGNATURE = "a-signature-in-the-address"
TOKEN = "the-account-s-token"

# -- which addresses

INSIDE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),  # noqa: S104
    *("224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fd00::1"),
    *("fe80::1%eth0", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b::808:808"),
    *("2002:7f00:1::", "2002:808:808::1", "2001:0:7f00:1::", "ff0e::1", "2001:db8::1", "fec0::1", "no address", ""),
]


@pytest.mark.parametrize("address", INSIDE)
def test_no_address_inside_is_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", PUBLIC, "2606:2800:220:1:248:1893:25c8:1946", "2001:4860:4860::8888"])
def test_public_ones_are(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses())
def test_what_is_public_is_global(address: Any) -> None:
    if is_public(str(address)):
        assert address.is_global
        inside = (address.is_private, address.is_loopback, address.is_link_local, address.is_multicast)
        assert not any(inside)
        assert getattr(address, "ipv4_mapped", None) is None


def public(host: str) -> list[str]:
    """Every name is public; an address is itself, in any form that the system knows."""
    try:
        return [socket.inet_ntoa(socket.inet_aton(host))]
    except OSError:
        pass
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        return [PUBLIC]


@pytest.mark.parametrize(
    "url",
    [
        *("http://files.example/a", "ftp://files.example/a", "file:///etc/passwd", "//files.example/a", "/a", ""),
        *("https://", "https:///a", "https://files.example:8443/", "https://files.example:22/", "gopher://x/"),
        *("https://user@files.example/", "https://a:b@files.example/", "https://files.example@127.0.0.1/"),
        *("https://127.0.0.1/", "https://2130706433/", "https://0x7f.1/", "https://127.1/", "https://0177.0.0.1/"),
        *(
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[fe80::1%25eth0]/",
            "https://[::1",
            "https://[x]/",
        ),
        *("https://files.example\\@127.0.0.1/", "https://files.example/ a", "https://files.example/\r\nHost: a"),
        *("https://\u217eiles.example/", "https://files.example/\u0000", "https://files.example:99999/"),
        *("https://169.254.169.254/latest/meta-data/", "https://files%2eexample/", "data:text/plain,a"),
        "https://files.example/" + "a" * reach.LONGEST,
    ],
)
def test_no_trick_leads_inside(url: str) -> None:
    with pytest.raises(Unreachable) as caught:
        target(url, own=OWN, resolve=public)
    assert "files" not in str(caught.value)


@given(st.text() | st.from_regex(r"https?://[a-z0-9.\[\]:@%\\/-]{1,30}", fullmatch=True))
@example("https://files.example/a?b=c")
def test_whatever_is_taken_is_public(url: str) -> None:
    try:
        found = target(url, own=OWN, resolve=public)
    except Unreachable:
        return
    assert found.url == url
    assert url.lower().startswith("https://")
    assert found.own or all(map(is_public, found.addresses))


def test_one_address_inside_is_enough_to_refuse() -> None:
    with pytest.raises(Unreachable, match="not on the public"):
        target("https://files.example/", own=OWN, resolve=lambda _host: [PUBLIC, "10.0.0.1"])
    with pytest.raises(Unreachable, match="not on the public"):
        target("https://files.example/", own=OWN, resolve=lambda _host: [])


def test_a_host_without_an_address_is_none() -> None:
    with pytest.raises(Unreachable, match="no address"):
        target("https://nobody.invalid/", own=OWN)
    with pytest.raises(Unreachable, match="no address"):
        target(f"https://{'a' * 70}.example/", own=OWN)


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        ("files.vendor.example", True),
        ("cdn.example", True),
        ("a.b.vendor.example", True),
        ("vendor.example", False),
        ("evilvendor.example", False),
        ("vendor.example.evil.example", False),
        ("x.cdn.example", False),
        ("api.vendor.example", True),
    ],
)
def test_a_connector_that_knows_its_hosts_takes_no_other(host: str, taken: bool) -> None:
    hosts = ("*.vendor.example", "cdn.example")
    try:
        assert target(f"https://{host}/a", own=OWN, hosts=hosts, resolve=public).host == host
    except Unreachable:
        assert not taken
    else:
        assert taken


def test_the_account_s_own_address_is_taken_as_it_is() -> None:
    for url in (f"{OWN}/files/1", "https://API.vendor.example:443/a", "https://api.vendor.example./a"):
        assert target(url, own=OWN, resolve=lambda _host: ["10.0.0.1"]).own
    assert target("http://127.0.0.1:81/a", own="http://127.0.0.1:81") == Target("http://127.0.0.1:81/a", "127.0.0.1")
    with pytest.raises(Unreachable):
        target("http://127.0.0.1:82/a", own="http://127.0.0.1:81")


# -- fetching


class Files:
    """A host that serves files as ``handle`` says, at an address that counts as public; what it was asked."""

    def __init__(self) -> None:
        self.handle: Handler = lambda asked: answer(asked, body=b"a picture")
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    def take(self, asked: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in asked.headers.items()}
        self.asked.append((headers["host"], asked.path, headers))
        self.handle(asked)


Fetch = Callable[..., bytes]


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def fetch(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fetch]:
    """Fetches from hosts that all stand on this machine, which counts as public; ``inside.example`` does not."""
    authority = Authority(tmp_path)
    tls = authority.server("files.example", "other.example", "api.vendor.example")
    with serving(files.take, tls) as port:
        monkeypatch.setattr(reach, "PORT", port)
        monkeypatch.setattr(reach, "is_public", lambda address: address == "127.0.0.1")
        known = {"inside.example": "10.0.0.1", "vanished.example": "127.0.0.9"}

        def do(url: str, own: str = OWN, clock: FakeClock | None = None, **more: Any) -> bytes:
            downloads = Downloads(
                own,
                account="city",
                clock=clock or FakeClock(),
                ca=authority.ca,
                timeout=5.0,
                authorise=lambda: {"Authorization": TOKEN},
                resolve=more.pop("resolve", lambda host: [known.get(host, "127.0.0.1")]),
                **more,
            )
            return b"".join(downloads.pieces(url.replace(":PORT", f":{port}")))

        yield do


URL = f"https://files.example:PORT/a?signature={SIGNATURE}"


def fails(error: type[VetBridgeError], fetch: Fetch, url: str = URL, **more: Any) -> VetBridgeError:
    with pytest.raises(error) as caught:
        fetch(url, **more)
    assert SIGNATURE not in caught.value.message
    assert "example" not in caught.value.message
    return caught.value


def test_a_file_comes_from_the_machine_that_was_looked_at(fetch: Fetch, files: Files) -> None:
    """The name is looked up once: another answer of its name server, a moment later, changes nothing."""
    answers = iter([["127.0.0.1"]])
    assert fetch(URL, resolve=lambda _host: next(answers)) == b"a picture"
    ((host, path, headers),) = files.asked
    assert (host, path) == ("files.example", f"/a?signature={SIGNATURE}")
    assert "authorization" not in headers
    assert headers["accept-encoding"] == "identity"


def test_a_machine_with_another_s_certificate_is_not_believed(fetch: Fetch, files: Files) -> None:
    assert fails(Unavailable, fetch, "https://stranger.example:PORT/a").code == UNTRUSTED
    assert files.asked == []


def test_the_next_address_of_a_host_is_tried(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "is_public", lambda _address: True)
    refused = "::1"  # nobody listens there
    assert fetch(URL, resolve=lambda _host: [refused, "127.0.0.1"]) == b"a picture"


def led(*steps: str) -> Handler:
    """Leads from the path /0 to the first of ``steps``, from /1 to the second, and so on."""

    def handle(asked: BaseHTTPRequestHandler) -> None:
        place = asked.path.lstrip("/").partition("?")[0]
        number = int(place) if place.isdigit() else len(steps)
        if number < len(steps):
            port = asked.server.server_port  # type: ignore[attr-defined]
            answer(asked, 302, b"", location=steps[number].replace(":PORT", f":{port}"), set_cookie="a=b")
        else:
            answer(asked, body=b"at the end")

    return handle


def test_redirects_are_looked_at_one_by_one(fetch: Fetch, files: Files) -> None:
    files.handle = led("/1", "https://other.example:PORT/2", "//files.example:PORT/end")
    assert fetch("https://files.example:PORT/0") == b"at the end"
    assert [host for host, _, _ in files.asked] == ["files.example"] * 2 + ["other.example", "files.example"]
    assert all("cookie" not in headers for _, _, headers in files.asked)


@pytest.mark.parametrize(
    "leads",
    [
        "https://inside.example:PORT/end",
        "http://files.example/end",
        "https://10.0.0.1/",
        "file:///etc/passwd",
        "https://a:b@files.example:PORT/end",
    ],
)
def test_no_redirect_leads_inside(fetch: Fetch, files: Files, leads: str) -> None:
    files.handle = led(leads)
    resolve = lambda host: ["10.0.0.1" if host in ("inside.example", "10.0.0.1") else "127.0.0.1"]  # noqa: E731
    assert fails(Refused, fetch, "https://files.example:PORT/0", resolve=resolve).code == "download-unsafe"
    assert len(files.asked) == 1


def test_redirects_have_an_end(fetch: Fetch, files: Files) -> None:
    files.handle = led("/0")
    fails(BadAnswer, fetch, "https://files.example:PORT/0")
    assert len(files.asked) == 1 + http.MOST_REDIRECTS


def test_the_account_s_credentials_go_to_the_vendor_alone(fetch: Fetch, files: Files) -> None:
    """Also not back to the vendor once an answer has led elsewhere: who leads there would choose what is asked."""
    with serving(files.take) as own:
        base = f"http://127.0.0.1:{own}"
        files.handle = led(f"https://files.example:{reach.PORT}/1", f"{base}/2?all=1")
        assert fetch(f"{base}/0", own=base) == b"at the end"
    assert [headers.get("authorization") for _, _, headers in files.asked] == [TOKEN, None, None]


def test_a_file_that_is_too_long_is_cut_off(fetch: Fetch, files: Files) -> None:
    files.handle = lambda asked: answer(asked, body=b"x" * 100_000)
    assert len(fetch(URL, largest=100_000)) == 100_000
    fails(BadAnswer, fetch, largest=99_999)


def test_a_file_that_trickles_is_given_up(fetch: Fetch, files: Files) -> None:
    clock = FakeClock()

    def trickle(asked: BaseHTTPRequestHandler) -> None:
        asked.send_response(200)
        asked.send_header("content-length", "1000000")
        asked.end_headers()
        for _ in range(100):
            clock.advance(http.LONGEST_DOWNLOAD / 10)
            asked.wfile.write(b"x" * 10_000)

    files.handle = trickle
    fails(BadAnswer, fetch, clock=clock)


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (200, {"content_encoding": "gzip"}, BadAnswer),
        (206, {}, HttpRefused),
        (304, {}, HttpRefused),
        (302, {}, HttpRefused),
        (403, {}, HttpRefused),
        (404, {}, HttpRefused),
        (429, {}, RateLimited),
        (500, {}, Unavailable),
    ],
)
def test_what_is_no_file_is_named(
    fetch: Fetch, files: Files, status: int, headers: dict[str, str], error: type[VetBridgeError]
) -> None:
    files.handle = lambda asked: answer(asked, status, b"" if status in (304, 206) else b"no", **headers)
    fails(error, fetch)


def test_a_file_that_is_cut_is_no_file(fetch: Fetch, files: Files) -> None:
    def cut(asked: BaseHTTPRequestHandler) -> None:
        asked.send_response(200)
        asked.send_header("content-length", "1000")
        asked.end_headers()
        asked.wfile.write(b"half")
        asked.close_connection = True

    files.handle = cut
    fails(Unavailable, fetch)


# -- a connection that breaks


WHOLE = bytes(range(256)) * 40
TAG = '"the-first-version"'


def breaking(*ends: int, tag: str = TAG, **headers: str) -> Handler:
    """Serves ``WHOLE``, and the rest of it where it is asked for; the first answers break after ``ends`` bytes."""
    left = list(ends)
    told = {"etag": tag, "accept_ranges": "bytes", **headers}

    def handle(asked: BaseHTTPRequestHandler) -> None:
        start = int(asked.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if start and asked.headers["if-range"] != tag:
            start = 0
        more = {"content_range": f"bytes {start}-{len(WHOLE) - 1}/{len(WHOLE)}"} if start else {}
        body = WHOLE[start:]
        end = left.pop(0) if left else len(body)
        answer(asked, 206 if start else 200, body[:end], **{"content-length": str(len(body))}, **told, **more)
        if end < len(body):
            asked.close_connection = True

    return handle


def parts_of(files: Files) -> list[tuple[str | None, str | None]]:
    return [(headers.get("range"), headers.get("if-range")) for _, _, headers in files.asked]


def test_the_rest_is_asked_for_where_the_connection_broke(fetch: Fetch, files: Files) -> None:
    files.handle = breaking(1000, 24, 0)
    assert fetch(URL) == WHOLE
    assert parts_of(files) == [(None, None), ("bytes=1000-", TAG), ("bytes=1024-", TAG), ("bytes=1024-", TAG)]


def test_a_date_will_do_for_a_mark(fetch: Fetch, files: Files) -> None:
    date = "Mon, 02 Mar 2026 09:00:00 GMT"
    files.handle = breaking(1000, tag=date, etag='W/"weak"', last_modified=date)
    assert fetch(URL) == WHOLE
    assert parts_of(files)[1] == ("bytes=1000-", date)


@pytest.mark.parametrize(
    ("ends", "fails_then"), [([], [True, True]), ([1000], [False, True, True]), ([1000, 24], [False, False, True])]
)
def test_a_vendor_that_fails_for_a_moment_is_asked_again(
    fetch: Fetch, files: Files, ends: list[int], fails_then: list[bool]
) -> None:
    serve = breaking(*ends)
    failures = iter(fails_then)

    def handle(asked: BaseHTTPRequestHandler) -> None:
        if next(failures, False):
            answer(asked, 503)
        else:
            serve(asked)

    files.handle = handle
    assert fetch(URL) == WHOLE
    assert len(files.asked) == len(fails_then) + 1


def test_it_is_asked_for_a_few_times_only(fetch: Fetch, files: Files) -> None:
    files.handle = breaking(*[1000] * 5)
    fails(Unavailable, fetch)
    assert len(files.asked) == 1 + http.MOST_RESUMES


@pytest.mark.parametrize(
    "headers",
    [
        {"accept_ranges": "none"},
        {"accept_ranges": ""},
        {"etag": 'W/"weak"'},
        {"etag": "bare"},
        {"etag": '""'},
    ],
)
def test_without_parts_or_a_mark_nothing_is_asked_again(fetch: Fetch, files: Files, headers: dict[str, str]) -> None:
    files.handle = breaking(1000, **headers)
    fails(Unavailable, fetch)
    assert len(files.asked) == 1


REST = f"bytes 1000-{len(WHOLE) - 1}/{len(WHOLE)}"


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {}),
        (206, {}),
        (206, {"content_range": f"bytes 0-{len(WHOLE) - 1}/{len(WHOLE)}"}),
        (206, {"content_range": f"bytes 999-{len(WHOLE) - 1}/{len(WHOLE)}"}),
        (206, {"content_range": f"bytes 1000-{len(WHOLE)}/{len(WHOLE) + 1}"}),
        (206, {"content_range": "bytes 1000-2000/*"}),
        (206, {"content_range": REST, "etag": '"the-second-version"'}),
        (206, {"content_range": REST, "content-length": "9", "etag": TAG}),
        (401, {}),
        (404, {}),
        (416, {}),
    ],
)
def test_another_file_is_never_joined_to_the_first(
    fetch: Fetch, files: Files, status: int, headers: dict[str, str]
) -> None:
    """Nor does a refusal then look like one of the whole file: some of it has been given."""
    first = breaking(1000)

    def then(asked: BaseHTTPRequestHandler) -> None:
        files.handle = other
        first(asked)

    def other(asked: BaseHTTPRequestHandler) -> None:
        body = WHOLE[1000:]
        answer(asked, status, body[: int(headers.get("content-length", len(body)))], **headers)

    files.handle = then
    fails(Unavailable, fetch)
    assert len(files.asked) == 2


def test_the_address_is_looked_at_anew_for_the_rest(fetch: Fetch, files: Files) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    files.handle = breaking(1000)
    assert fails(Refused, fetch, resolve=lambda _host: next(answers)).code == "download-unsafe"
    assert len(files.asked) == 1


def test_the_rest_counts_to_the_longest_file(fetch: Fetch, files: Files) -> None:
    files.handle = breaking(1000)
    fails(BadAnswer, fetch, largest=len(WHOLE) - 1)


def test_words_in_place_of_a_file_are_no_file(fetch: Fetch, files: Files) -> None:
    files.handle = lambda asked: answer(asked, body=b"{}", content_type="Application/JSON; charset=utf-8")
    assert fetch(URL) == b"{}"
    fails(BadAnswer, fetch, no_files=("application/json",))


def test_a_pause_is_as_long_as_the_vendor_says(fetch: Fetch, files: Files) -> None:
    files.handle = lambda asked: answer(asked, 429, b"", retry_after="7")
    for more, wait in ({}, 7.0), ({"wait_of": lambda headers, _body: 11.0}, 11.0):
        with pytest.raises(RateLimited) as caught:
            fetch(URL, **more)
        assert caught.value.wait == wait
