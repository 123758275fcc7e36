"""Webhooks that are told what happens: once, signed, at least once delivered, and with nothing of anybody in it."""

from __future__ import annotations

import base64
import json
import logging
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlmodel import select
from structlog.testing import capture_logs

from tests.ledgers import ledger_place
from tests.unit.daemon.watched import config
from vetbridge.config.models import Retention, Webhook
from vetbridge.config.secrets import Secret
from vetbridge.connector.clock import Clock, SystemClock
from vetbridge.connector.http import Caller
from vetbridge.connector.telling import signed, signing_key
from vetbridge.core.errors import ConfigError, Unavailable
from vetbridge.core.records import Kind
from vetbridge.daemon import service, telling
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.channels import TIMEOUT, Channel, WebhookChannel
from vetbridge.daemon.rounds import Rounds
from vetbridge.daemon.telling import WAITS, Telling
from vetbridge.ledger import accounts, changes, events, reviews
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.ledger.tables import ChangeState, Delivery, Event
from vetbridge.testing.clock import FakeClock

KEY = "the key of a ledger that tests make"
SECRET = "whsec_" + base64.b64encode(b"a secret that shows nowhere, ever").decode()
VISIT = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)


class Killed(BaseException):
    """The process ends here."""


class Endpoint:
    """Takes calls and answers as told; the last status is repeated. ``hold()``: answers only after ``release``."""

    def __init__(self) -> None:
        self.statuses = [200]
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.came = threading.Event()
        self.free = threading.Event()
        self.free.set()
        self.length = 0
        """How long an answer claims to be; nothing of it is ever sent."""
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                endpoint.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                endpoint.came.set()
                endpoint.free.wait(10)
                status = endpoint.statuses.pop(0) if len(endpoint.statuses) > 1 else endpoint.statuses[0]
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(endpoint.length))
                self.end_headers()
                self.wfile.flush()
                if endpoint.length:
                    self.rfile.read(1)  # ends when the caller has hung up

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/told?token=token-in-the-address"

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.seen]

    def close(self) -> None:
        self.free.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture
def other() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: FakeClock) -> Iterator[Ledger]:
    opened = open_ledger(ledger_place(tmp_path, migrated=True), KEY, clock)
    with opened.write() as tx:
        for name in ("booking", "pims"):
            accounts.enrol(tx, name, "memory", country="GB")
    yield opened
    opened.close()


def hook(endpoint: Endpoint, **more: Any) -> Webhook:
    return Webhook(**{"url": endpoint.url, "secret": Secret.of(SECRET), **more})


def webhooks(clock: Clock, hooks: Mapping[str, Webhook]) -> Mapping[str, Channel]:
    caller = Caller(timeout=TIMEOUT)
    return {name: WebhookChannel(each, caller, clock) for name, each in hooks.items()}


@pytest.fixture
def start(ledger: Ledger, clock: FakeClock) -> Iterator[Callable[..., Telling]]:
    """Starts the telling anew on the same ledger; all before the first start is the past."""
    begun: list[Telling] = []

    def anew(*, rests: Callable[[str], bool] = lambda _: False, **hooks: Webhook) -> Telling:
        made = Telling(ledger, webhooks(clock, hooks), ["booking", "pims"], rests=rests)
        made.begin()
        begun.append(made)
        return made

    yield anew
    for one in begun:
        one.close()


def ask(ledger: Ledger, visit: str = "v1", why: str = "contact-shared") -> int:
    """Opens a question about a visit; returns its number."""
    with ledger.write() as tx:
        change = changes.receive(
            tx, site="town", account="booking", kind=Kind.APPOINTMENT, remote_id=visit, source="poll"
        )
        item = reviews.ask(tx, change, why=why, visit_at=VISIT, question={"booker": "Jane Doe +447700900123"})
        assert item.id is not None
        return item.id


def fail(ledger: Ledger, visit: str = "v9", code: str = "refused") -> int:
    """Lets a change of a visit fail; returns its number."""
    with ledger.write() as tx:
        change = changes.receive(
            tx, site="town", account="booking", kind=Kind.APPOINTMENT, remote_id=visit, source="poll"
        )
        assert change.id is not None
        changes.begin(tx, change.id)
        changes.seen(tx, change.id, visit_at=VISIT)
        assert changes.settle(tx, change.id, ChangeState.FAILED, code, "the vendor refused it")
        return change.id


def round_(made: Telling, *names: str) -> None:
    """One look, and one round of deliveries to each webhook."""
    made.look()
    for name in names or ("chat",):
        made.deliver(name)


def deliveries(ledger: Ledger) -> list[tuple[str, int, str]]:
    with ledger.read() as tx:
        rows = tx.session.exec(select(Delivery).order_by(Delivery.event_id)).all()  # type: ignore[arg-type]
        return [(row.state, row.tries, row.code) for row in rows]


def outage(ledger: Ledger, clock: FakeClock, account: str, minutes: float) -> None:
    """The account does not answer for so long, and was asked again at the end."""
    with ledger.write() as tx:
        accounts.back_off(tx, account, first=1, longest=1)
    clock.advance(minutes * 60)
    with ledger.write() as tx:
        accounts.back_off(tx, account, first=600, longest=600)


# -- what is told


def test_a_question_and_a_failure_are_told_by_ids_and_codes(
    ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    made = start(chat=hook(endpoint))
    round_(made)
    clock.advance(60)
    item, change = ask(ledger), fail(ledger)
    round_(made)
    visit = "2026-03-04T10:00:00Z"
    at = "2026-03-02T09:01:00Z"
    assert endpoint.told == [
        {
            "type": "review.opened",
            "timestamp": at,
            "data": {"item": item, "change": 1, "site": "town", "why": "contact-shared", "visit_at": visit},
        },
        {
            "type": "change.failed",
            "timestamp": at,
            "data": {
                "change": change,
                "site": "town",
                "account": "booking",
                "kind": "appointment",
                "why": "refused",
                "visit_at": visit,
            },
        },
    ]


def test_nothing_of_the_past_is_told(
    ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    ask(ledger, "long ago")
    clock.advance(86400)
    ask(ledger, "a moment ago")
    fail(ledger)
    made = start(chat=hook(endpoint))
    round_(made)
    round_(made)
    assert endpoint.seen == []
    new = ask(ledger, "now")
    round_(made)
    assert [told["data"]["item"] for told in endpoint.told] == [new]


def test_each_is_told_once_over_looks_and_restarts(
    ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    made = start(chat=hook(endpoint))
    round_(made)
    ask(ledger)
    for _ in range(3):
        round_(made)
        clock.advance(5)
    ask(ledger, why="another reason by now")
    round_(made)
    round_(start(chat=hook(endpoint)))
    assert len(endpoint.seen) == 1


def test_what_happened_while_it_was_not_running_is_told_at_the_next_start(
    ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    round_(start(chat=hook(endpoint)))
    clock.advance(3600)
    change = fail(ledger)
    clock.advance(3600)
    round_(start(chat=hook(endpoint)))
    assert [told["data"]["change"] for told in endpoint.told] == [change]


def test_a_question_that_was_closed_before_anybody_looked_is_not_told(
    ledger: Ledger, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    made = start(chat=hook(endpoint))
    round_(made)
    ask(ledger)
    with ledger.write() as tx:
        reviews.close(tx, 1, "the facts answered it")
    round_(made)
    assert endpoint.seen == []


def test_each_webhook_is_told_the_types_that_it_names(
    ledger: Ledger, endpoint: Endpoint, other: Endpoint, start: Callable[..., Telling]
) -> None:
    made = start(chat=hook(endpoint, events=("change.failed",)), desk=hook(other))
    round_(made, "chat", "desk")
    ask(ledger)
    fail(ledger)
    round_(made, "chat", "desk")
    assert [told["type"] for told in endpoint.told] == ["change.failed"]
    assert [told["type"] for told in other.told] == ["review.opened", "change.failed"]


def test_a_flood_is_written_down_in_parts_and_told_whole(
    ledger: Ledger,
    clock: FakeClock,
    endpoint: Endpoint,
    start: Callable[..., Telling],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = start(chat=hook(endpoint))
    round_(made)
    monkeypatch.setattr(events, "MOST_AT_ONCE", 2)
    failed = [fail(ledger, f"v{number}") for number in range(5)]
    made_down = []
    for _ in range(4):
        made_down.append(made.look())
        clock.advance(3600)
    assert made_down == [2, 2, 1, 0]
    made.deliver("chat")
    assert [told["data"]["change"] for told in endpoint.told] == failed


def test_what_a_slow_transaction_committed_after_the_look_is_told(
    ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    made = start(chat=hook(endpoint))
    clock.advance(3600)
    round_(made)
    ledger._clock = FakeClock(clock.now() - timedelta(seconds=30))
    change = fail(ledger)
    ledger._clock = clock
    round_(made)
    assert [told["data"]["change"] for told in endpoint.told] == [change]


def test_a_clock_that_was_set_back_hides_nothing(
    ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    clock.advance(86400)
    round_(start(chat=hook(endpoint)))
    ledger._clock = earlier = FakeClock(clock.now() - timedelta(hours=5))
    made = start(chat=hook(endpoint))
    fail(ledger)
    round_(made)
    assert [told["timestamp"] for told in endpoint.told] == [earlier.now().isoformat().replace("+00:00", "Z")]


# -- accounts


def test_an_account_that_does_not_answer_is_told_once_and_once_that_it_does(
    ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    made = start(chat=hook(endpoint))
    round_(made)
    since = clock.now().isoformat().replace("+00:00", "Z")
    outage(ledger, clock, "pims", 4)
    round_(made)
    assert endpoint.seen == []
    clock.advance(60)
    round_(made)
    round_(start(chat=hook(endpoint)))
    with ledger.write() as tx:
        accounts.answered(tx, "pims")
    made = start(chat=hook(endpoint))
    round_(made)
    round_(made)
    assert [(told["type"], told["data"]) for told in endpoint.told] == [
        ("account.stale", {"account": "pims", "why": "unavailable", "since": since}),
        ("account.recovered", {"account": "pims", "since": since}),
    ]
    outage(ledger, clock, "pims", 6)
    round_(made)
    assert [told["type"] for told in endpoint.told][2:] == ["account.stale"]


def test_a_blocked_account_is_told_at_once_and_a_restart_alone_is_no_recovery(
    ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    with ledger.write() as tx:
        accounts.answered(tx, "booking")
    clock.advance(60)
    made = start(chat=hook(endpoint))
    round_(made)
    for _ in range(2):  # the second start meets the same wrong password
        with ledger.write() as tx:
            accounts.block(tx, "booking", "auth-failed")
        round_(made)
        clock.advance(60)
        with ledger.write() as tx:
            accounts.enrol(tx, "booking", "memory", country="GB")
        made = start(chat=hook(endpoint))
        round_(made)
    assert [(told["type"], told["data"]["why"]) for told in endpoint.told] == [("account.stale", "auth-failed")]
    with ledger.write() as tx:
        accounts.answered(tx, "booking")
    round_(made)
    assert endpoint.told[-1]["type"] == "account.recovered"


def test_an_outage_before_the_start_counts_only_once_the_account_was_asked_again(
    ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    outage(ledger, clock, "pims", 60)
    with ledger.write() as tx:
        accounts.enrol(tx, "pims", "memory", country="GB")
    made = start(chat=hook(endpoint))
    round_(made)
    assert endpoint.seen == []
    with ledger.write() as tx:
        accounts.back_off(tx, "pims", first=5, longest=600)
    round_(made)
    assert [told["type"] for told in endpoint.told] == ["account.stale"]


def test_an_account_that_rests_is_not_told_of(
    ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    outage(ledger, clock, "pims", 60)
    round_(start(chat=hook(endpoint), rests=lambda account: account == "pims"))
    assert endpoint.seen == []


# -- how it is signed and delivered


def test_a_call_is_signed_as_the_specification_says(
    ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    made = start(chat=hook(endpoint))
    round_(made)
    ask(ledger)
    round_(made)
    ((_, headers, body),) = endpoint.seen
    assert headers["content-type"] == "application/json"
    assert headers["webhook-timestamp"] == str(int(clock.now().timestamp()))
    assert "." not in headers["webhook-id"]
    version, signature = headers["webhook-signature"].split(",")
    mac = HMAC(base64.b64decode(SECRET.removeprefix("whsec_")), SHA256())
    mac.update(f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body)
    mac.verify(base64.b64decode(signature))
    assert version == "v1"


def test_the_signature_is_that_of_the_specifications_own_libraries() -> None:
    headers = signed(
        signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_in_another_form_signs_as_it_is() -> None:
    assert signing_key("Schlüssel") == "Schlüssel".encode()


@pytest.mark.parametrize("secret", ["whsec_", "whsec_no base64!", "whsec_ü"])
def test_a_secret_that_was_copied_badly_is_named_without_being_said(secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        signing_key(secret)
    assert "goes on with what is no base64" in str(caught.value)
    assert secret not in str(caught.value).replace("begins with whsec_ and", "")


def test_what_was_not_taken_is_sent_again_with_the_same_id_and_a_new_moment(
    ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    made = start(chat=hook(endpoint))
    round_(made)
    ask(ledger)
    endpoint.statuses = [500, 200]
    with capture_logs() as lines:
        round_(made)
        clock.advance(WAITS[0] - 1)
        round_(made)
        assert len(endpoint.seen) == 1
        clock.advance(1)
        round_(made)
        round_(made)
    (_, first, body), (_, second, again) = endpoint.seen
    assert body == again
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == WAITS[0]
    assert deliveries(ledger) == [("sent", 2, "")]
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("channel.failing", "warning"),
        ("channel.answers", "info"),
    ]


def test_it_is_tried_with_growing_waits_and_then_given_up(
    ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    made = start(chat=hook(endpoint))
    round_(made)
    ask(ledger)
    begun = clock.now()
    endpoint.statuses = [503]
    with capture_logs() as lines:
        round_(made)
        for wait in (*WAITS, 7 * 86400.0):
            clock.advance(wait)
            round_(made)
    moments = [int(headers["webhook-timestamp"]) - int(begun.timestamp()) for _, headers, _ in endpoint.seen]
    assert moments == [0, 5, 35, 155, 755, 4355, 25955, 112355]
    assert deliveries(ledger) == [("failed", 8, "answered-503")]
    assert [line["event"] for line in lines] == ["channel.failing", "channel.given_up"]


def test_a_webhook_that_is_gone_is_not_asked_again(
    ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    made = start(chat=hook(endpoint))
    round_(made)
    ask(ledger)
    endpoint.statuses = [410]
    round_(made)
    clock.advance(86400)
    round_(made)
    assert len(endpoint.seen) == 1
    assert deliveries(ledger) == [("failed", 1, "answered-410")]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(
    ledger: Ledger, endpoint: Endpoint, start: Callable[..., Telling], status: int
) -> None:
    made = start(chat=hook(endpoint))
    round_(made)
    ask(ledger)
    endpoint.statuses = [status]
    round_(made)
    assert [path for path, _, _ in endpoint.seen] == ["/told?token=token-in-the-address"]
    assert deliveries(ledger) == [("waiting", 1, f"answered-{status}")]


def test_killed_after_the_call_it_is_told_again_under_the_same_id(
    ledger: Ledger, endpoint: Endpoint, start: Callable[..., Telling], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = start(chat=hook(endpoint))
    round_(made)
    ask(ledger)

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(events, "sent", killed)
        with pytest.raises(Killed):
            round_(made)
    assert deliveries(ledger) == [("waiting", 0, "")]
    round_(start(chat=hook(endpoint)))
    first, second = endpoint.seen
    assert first[1]["webhook-id"] == second[1]["webhook-id"]
    assert deliveries(ledger) == [("sent", 1, "")]


def test_two_events_and_two_ledgers_never_share_an_id(
    tmp_path: Path, ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    made = start(chat=hook(endpoint))
    round_(made)
    ask(ledger)
    fail(ledger)
    round_(made)
    (tmp_path / "second").mkdir()
    second = open_ledger(ledger_place(tmp_path / "second", migrated=True), KEY + " of another clinic", clock)
    beside = Telling(second, webhooks(clock, {"chat": hook(endpoint)}), [], rests=lambda _: False)
    round_(beside)
    ask(second)
    round_(beside)
    beside.close()
    second.close()
    assert len({headers["webhook-id"] for _, headers, _ in endpoint.seen}) == 3


def test_a_slow_webhook_holds_up_no_other(
    ledger: Ledger, endpoint: Endpoint, other: Endpoint, start: Callable[..., Telling]
) -> None:
    made = start(slow=hook(endpoint), quick=hook(other))
    round_(made, "slow", "quick")
    ask(ledger)
    made.look()
    endpoint.free.clear()
    waiting = threading.Thread(target=made.deliver, args=("slow",))
    waiting.start()
    assert endpoint.came.wait(10)
    assert made.deliver("quick") == 1
    assert waiting.is_alive()
    endpoint.free.set()
    waiting.join(10)
    assert [state for state, _, _ in deliveries(ledger)] == ["sent", "sent"]


def test_a_webhook_that_does_not_answer_is_called_once_a_round(
    ledger: Ledger, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    made = start(chat=hook(endpoint))
    round_(made)
    ask(ledger, "v1")
    ask(ledger, "v2")
    endpoint.statuses = [500]
    round_(made)
    assert len(endpoint.seen) == 1


def test_an_answer_of_any_length_is_not_read(
    ledger: Ledger, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    made = start(chat=hook(endpoint))
    round_(made)
    ask(ledger)
    endpoint.length = 10**12
    round_(made)
    assert deliveries(ledger) == [("sent", 1, "")]


def test_who_does_not_answer_in_time_counts_as_silent(endpoint: Endpoint) -> None:
    endpoint.free.clear()
    caller = Caller(timeout=0.05)
    with pytest.raises(Unavailable) as caught:
        caller.post(endpoint.url, b"{}", {})
    caller.close()
    assert "token-in-the-address" not in str(caught.value)


def test_a_certificate_that_nobody_vouches_for_is_not_spoken_to(tmp_path: Path, endpoint: Endpoint) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, SHA256())
    )
    pem = tmp_path / "own.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    endpoint.server.socket = context.wrap_socket(endpoint.server.socket, server_side=True)
    caller = Caller(timeout=5)
    with pytest.raises(Unavailable):
        caller.post(f"https://localhost:{endpoint.server.server_port}/told", b"{}", {})
    caller.close()
    assert endpoint.seen == []


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:1/x?token=T-0-K", f"http://{'a' * 64}.localhost/", "https://[::1/"]
)
def test_an_address_that_leads_nowhere_is_no_answer(url: str) -> None:
    caller = Caller(timeout=5)
    with pytest.raises(Unavailable) as caught:
        caller.post(url, b"{}", {})
    caller.close()
    assert url not in str(caught.value)
    assert "T-0-K" not in str(caught.value)


@pytest.mark.parametrize("trouble", ["refused", "closed", "bad secret"])
def test_neither_secret_nor_address_shows_in_a_log(
    ledger: Ledger,
    clock: FakeClock,
    endpoint: Endpoint,
    start: Callable[..., Telling],
    caplog: pytest.LogCaptureFixture,
    trouble: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "whsec_but this is no base64" if trouble == "bad secret" else SECRET
    told = hook(endpoint, secret=Secret.of(secret))
    made = start(chat=told)
    round_(made)
    ask(ledger)
    endpoint.statuses = [500]
    if trouble == "closed":
        endpoint.close()
    with capture_logs() as lines:
        for wait in (0, *WAITS):
            clock.advance(wait)
            round_(made)
    assert [line["event"] for line in lines] == ["channel.failing", "channel.given_up"]
    everything = f"{lines} {caplog.text} {told!r} {made!r} {vars(made)} {deliveries(ledger)}"
    for hidden in (secret, secret.removeprefix("whsec_"), "token-in-the-address"):
        assert hidden not in everything.replace(repr(told.url), "")


# -- what a config and time take away


def test_what_waits_for_a_webhook_that_was_taken_from_the_config_is_given_up(
    ledger: Ledger, endpoint: Endpoint, other: Endpoint, start: Callable[..., Telling]
) -> None:
    made = start(chat=hook(endpoint), desk=hook(other))
    round_(made, "chat", "desk")
    ask(ledger)
    made.look()
    made = start(desk=hook(other))
    made.deliver("desk")
    assert sorted(deliveries(ledger)) == [("failed", 0, "no-such-channel"), ("sent", 1, "")]


def test_a_webhook_that_is_added_again_is_told_nothing_of_the_time_between(
    ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    round_(start(chat=hook(endpoint)))
    start()
    clock.advance(86400)
    ask(ledger)
    clock.advance(60)
    round_(start(chat=hook(endpoint)))
    assert endpoint.seen == []


def test_events_go_with_the_days_that_bodies_are_kept_and_what_waits_stays(
    ledger: Ledger, clock: FakeClock, endpoint: Endpoint, start: Callable[..., Telling]
) -> None:
    made = start(chat=hook(endpoint))
    round_(made)
    ask(ledger)
    round_(made)
    endpoint.statuses = [500]
    fail(ledger)
    round_(made)
    clock.advance(timedelta(days=91).total_seconds())
    assert events.prune(ledger, 0) == 0
    assert events.prune(ledger, 90, stopping=lambda: True) == 0
    config = SimpleNamespace(ledger=SimpleNamespace(keep_bodies_days=90), retention=Retention())
    program = SimpleNamespace(ledger=ledger, pairs=[], loaded=SimpleNamespace(config=config))
    Rounds(cast(Program, program)).prune()
    with ledger.read() as tx:
        assert [event.type for event in tx.session.exec(select(Event))] == ["change.failed"]
    assert deliveries(ledger) == [("waiting", 1, "answered-500")]


def test_a_quiet_ledger_is_not_written_to_at_every_look(
    ledger: Ledger,
    clock: FakeClock,
    endpoint: Endpoint,
    start: Callable[..., Telling],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = start(chat=hook(endpoint))
    round_(made)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "write", None)
        for _ in range(100):
            clock.advance(5)
            round_(made)
    clock.advance(events.MARK_EVERY.total_seconds())
    round_(made)
    change = fail(ledger)
    round_(made)
    assert [told["data"]["change"] for told in endpoint.told] == [change]


# -- in the daemon


def test_the_daemon_tells_however_many_do_not_answer(
    ledger: Ledger, endpoint: Endpoint, other: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "TELL_EVERY", 0.02)
    ledger._clock = clock = SystemClock()
    loaded = config(webhooks={**{f"slow{number}": hook(other) for number in range(8)}, "chat": hook(endpoint)})
    engine = SimpleNamespace(work=lambda *_, **__: 0, open_changes=lambda: 0, idle_for=lambda: 60.0)
    parts = {
        "ledger": ledger,
        "clock": clock,
        "engine": engine,
        "pairs": [],
        "connectors": {},
        "connecting": {},
        "joiners": {},
        "file_lookers": {},
        "due_readers": {},
        "due_rounds": {},
    }
    running = service.Service(
        cast(Program, SimpleNamespace(**parts, loaded=SimpleNamespace(config=loaded, folder=Path())))
    )
    other.free.clear()
    made = Telling(ledger, webhooks(clock, loaded.webhooks), [], rests=lambda _: False)
    made.look()  # the past ends here
    ask(ledger)
    made.look()
    made.close()
    running.start()
    try:
        assert other.came.wait(10)
        assert endpoint.came.wait(10)
        endpoint.came.clear()
        fail(ledger)
        assert endpoint.came.wait(10)
    finally:
        other.free.set()
        assert running.stop()
    assert [told["type"] for told in endpoint.told] == ["review.opened", "change.failed"]


def test_the_waits_are_those_of_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text(encoding="utf-8")
    words = ("5 seconds", "30 seconds", "2 minutes", "10 minutes", "1 hour", "6 hours", "24 hours")
    assert ", ".join(words[:-1]) + " and " + words[-1] in " ".join(page.split())
    assert telling.WAITS == (5, 30, 120, 600, 3600, 21600, 86400)
