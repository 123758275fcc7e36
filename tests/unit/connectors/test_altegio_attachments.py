"""Files on clients' cards at Altegio: listed, fetched and added over real HTTP on the simulator."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO
from urllib.request import urlopen

import pytest
from pydantic import ValidationError

from connectors.altegio import wire
from connectors.altegio.connector import AltegioConnector
from connectors.altegio.connector import build as connect
from connectors.altegio.options import LARGEST_FILE, AltegioOptions
from connectors.altegio.simulator import CLIENT_FROM, AltegioSimulator, build
from connectors.altegio.simulator.base import success
from tests.unit.connectors.altegio_calls import Calls
from vetbridge.connector.dry import DryRun
from vetbridge.connector.interface import Native, Operation, Write
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import AuthFailed, BadAnswer, OutcomeUnknown, Refused, Unavailable, VetBridgeError
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.suite.files import Paper

ZONE = "Europe/London"
EVERY_BYTE = bytes(range(256)) + b"\r\n--boundary\r\n\x00\x1a" * 1000
CODES = {"appointment_type": {"checkup": "701"}, "resource": {"vet_1": "501"}}
MAPPER = Mapper(load_table("altegio"), zone=ZONE, country="GB", codes=CODES)


def file_of(data: bytes, name: str = "Discharge summary.pdf", media_type: str = "application/pdf") -> Paper:
    return Paper(name=name, data=data, media_type=media_type)


class Breaking(Paper):
    """It cannot be read to its end."""

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data[: len(self.data) // 2])


@pytest.fixture
def simulator() -> Iterator[AltegioSimulator]:
    with build(clients=4, zone=ZONE, webhook_delay=0.0) as made:
        yield made


@pytest.fixture
def client(simulator: AltegioSimulator) -> str:
    return str(simulator.store.all("client")[0]["id"])


@pytest.fixture
def side(simulator: AltegioSimulator) -> Iterator[Callable[..., AltegioConnector]]:
    made: list[AltegioConnector] = []

    def connector(**changes: Any) -> AltegioConnector:
        known = simulator.credentials
        options = AltegioOptions.model_validate(
            {
                "base_url": simulator.base_url,
                "location_id": known["location_id"],
                "partner_token": Secret.of(known["partner_token"]),
                "user_token": Secret.of(known["user_token"]),
                **changes,
            }
        )
        environment = Environment(
            account="altegio-city", zone=ZONE, country="GB", clock=FakeClock(), timeout=5.0, limit_scale=1000.0
        )
        made.append(connect(options, environment))
        return made[-1]

    yield connector
    for each in made:
        each.close()


@pytest.fixture
def altegio(side: Callable[..., AltegioConnector]) -> AltegioConnector:
    return side()


def upload(client: str, file: Paper | None = None, **native: object) -> Write:
    file = file or file_of(EVERY_BYTE)
    fields = {"client_id": client, "name": file.name, **native}
    return Write(operation=Operation.CREATE, kind=Kind.ATTACHMENT, id=None, native=fields, content=file)


def listed(altegio: AltegioConnector, client: str) -> list[Native]:
    return list(altegio.search(Kind.ATTACHMENT, {"client_id": client}))


def refusal(call: Callable[[], object], error: type[VetBridgeError] = Refused) -> str:
    with pytest.raises(error) as caught:
        call()
    return caught.value.code


# -- reading


def test_a_persons_file_is_listed_and_fetched(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    made = simulator.add_file(int(client), "Referral.pdf", EVERY_BYTE, description="from Dr Lee")
    (native,) = listed(altegio, client)
    assert native["id"] == f"{client}/{made}"
    assert altegio.get(Kind.ATTACHMENT, native["id"]) == native
    record = MAPPER.read(Kind.ATTACHMENT, native)
    assert (record.client_id, record.pet_id, record.name) == (client, None, "Referral.pdf")
    assert record.notes == "from Dr Lee"
    assert record.made_at is not None
    assert record.made_at.epoch == simulator.store.all("file")[0]["_created"]
    assert b"".join(altegio.content(native["id"])) == EVERY_BYTE


def test_what_is_not_there_is_none_and_asks_for_nothing_odd(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    made = simulator.add_file(int(client), "a.pdf", b"x")
    other = str(int(client) + 1)
    assert altegio.get(Kind.ATTACHMENT, f"{client}/999999") is None
    assert altegio.get(Kind.ATTACHMENT, f"{other}/{made}") is None, "another client's file"
    assert listed(altegio, "9999999") == []
    assert listed(altegio, other) == []
    before = simulator.counts()["requests"]
    for odd in ("", "7", "a/b", f"../{client}/1", f"{client}/1/2", "0/0", f"{client}/\u0661"):
        assert altegio.get(Kind.ATTACHMENT, odd) is None
        assert refusal(lambda odd=odd: list(altegio.content(odd))) == "not-found"  # type: ignore[misc]
    assert listed(altegio, "../1") == []
    assert simulator.counts()["requests"] == before


def test_a_file_that_may_be_hidden_is_not_gone(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    simulator.turn("own_clients_of", 501)
    with pytest.raises(BadAnswer) as caught:
        altegio.get(Kind.ATTACHMENT, f"{client}/999999")
    assert caught.value.code == "no-rights"


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"name": "letter", "extension": "pdf"}, "letter.pdf"),
        ({"name": "letter.pdf", "extension": "pdf"}, "letter.pdf"),
        ({"name": "letter.PDF", "extension": ".pdf"}, "letter.PDF"),
        ({"name": "letter.pdf", "extension": ""}, "letter.pdf"),
        ({"name": "pdf", "extension": "pdf"}, "pdf.pdf"),
        ({"name": "a\x1b[31m\r\nb", "extension": "txt"}, "a [31m b.txt"),
        ({"name": 7, "extension": ["pdf"]}, "7"),
        ({}, ""),
    ],
)
def test_a_name_has_its_ending_once(row: Native, name: str) -> None:
    native = wire.file({"id": 1, "client_id": 5, **row}, "5", ZONE)
    assert native["name"] == name


@pytest.mark.parametrize(
    ("told", "made_at"),
    [
        ("2026-03-02T10:00:00+0500", "2026-03-02T05:00:00+00:00"),
        ("2026-07-02 10:00:00", "2026-07-02T09:00:00+00:00"),
        ("yesterday", None),
        (None, None),
        ({}, None),
    ],
)
def test_when_a_file_was_made(told: object, made_at: str | None) -> None:
    assert wire.file({"id": 1, "date_create": told}, "5", ZONE)["made_at"] == made_at


def test_another_clients_file_in_a_list_is_never_taken(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.add_file(int(client), "a.pdf", b"x")
    shown = simulator._file
    for spoilt in ({"client_id": 5}, {"client_id": "nobody"}):
        monkeypatch.setattr(simulator, "_file", lambda row, spoilt=spoilt: {**shown(row), **spoilt})
        assert refusal(lambda: listed(altegio, client), BadAnswer) == "unreadable"
    monkeypatch.setattr(simulator, "_file", lambda row: {"name": "no id"})
    assert refusal(lambda: listed(altegio, client), BadAnswer) == "rows-missing"


def test_a_missing_right_stops_files_and_nothing_else(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    simulator.turn("denied_rights", ["client_files_list_access", "client_files_upload_access"])
    assert refusal(lambda: listed(altegio, client), BadAnswer) == "no-rights"
    assert refusal(lambda: altegio.apply(upload(client)), BadAnswer) == "no-rights"
    lines = [line for line in altegio.check().lines if line.text.startswith("client_files_")]
    assert len(lines) == 2
    assert all(line.warning for line in lines)
    simulator.turn("denied_rights", ["client_files_upload_access"])
    assert refusal(lambda: altegio.apply(upload(client))) == "no-rights"
    simulator.turn("licence_expired", True)
    with pytest.raises(AuthFailed):
        listed(altegio, client)


# -- fetching


def test_files_are_fetched_with_tokens_where_the_options_say_so(
    side: Callable[..., AltegioConnector], simulator: AltegioSimulator, client: str
) -> None:
    id_ = f"{client}/{simulator.add_file(int(client), 'a.pdf', EVERY_BYTE)}"
    bare, shown = side(), side(file_download={"authorise": True, "address": "link"})
    for switch in ("tokens", "page"):
        simulator.turn("downloads", switch)
        assert refusal(lambda: list(bare.content(id_)), BadAnswer) == "no-file"
        assert b"".join(shown.content(id_)) == EVERY_BYTE


def test_a_text_that_speaks_of_pages_is_a_file(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    for words in (b"", b"x", b"a note\n<html> is a word" * 100):
        id_ = f"{client}/{simulator.add_file(int(client), 'a.txt', words)}"
        assert b"".join(altegio.content(id_)) == words


@pytest.mark.parametrize(
    "link", ["http://169.254.169.254/latest", "//evil.example/a", "https://evil.example/a", "file:///etc/passwd", ""]
)
def test_an_address_elsewhere_is_not_fetched(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str, monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    id_ = f"{client}/{simulator.add_file(int(client), 'a.pdf', b'x')}"
    shown = simulator._file
    monkeypatch.setattr(simulator, "_file", lambda row: {**shown(row), "full_link": link})
    with pytest.raises((Refused, BadAnswer)) as caught:
        list(altegio.content(id_))
    assert caught.value.code in ("download-unsafe", "unreadable")


def test_a_cut_file_raises(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = simulator.add_file(int(client), "a.pdf", EVERY_BYTE * 10)
    simulator.faults.set({"cut_download": 1.0})
    with pytest.raises(Unavailable, match="cut off"):
        list(altegio.content(f"{client}/{made}"))
    simulator.faults.set({"cut_download": 0.0})
    monkeypatch.setattr(simulator.files, "read", lambda name: EVERY_BYTE)
    assert refusal(lambda: list(altegio.content(f"{client}/{made}")), BadAnswer) == "no-file", (
        "shorter than its row says"
    )
    simulator.store.delete("file", made)
    assert refusal(lambda: list(altegio.content(f"{client}/{made}"))) == "not-found"


def test_a_slow_file_comes_piece_by_piece(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    id_ = f"{client}/{simulator.add_file(int(client), 'a.pdf', EVERY_BYTE * 40)}"
    simulator.turn("download_seconds", 1)
    pieces = altegio.content(id_)
    first = next(pieces)
    assert EVERY_BYTE.startswith(first[:100])
    assert len(first) < len(EVERY_BYTE) * 20
    pieces.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("told", "least"), [("96.65 KB", 96650), ("12 B", 12), ("1.5 MB", 1.5e6), ("1,5 MB", None), (7, None), ("", None)]
)
def test_a_size_is_read_where_it_can_be(told: object, least: float | None) -> None:
    assert wire.file_size({"size": told}) == least


@pytest.mark.parametrize(
    ("base_url", "download", "host"),
    [
        ("https://api.alteg.io/api/v1", {}, "https://app.alteg.io"),
        ("https://api.yclients.com/api/v1", {}, "https://yclients.com"),
        ("http://127.0.0.1:8080/api/v1", {}, "http://127.0.0.1:8080"),
        ("https://api.alteg.io/api/v1", {"host": "https://files.example"}, "https://files.example"),
    ],
)
def test_where_files_stand(base_url: str, download: Mapping[str, str], host: str) -> None:
    assert given(base_url=base_url, file_download=download).file_host == host


def given(**options: Any) -> AltegioOptions:
    tokens = {"partner_token": Secret.of("p"), "user_token": Secret.of("u")}
    return AltegioOptions.model_validate({"location_id": "101001", **tokens, **options})


@pytest.mark.parametrize(
    "wrong",
    [
        {"file_upload": "/files/{client}"},
        {"file_upload": "https://evil.example/{location}/{client}"},
        {"file_upload": "/{location}/{client}/{other}"},
        {"file_download": {"address": "guess"}},
        {"file_download": {"host": "http://files.example"}},
    ],
)
def test_options_of_files_are_checked(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        given(**wrong)


# -- adding


def test_a_file_goes_up_and_comes_down_as_it_was(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    receipt = altegio.apply(upload(client))
    assert receipt.native == altegio.get(Kind.ATTACHMENT, receipt.id)
    assert receipt.native is not None
    assert receipt.native["name"] == "Discharge summary.pdf"
    assert b"".join(altegio.content(receipt.id)) == EVERY_BYTE
    second = altegio.apply(upload(client, file_of(b"other", name="b.txt", media_type="text/plain")))
    assert second.id != receipt.id
    assert simulator.counts()["notices"] == 0
    assert altegio.capabilities.of(Kind.ATTACHMENT).hangs_on == {Kind.CLIENT}


@pytest.mark.parametrize("name", ["Röntgen Zoë 猫.pdf", 'a"b.pdf', "a; name=x.pdf", "a\\b.pdf", "x" * 200 + ".pdf"])
@pytest.mark.parametrize("kept", ["whole", "stem"])
def test_names_come_back(
    side: Callable[..., AltegioConnector], simulator: AltegioSimulator, client: str, name: str, kept: str
) -> None:
    simulator.turn("file_names", kept)
    native = side().apply(upload(client, file_of(b"x", name=name))).native
    assert native is not None
    assert native["name"] == name.replace('"', "%22")


def test_what_altegio_does_not_take_is_not_sent(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    class Large(Paper):
        @property
        def size(self) -> int:
            return LARGEST_FILE

    assert refusal(lambda: altegio.apply(upload(client, Large(data=b"x")))) == "too-large"
    assert refusal(lambda: altegio.apply(upload(client, file_of(b"x", name="a.heic")))) == "not-supported"
    assert refusal(lambda: altegio.apply(upload(client, file_of(b"")))) == "incomplete"
    assert refusal(lambda: altegio.apply(upload("x"))) == "incomplete"
    nothing = Write(operation=Operation.CREATE, kind=Kind.ATTACHMENT, id=None, native={"client_id": client})
    assert refusal(lambda: altegio.apply(nothing)) == "incomplete"
    assert simulator.counts()["write_requests"] == 0
    assert refusal(lambda: altegio.apply(upload("9999999"))) == "gone"


def test_eleven_megabytes_fit(altegio: AltegioConnector, simulator: AltegioSimulator, client: str) -> None:
    file = file_of(EVERY_BYTE * (LARGEST_FILE // len(EVERY_BYTE)))
    receipt = altegio.apply(upload(client, file))
    digest = hashlib.sha256()
    for piece in altegio.content(receipt.id):
        digest.update(piece)
    assert digest.hexdigest() == file.digest


@pytest.mark.parametrize("fault", ["drop_after_commit", "5xx_after", "cut_json", "html_for_json"])
def test_a_file_whose_answer_was_lost_is_found_by_its_name(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str, fault: str
) -> None:
    simulator.add_file(int(client), "other.pdf", b"x")
    write = upload(client)
    list_of, asked = altegio._api.files, []

    def armed(client_id: str) -> list[Native]:
        rows = list_of(client_id)
        asked.append(client_id)
        simulator.faults.arm(fault)  # from here on, for the upload
        return rows

    altegio._api.files = armed  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown):
        altegio.apply(write)
    altegio._api.files = list_of  # type: ignore[method-assign]
    (found,) = altegio.look(write)
    assert b"".join(altegio.content(found["id"])) == EVERY_BYTE
    assert len(simulator.store.all("file")) == 2


def test_a_look_knows_a_name_in_other_letters(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    simulator.add_file(int(client), "RO\u0308NTGEN.PDF", b"x")
    write = upload(client, file_of(b"x", name="Röntgen.pdf"))
    assert len(list(altegio.look(write))) == 1
    planned = Write(operation=Operation.CREATE, kind=Kind.ATTACHMENT, id=None, native=write.native)
    assert len(list(altegio.look(planned))) == 1, "also where the content is not at hand any more"
    assert list(altegio.look(upload(client, file_of(b"x", name="b.pdf")))) == []


def test_an_upload_that_is_cut_leaves_nothing(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    simulator.faults.set({"cut_upload": 1.0})
    with pytest.raises(OutcomeUnknown):
        altegio.apply(upload(client, file_of(EVERY_BYTE * 50)))
    simulator.faults.set({"cut_upload": 0.0})
    with pytest.raises(OSError, match="not as long"):
        altegio.apply(upload(client, Breaking("Discharge summary.pdf", EVERY_BYTE * 50)))
    assert simulator.store.all("file") == []
    assert list(altegio.look(upload(client))) == []


def test_of_several_new_files_ours_is_told_by_name_and_size(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    keep = simulator._keep_file

    def crowded(owner: int, name: str, *more: Any) -> int:
        keep(owner, "somebody-else.pdf", "application/pdf", b"x")
        keep(owner, name, "application/pdf", b"x" * 1_000_000)
        return keep(owner, name, *more)

    simulator._keep_file = crowded  # type: ignore[method-assign]
    receipt = altegio.apply(upload(client))
    assert b"".join(altegio.content(receipt.id)) == EVERY_BYTE

    def doubled(owner: int, name: str, *more: Any) -> int:
        keep(owner, name, *more)
        return keep(owner, name, *more)

    simulator._keep_file = doubled  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown):
        altegio.apply(upload(client))


def test_somebody_elses_file_that_came_meanwhile_is_not_taken_for_ours(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    keep = simulator._keep_file

    def lagging(owner: int, _name: str, *_more: Any) -> int:
        return keep(owner, "somebody-else.pdf", "application/pdf", b"x" * 1_000_000)

    simulator._keep_file = lagging  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown):
        altegio.apply(upload(client))


def test_a_list_that_lags_and_rows_that_lack_fields_lead_to_no_other_file(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    simulator.faults.set({"lagging_search": 1.0})
    ids = [altegio.apply(upload(client, file_of(EVERY_BYTE, name=f"{number}.pdf"))).id for number in range(3)]
    assert listed(altegio, client) == []
    simulator.faults.set({"lagging_search": 0.0, "missing_fields": 0.5})
    for id_ in ids:
        native = altegio.get(Kind.ATTACHMENT, id_)
        assert native is not None
        assert native["client_id"] == client
        with suppress(BadAnswer):
            assert b"".join(altegio.content(id_)) == EVERY_BYTE


def test_an_answer_with_another_clients_file_in_it_settles_nothing(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = simulator._file
    monkeypatch.setattr(simulator, "_file", lambda row: {**shown(row), "client_id": 5})
    with pytest.raises(OutcomeUnknown):
        altegio.apply(upload(client))
    monkeypatch.setattr(simulator, "_files_of", lambda owner: success([]))
    with pytest.raises(OutcomeUnknown):
        altegio.apply(upload(client))


def test_a_rehearsal_sends_nothing(altegio: AltegioConnector, simulator: AltegioSimulator, client: str) -> None:
    dry = DryRun(altegio, MAPPER)
    dry.apply(upload(client))
    assert simulator.counts()["write_requests"] == 0
    assert len(dry.planned) == 1


# -- the simulator's doors


def test_a_person_adds_a_file_at_the_control_door(simulator: AltegioSimulator, client: str) -> None:
    call = Calls(simulator)
    body = {"client": int(client), "name": "a.pdf", "content": "AAEC"}
    made = call("POST", "/_sim/files", body).body["id"]
    assert simulator.file_content(made) == b"\x00\x01\x02"
    assert call("POST", "/_sim/files", {**body, "content": "%"}).status == 400
    assert call("POST", "/_sim/files", {**body, "client": 5}).status == 404


def test_files_of_another_location_are_fetched_there() -> None:
    with build(locations=2, clients=4, zone=ZONE) as simulator:
        second = simulator.sites[1]
        owner = second.store.all("client")[0]["id"]
        assert owner > CLIENT_FROM * 1000
        made = second.add_file(owner, "a.pdf", b"second")
        (row,) = Calls(simulator)("GET", f"/company/{second.location}/clients/files/{owner}").data
        assert row["id"] == made
        with urlopen(row["full_link"], timeout=5) as answer:
            assert answer.read() == b"second"
