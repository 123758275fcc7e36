"""The runtime: reading, writing, round trips, hostile values, and errors that name no person."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetbridge.core.errors import ConfigError, MappingError
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Pet
from vetbridge.mapping import Mapper, load_table
from vetbridge.mapping.codecs import CODECS, CodecOptions, MappingContext, Unfit, clean
from vetbridge.mapping.codes import CodeList
from vetbridge.testing.memory import memory_mapper

LONDON = "Europe/London"
MAPPER = memory_mapper()
VISIT = {"start": "2026-07-01T09:30:00+01:00", "seconds": 900, "state": "booked"}
CONTEXT = MappingContext(zone=LONDON, codes={"list": CodeList("list", {"dog": ("1",)})})


def read(codec: str, value: Any, zone: str = LONDON) -> Any:
    return CODECS[codec].read(value, MappingContext(zone=zone, codes=CONTEXT.codes), CodecOptions("list"))


def write(codec: str, value: Any, zone: str = LONDON, *, as_string: bool = False) -> Any:
    return CODECS[codec].write(value, MappingContext(zone=zone, codes=CONTEXT.codes), CodecOptions("list", as_string))


# -- codecs


@pytest.mark.parametrize(
    ("codec", "native", "canonical"),
    [
        ("text", "Zoë\r\nline\ttab", "Zoë\r\nline\ttab"),
        ("text", 12, "12"),
        ("text", "a\x00b\x1b[2Jc\ud800\x07\x85\r", "a\ufffdb[2Jc\ufffd"),
        ("id", 77, "77"),
        ("id", " 77 ", "77"),
        ("integer", "900", 900),
        ("integer", -3, -3),
        ("flag", "1", True),
        ("flag", 0, False),
        ("flag", "False", False),
        ("flag", True, True),
        ("epoch", "1751358600", Instant(datetime(2025, 7, 1, 8, 30, tzinfo=UTC))),
        ("wall_time", "2025-07-01 09:30:00", Instant(datetime(2025, 7, 1, 8, 30, tzinfo=UTC))),
        ("iso_time", "2025-07-01T09:30:00+0100", Instant(datetime(2025, 7, 1, 8, 30, tzinfo=UTC))),
        ("iso_time", "2025-07-01T08:30:00Z", Instant(datetime(2025, 7, 1, 8, 30, tzinfo=UTC))),
        ("date", "2020-02-29", date(2020, 2, 29)),
        ("code", 1, "dog"),
        ("ids", [7, " c8 ", None, ""], ("7", "c8")),
        ("texts", ["a", 5, "", None, "\x00"], ("a", "5", "\ufffd")),
    ],
)
def test_what_a_codec_reads(codec: str, native: Any, canonical: Any) -> None:
    assert read(codec, native) == canonical


@pytest.mark.parametrize("codec", sorted(CODECS))
@pytest.mark.parametrize(
    "hostile",
    [
        {"a": 1},
        [["nested"]],
        [{"a": 1}],
        math.nan,
        math.inf,
        1.5,
        10**400,
        -(10**5000),
        "9" * 400,
        object(),
        b"bytes",
        "secret-value-" + "x" * 2_000_000,
        "\ud800\x00",
        "0001-01-01",
        "9999-12-31T23:59:59+00:00",
        "2026-07-01\x1b09:30:00+00:00",
        "２０２６-07-01 09:30:00",
        99999999999999,
    ],
    ids=lambda value: type(value).__name__,
)
def test_hostile_values_are_read_or_unfit_and_never_repeated(codec: str, hostile: Any) -> None:
    try:
        value = read(codec, hostile)
    except Unfit as error:
        value = str(error)
        long_or_told = len(value) > 200 or "secret-value" in value
    else:
        long_or_told = False
        value = value if isinstance(value, str) else repr(value)
    assert not long_or_told
    assert "\x00" not in value
    value.encode("utf-8")


@pytest.mark.parametrize("codec", sorted(CODECS))
@pytest.mark.parametrize("value", [{"a": 1}, object(), math.nan, 10**400, b"x", ["\ud800", 1], datetime.now(UTC)])
def test_no_codec_writes_what_is_not_its_own(codec: str, value: Any) -> None:
    with pytest.raises(Unfit):
        write(codec, value)


def test_an_hour_that_occurs_twice_reads_as_its_first_and_is_not_written_as_its_second() -> None:
    first = Instant(datetime(2027, 10, 31, 0, 30, tzinfo=UTC), LONDON)
    second = Instant(datetime(2027, 10, 31, 1, 30, tzinfo=UTC), LONDON)
    assert write("wall_time", first) == "2027-10-31 01:30:00"
    assert read("wall_time", "2027-10-31 01:30:00") == first
    with pytest.raises(Unfit, match="occurs twice"):
        write("wall_time", second)
    assert [read("iso_time", write("iso_time", each)) for each in (first, second)] == [first, second]


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "Europe/London", "UTC", "America/Los_Angeles"])
def test_a_date_in_seconds_reads_right_whichever_midnight_the_side_keeps(zone: str) -> None:
    day = date(2020, 6, 15)
    utc = int(datetime(2020, 6, 15, tzinfo=UTC).timestamp())
    offset = Instant.from_local(datetime(2020, 6, 15), zone).epoch  # noqa: DTZ001 - the wall time at the zone
    assert read("epoch_date", utc, zone) == day
    assert read("epoch_date", offset, zone) == day
    assert read("epoch_date", write("epoch_date", day, zone), zone) == day


def test_flags_are_written_as_the_table_says() -> None:
    assert write("flag", True) is True
    assert write("flag", True, as_string=True) == "1"
    assert write("flag", False, as_string=True) == "0"


@given(st.text())
def test_cleaned_text_is_safe_and_stays_clean(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert clean(cleaned) == cleaned
    assert not any(ord(sign) < 32 and sign not in "\n\r\t" for sign in cleaned)
    if text.isprintable():
        assert cleaned == text


# -- reading


def test_reads_a_whole_record() -> None:
    native = {
        "id": 5,
        "name": {"given": "Zoë", "family": "O’Neill"},
        "phones": ["+44"],
        "emails": None,
        "active": "0",
        "rev": 12,
        "unknown": {"to": "the table"},
    }
    assert MAPPER.read(Kind.CLIENT, native) == Client(
        id="5", given_name="Zoë", family_name="O’Neill", phones=("+44",), active=False
    )
    assert MAPPER.read(Kind.CLIENT, native).version == "12"


def test_what_the_side_leaves_out_is_the_default() -> None:
    assert MAPPER.read(Kind.CLIENT, {}) == Client()
    assert MAPPER.read(Kind.PET, {"species": "", "born": " ", "owner": "", "name": None}) == Pet()


def test_a_nested_record_of_which_nothing_is_said_is_none() -> None:
    for booker in (None, {}, {"given": "", "phones": []}):
        assert MAPPER.read(Kind.APPOINTMENT, {**VISIT, "booker": booker}).booker is None
    named = MAPPER.read(Kind.APPOINTMENT, {**VISIT, "booker": {"given": "Jo"}, "animal": {"species": "C"}})
    assert named.booker == Client(given_name="Jo")
    assert named.booked_pet == Pet(species="cat")


@pytest.mark.parametrize("missing", ["start", "seconds", "state"])
def test_a_visit_needs_its_time_and_state(missing: str) -> None:
    with pytest.raises(MappingError, match="the record needs it"):
        MAPPER.read(Kind.APPOINTMENT, {**VISIT, missing: None})


def test_a_missing_state_may_have_an_otherwise() -> None:
    mapper = Mapper(load_table("memory"), zone=LONDON, codes={"status": {"otherwise": {"read": "booked"}}})
    assert mapper.read(Kind.APPOINTMENT, {**VISIT, "state": ""}).status is AppointmentStatus.BOOKED
    assert mapper.read(Kind.APPOINTMENT, {**VISIT, "state": "?"}).status is AppointmentStatus.BOOKED


def test_an_unknown_code_is_named_with_its_list_and_mapping() -> None:
    with pytest.raises(MappingError) as caught:
        MAPPER.read(Kind.PET, {"species": "Q"})
    assert caught.value.message == (
        "mapping memory: pet.species (code): the code 'Q' is not in the code list 'species'"
    )


@pytest.mark.parametrize(
    ("kind", "native", "field"),
    [
        (Kind.CLIENT, {"name": {"given": {"Zoë": "secret"}}}, "client.given_name (text)"),
        (Kind.CLIENT, {"name": "Zoë secret"}, "client.given_name (text)"),
        (Kind.CLIENT, {"phones": "Zoë secret"}, "client.phones (texts)"),
        (Kind.CLIENT, {"active": "Zoë secret"}, "client.active (flag)"),
        (Kind.PET, {"born": "Zoë secret"}, "pet.birth_date (date)"),
        (Kind.PET, {"species": ["Zoë secret"]}, "pet.species (code)"),
        (Kind.APPOINTMENT, {**VISIT, "start": "Zoë secret"}, "appointment.start (iso_time)"),
        (Kind.APPOINTMENT, {**VISIT, "start": "2026-07-01T09:30:00"}, "appointment.start (iso_time)"),
        (Kind.APPOINTMENT, {**VISIT, "seconds": math.nan}, "appointment.duration (integer)"),
    ],
)
def test_errors_name_the_field_and_not_the_value(kind: Kind, native: dict[str, Any], field: str) -> None:
    with pytest.raises(MappingError) as caught:
        MAPPER.read(kind, native)
    assert field in caught.value.message
    assert "Zoë" not in caught.value.message
    assert "secret" not in caught.value.message
    assert caught.value.__cause__ is None


def test_a_kind_without_a_table_is_a_mapping_error() -> None:
    codes = {"appointment_type": {"checkup": "1"}, "resource": {"vet": "1"}}
    mapper = Mapper(load_table("altegio"), zone=LONDON, codes=codes)
    with pytest.raises(MappingError, match="has no kind vaccination"):
        mapper.read(Kind.VACCINATION, {})
    with pytest.raises(MappingError, match="has no kind vaccination"):
        mapper.write(Kind.VACCINATION, {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([Kind.CLIENT, Kind.PET, Kind.APPOINTMENT]), st.data())
def test_any_json_reads_or_is_a_mapping_error(kind: Kind, data: st.DataObject) -> None:
    names = sorted({rule.path[0] for rule in MAPPER.table.kinds[kind].values()})
    native = {name: data.draw(JSON) for name in data.draw(st.lists(st.sampled_from(names), unique=True))}
    try:
        record = MAPPER.read(kind, {**VISIT, **native} if kind is Kind.APPOINTMENT else native)
    except MappingError:
        return
    assert isinstance(record, Client | Pet | Appointment)


# -- writing


def test_writes_only_what_is_given_nested_as_the_side_has_it() -> None:
    assert MAPPER.write(Kind.CLIENT, {"given_name": "Jo", "active": False}) == {
        "name": {"given": "Jo"},
        "active": False,
    }
    assert MAPPER.write(Kind.PET, {"deceased": True, "species": "other"}) == {"dead": "1", "species": "O"}
    assert MAPPER.write(Kind.APPOINTMENT, {}) == {}


def test_none_clears() -> None:
    assert MAPPER.write(Kind.APPOINTMENT, {"client_id": None, "pet_id": None}) == {"owner": None, "pet": None}


def test_nested_records_are_written_whole_or_by_name() -> None:
    booker = Client(id="7", given_name="Jo", phones=("+44",), version="3")
    whole = MAPPER.write(Kind.APPOINTMENT, {"booker": booker})
    assert whole == {"booker": {"given": "Jo", "family": "", "phones": ["+44"], "emails": []}}
    assert MAPPER.write(Kind.APPOINTMENT, {"booker.given_name": "Jo"}) == {"booker": {"given": "Jo"}}
    assert MAPPER.write(Kind.APPOINTMENT, {"booked_pet": None}) == {"animal": {"name": None, "species": None}}
    with pytest.raises(MappingError, match="takes a record or dotted names"):
        MAPPER.write(Kind.APPOINTMENT, {"booker": "Jo"})


@pytest.mark.parametrize("name", ["id", "version", "colour", "booker.version"])
def test_fields_that_are_not_written_are_refused(name: str) -> None:
    with pytest.raises(MappingError, match=f"appointment.{name} is not written"):
        MAPPER.write(Kind.APPOINTMENT, {name: "5"})


def test_a_word_without_a_code_is_named() -> None:
    with pytest.raises(MappingError, match="the code list 'species' has no code for 'horse'"):
        MAPPER.write(Kind.PET, {"species": "horse"})


def test_writing_errors_do_not_repeat_the_value() -> None:
    with pytest.raises(MappingError) as caught:
        MAPPER.write(Kind.CLIENT, {"given_name": ["Zoë"]})
    assert caught.value.message == "mapping memory: client.given_name (text): text was expected, not a list"


def test_readable_and_writable_name_the_directions() -> None:
    assert "version" in MAPPER.readable(Kind.CLIENT)
    assert MAPPER.writable(Kind.CLIENT) == {"given_name", "family_name", "phones", "emails", "active"}


# -- round trips

TEXT = st.text(max_size=20).map(clean)
TEXTS = st.lists(TEXT.filter(bool), max_size=3).map(tuple)
DAYS = st.none() | st.dates(date(1990, 1, 1), date(2100, 1, 1))
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - bounds
    lambda moment: Instant(moment, LONDON)
)
CLIENTS = st.builds(
    Client,
    id=st.none(),
    given_name=TEXT,
    family_name=TEXT,
    phones=TEXTS,
    emails=TEXTS,
    active=st.booleans(),
    version=st.none(),
)
PETS = st.builds(
    Pet,
    id=st.none(),
    client_id=st.none() | st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True),
    name=TEXT,
    species=st.sampled_from([None, "dog", "cat", "rabbit", "other"]),
    breed=TEXT,
    sex=st.sampled_from([None, "male", "female", "male_neutered", "female_neutered", "unknown"]),
    birth_date=DAYS,
    deceased=st.booleans(),
    active=st.booleans(),
    version=st.none(),
)
BOOKERS = st.none() | CLIENTS.map(lambda c: Client(given_name=c.given_name, phones=c.phones)).filter(
    lambda c: c != Client()
)
VISITS = st.builds(
    Appointment,
    id=st.none(),
    client_id=st.none() | st.just("c1"),
    pet_id=st.none() | st.just("p1"),
    booker=BOOKERS,
    booked_pet=st.none(),
    start=MOMENTS,
    duration=st.integers(0, 10**6),
    status=st.sampled_from(AppointmentStatus),
    appointment_type=st.sampled_from([None, "checkup", "surgery"]),
    resource=st.sampled_from([None, "vet_1"]),
    notes=TEXT,
    cancelled_by=TEXT,
    cancel_reason=TEXT,
    version=st.none(),
)


@given(CLIENTS | PETS | VISITS)
def test_what_is_written_reads_back(record: Client | Pet | Appointment) -> None:
    kind = {Client: Kind.CLIENT, Pet: Kind.PET, Appointment: Kind.APPOINTMENT}[type(record)]
    names = {name.split(".")[0] for name in MAPPER.writable(kind)}
    payload = MAPPER.write(kind, {name: getattr(record, name) for name in names})
    assert MAPPER.read(kind, payload) == record


# -- the mapper itself


def test_the_digest_follows_table_and_codes() -> None:
    table = load_table("memory")
    same = {Mapper(table, zone=zone).digest for zone in (LONDON, "UTC")}
    assert same == {MAPPER.digest}
    assert Mapper(table, zone=LONDON, codes={"species": {"dog": "HUND"}}).digest != MAPPER.digest
    assert Mapper(load_table("ezyvet"), zone=LONDON, codes=EZYVET).digest != MAPPER.digest


EZYVET: dict[str, dict[str, object]] = {"species": {}, "sex": {}, "appointment_type": {}, "resource": {}}


def test_missing_and_unknown_lists_are_config_errors() -> None:
    table = load_table("ezyvet")
    with pytest.raises(ConfigError, match="code lists are missing: appointment_type, resource, sex, species"):
        Mapper(table, zone=LONDON)
    with pytest.raises(ConfigError, match="no field uses the code list 'specis'; did you mean 'species'"):
        Mapper(table, zone=LONDON, codes={**EZYVET, "specis": {}})
    with pytest.raises(ConfigError, match=r"'done' is no word of appointment\.status"):
        Mapper(table, zone=LONDON, codes={**EZYVET, "status": {"done": "4"}})


def test_an_unknown_zone_is_a_config_error() -> None:
    for zone in ("Europe/Londn", "", "../etc/passwd", "/etc/passwd"):
        with pytest.raises(ConfigError, match="IANA time zone"):
            Mapper(load_table("memory"), zone=zone)
