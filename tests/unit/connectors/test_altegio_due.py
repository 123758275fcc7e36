"""What an Altegio card says about due services, and messages to owners: over real HTTP on the simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.altegio import due, plugin, wire
from connectors.altegio.connector import AltegioConnector
from connectors.altegio.connector import build as connect
from connectors.altegio.options import AltegioOptions
from connectors.altegio.simulator import AltegioSimulator, build
from tests.unit.connectors.altegio_calls import Calls
from vetbridge.connector.interface import ExactlyOnce, Native, Operation, Receipt, Write
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import BadAnswer, OutcomeUnknown, Refused
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import FakeClock

ZONE = "Europe/London"
FIELDS = {"service": "due_service", "pet": "due_pet", "date": "due_on", "notified": "due_notified"}
LABELS = {"soon": "2", "overdue": "3"}
MAILING = {"clients": "client_ids", "text": "text"}
ALL = {"due_fields": FIELDS, "due_labels": LABELS, "mailing": MAILING}
RABIES = {
    "name": "Rabies",
    "pet_name": "Bella",
    "due_on": date(2026, 5, 1),
    "due_soon": True,
    "overdue": False,
    "notified": "VB-7F3K9Q2MXX",
}
NOTHING = {"name": "", "pet_name": "", "due_on": None, "due_soon": False, "overdue": False}
CODES = {"appointment_type": {"checkup": "701"}, "resource": {"vet_1": "501"}}
MAPPER = Mapper(load_table("altegio"), zone=ZONE, country="GB", codes=CODES)


@pytest.fixture
def simulator() -> Iterator[AltegioSimulator]:
    """A location whose people have three labels, and fields of their own beside those for due services."""
    with build(clients=3, zone=ZONE, webhook_delay=0.0) as made:
        for title in ("Breeder", "Due soon", "Overdue"):
            made.store.insert("label", {"title": title, "entity": 1})
        for code in (*FIELDS.values(), "insurance"):
            kind = "date" if code == "due_on" else "text"
            made.store.insert("field", {"category": "client", "code": code, "title": code, "type": kind})
        card = made.store.get("client", first(made))
        assert card is not None
        card |= {
            "categories": [1],
            "custom_fields": {"insurance": "PetSure 7", "vetbridge_pets": "Bella (dog) #k7q2"},
        }
        card |= {"comment": "rings twice", "discount": 10, "birth_date": "1980-02-03", "card": "L-7"}
        made.store.put("client", card["id"], card)
        yield made


def first(simulator: AltegioSimulator) -> int:
    return int(simulator.store.all("client")[0]["id"])


@pytest.fixture
def client(simulator: AltegioSimulator) -> str:
    return str(first(simulator))


@pytest.fixture
def side(simulator: AltegioSimulator) -> Iterator[Callable[..., AltegioConnector]]:
    made: list[AltegioConnector] = []

    def connector(**changes: Any) -> AltegioConnector:
        tokens = {name: Secret.of(simulator.credentials[name]) for name in ("partner_token", "user_token")}
        given = {"base_url": simulator.base_url, "location_id": simulator.credentials["location_id"], **tokens}
        environment = Environment(
            account="altegio-city", zone=ZONE, country="GB", clock=FakeClock(), timeout=5.0, limit_scale=1000.0
        )
        made.append(connect(AltegioOptions.model_validate({**given, **changes}), environment))
        return made[-1]

    yield connector
    for each in made:
        each.close()


@pytest.fixture
def altegio(side: Callable[..., AltegioConnector]) -> AltegioConnector:
    return side(**ALL)


def put(altegio: AltegioConnector, client: str, **fields: object) -> Receipt:
    native = MAPPER.write(Kind.REMINDER, fields)
    return altegio.apply(Write(operation=Operation.UPDATE, kind=Kind.REMINDER, id=client, native=native))


def notify(altegio: AltegioConnector, client: str, text: str = "Bella is due.") -> Receipt:
    return altegio.apply(Write(operation=Operation.NOTIFY, kind=Kind.REMINDER, id=client, native={"text": text}))


def said(altegio: AltegioConnector, client: str) -> dict[str, object]:
    native = altegio.get(Kind.REMINDER, client)
    assert native is not None
    record = MAPPER.read(Kind.REMINDER, native)
    assert record.id == record.client_id == client
    return {name: getattr(record, name) for name in RABIES}


def card_of(simulator: AltegioSimulator, client: str) -> Native:
    card = simulator.store.get("client", int(client))
    assert card is not None
    return card


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.code


# -- the card


def test_a_due_service_is_put_on_a_card_and_taken_off(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    assert said(altegio, client) == {**NOTHING, "notified": ""}
    receipt = put(altegio, client, **RABIES)
    assert receipt.native == altegio.get(Kind.REMINDER, client)
    assert said(altegio, client) == RABIES
    put(altegio, client, due_soon=False, overdue=True)
    assert said(altegio, client) == {**RABIES, "due_soon": False, "overdue": True}
    put(altegio, client, **NOTHING)
    assert said(altegio, client) == {**NOTHING, "notified": RABIES["notified"]}
    assert simulator.counts()["notices"] == 0


def test_what_others_have_put_on_a_card_stays(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    before = card_of(simulator, client)
    put(altegio, client, **RABIES)
    written = card_of(simulator, client)
    assert set(written["categories"]) == {1, 2}
    put(altegio, client, **NOTHING, notified="")
    after = card_of(simulator, client)
    assert after["categories"] == [1]
    for code in ("insurance", "vetbridge_pets"):
        assert before["custom_fields"][code] == written["custom_fields"][code] == after["custom_fields"][code]
    own = {"custom_fields", "categories", "_changed"}
    assert {name: value for name, value in after.items() if name not in own and before.get(name, 0) != value} == {}


def test_the_last_label_goes(altegio: AltegioConnector, simulator: AltegioSimulator, client: str) -> None:
    simulator.store.put("client", int(client), {**card_of(simulator, client), "categories": [3]})
    put(altegio, client, overdue=False)
    assert card_of(simulator, client)["categories"] == []


def test_an_opt_out_on_a_card_stays(altegio: AltegioConnector, simulator: AltegioSimulator, client: str) -> None:
    simulator.store.put("client", int(client), {**card_of(simulator, client), "sms_not": 1})
    put(altegio, client, **NOTHING, notified="x")
    assert card_of(simulator, client)["sms_not"] == 1


def test_what_stands_there_already_is_not_written(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    put(altegio, client, **RABIES)
    writes = simulator.counts()["writes"]
    assert put(altegio, client, **RABIES).native is not None
    put(altegio, client, name="Rabies")
    assert simulator.counts()["writes"] == writes
    put(altegio, client, name="Rab")
    assert said(altegio, client)["name"] == "Rab", "a shorter name is another one"


def test_a_long_name_is_cut_as_it_is_declared(altegio: AltegioConnector, client: str) -> None:
    limit = altegio.capabilities.of(Kind.REMINDER).text_limits["name"]
    put(altegio, client, name="Vaccine\r\n\t " + "x" * 400)
    name = said(altegio, client)["name"]
    assert isinstance(name, str)
    assert len(name) == limit
    assert name.startswith("Vaccine x")


def test_a_card_that_is_gone_or_hides_its_phone_is_not_written(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    assert altegio.get(Kind.REMINDER, "9999999") is None
    assert refusal(lambda: put(altegio, "9999999", **RABIES)) == "gone"
    simulator.turn("denied_rights", ["client_phones_access"])
    assert refusal(lambda: put(altegio, client, **RABIES)) == "incomplete"
    assert simulator.counts()["writes"] == 0


@pytest.mark.parametrize("right", ["custom_fields_client_values_edit_access", "no such field", "no such label"])
def test_what_is_silently_dropped_is_said(
    side: Callable[..., AltegioConnector], simulator: AltegioSimulator, client: str, right: str
) -> None:
    wrong: dict[str, Any] = {"no such field": {"due_fields": {"service": "nowhere"}}}.get(right, {})
    altegio = side(**{**ALL, **wrong})
    if right == "no such label":
        shown = simulator._labels
        simulator._labels = lambda given, entity: shown([one for one in given if one == 1], entity)  # type: ignore[method-assign]
        assert refusal(lambda: put(altegio, client, due_soon=True)) == "field-not-kept"
        return
    simulator.turn("denied_rights", [right])
    assert refusal(lambda: put(altegio, client, name="Rabies")) == "field-not-kept"


@pytest.mark.parametrize("fault", ["drop_after_commit", "5xx_after", "cut_json", "html_for_json"])
def test_a_lost_answer_is_unknown_and_the_next_try_finds_it_done(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str, fault: str
) -> None:
    one = altegio._api.one

    def armed(what: str, id_: str) -> Native | None:
        found = one(what, id_)
        simulator.faults.arm(fault)
        return found

    altegio._api.one = armed  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown):
        put(altegio, client, **RABIES)
    altegio._api.one = one  # type: ignore[method-assign]
    writes = simulator.counts()["writes"]
    put(altegio, client, **RABIES)
    assert simulator.counts()["writes"] == writes


@pytest.mark.parametrize(
    ("custom", "shown"),
    [
        ([], {"name": "", "due_on": None}),
        ({"due_on": "2026-05-01"}, {"due_on": "2026-05-01"}),
        ({"due_on": "2026-05-01 00:00:00"}, {"due_on": "2026-05-01"}),
        ({"due_on": "in May"}, {"due_on": None}),
        ({"due_on": "2026-13-01"}, {"due_on": None}),
        ({"due_on": ["2026-05-01"]}, {"due_on": "2026-05-01"}),
        ({"due_on": {"odd": 1}, "due_service": None, "due_pet": 7}, {"due_on": None, "name": "", "pet_name": "7"}),
    ],
)
def test_fields_are_read_leniently(custom: object, shown: Native) -> None:
    card = {"id": 5, "custom_fields": custom, "categories": [{"id": "2"}, 7]}
    native = due.shown(card, FIELDS, LABELS)
    assert {name: native[name] for name in shown} == shown
    assert (native["due_soon"], native["overdue"]) == (True, False)


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"categories": []},
        {"custom_fields": []},
        {"custom_fields": 7, "categories": []},
        {"custom_fields": None, "categories": []},
        {"custom_fields": [], "categories": None},
    ],
)
def test_a_card_that_does_not_tell_is_no_empty_one(card: Native) -> None:
    with pytest.raises(wire.Unreadable):
        due.shown({"id": 5, **card}, FIELDS, LABELS)
    with pytest.raises(wire.Unreadable):
        due.changed({"id": 5, **card}, {"name": "x", "due_soon": True}, FIELDS, LABELS)


def test_a_spoilt_card_is_named(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = simulator._card
    monkeypatch.setattr(
        simulator, "_card", lambda row, **more: {**shown(row, **more), "categories": [{"title": "x"}]}
    )
    with pytest.raises(BadAnswer, match="categories"):
        altegio.get(Kind.REMINDER, client)


def test_a_select_field_keeps_its_form() -> None:
    card = {"id": 5, "custom_fields": {"due_service": ["Rabies"]}, "categories": []}
    assert due.changed(card, {"name": "Dental"}, FIELDS, {})["custom_fields"]["due_service"] == ["Dental"]


# -- what is declared


@pytest.mark.parametrize(
    ("options", "update", "notify"),
    [
        ({"due_fields": {"service": "a"}}, {"name"}, False),
        (
            {"due_fields": {"date": "a", "pet": "b"}, "due_labels": {"overdue": 3}},
            {"due_on", "pet_name", "overdue"},
            False,
        ),
        ({"mailing": MAILING}, set(), True),
        (ALL, set(RABIES), True),
    ],
)
def test_what_has_a_place_is_declared_and_the_rest_refused(
    side: Callable[..., AltegioConnector],
    simulator: AltegioSimulator,
    client: str,
    options: Any,
    update: set[str],
    notify: bool,
) -> None:
    altegio = side(**options)
    able = altegio.capabilities.of(Kind.REMINDER)
    assert (able.read, able.update, able.notify) == (True, update, notify)
    assert able.changed is ExactlyOnce.LOOK
    assert set(able.text_limits) <= update
    for name in set(RABIES) - update:
        assert refusal(lambda name=name: put(altegio, client, **{name: RABIES[name]})) == "not-supported"  # type: ignore[misc]
    assert simulator.counts()["write_requests"] == 0


def test_without_options_there_are_no_due_services(
    side: Callable[..., AltegioConnector], simulator: AltegioSimulator, client: str
) -> None:
    altegio = side()
    assert Kind.REMINDER not in altegio.capabilities.kinds
    assert refusal(lambda: altegio.get(Kind.REMINDER, client)) == "not-supported"
    assert refusal(lambda: put(altegio, client, **RABIES)) == "not-supported"
    assert refusal(lambda: notify(altegio, client)) == "not-supported"
    assert simulator.counts()["requests"] == {}
    assert plugin.declares is not None
    assert plugin.declares().of(Kind.REMINDER).notify


@pytest.mark.parametrize(
    "wrong",
    [
        {"due_fields": {"vaccine": "a"}},
        {"due_fields": {"service": "a", "pet": "a"}},
        {"due_fields": {"service": "vetbridge_pets"}},
        {"due_fields": {"service": ""}},
        {"due_labels": {"late": 1}},
        {"due_labels": {"soon": 1, "overdue": "1"}},
        {"due_labels": {"soon": "red"}},
        {"mailing": {"clients": "ids"}},
        {"mailing": {"clients": "ids", "text": "a b"}},
    ],
)
def test_options_of_due_services_are_checked(wrong: Any) -> None:
    tokens = {"partner_token": Secret.of("p"), "user_token": Secret.of("u")}
    with pytest.raises(ValidationError):
        AltegioOptions.model_validate({"location_id": "101001", **tokens, **wrong})


def test_doctor_looks_for_the_fields_and_labels(
    side: Callable[..., AltegioConnector], simulator: AltegioSimulator
) -> None:
    def lines(**changes: Any) -> dict[str, tuple[bool, bool]]:
        report = side(**{**ALL, **changes}).check()
        return {line.name: (line.ok, line.warning) for line in report.lines if line.name.startswith("client ")}

    assert set(lines().values()) == {(True, False)}
    told = lines(due_labels={"soon": "77"}, due_fields={"service": "due_on", "date": "nowhere"})
    assert told["client label 77"] == (False, False)
    assert told["client field nowhere"] == (False, False)
    assert told["client field due_on"] == (False, True), "a day is no place for a name"


# -- notices


def test_a_notice_goes_to_one_owner_once(altegio: AltegioConnector, simulator: AltegioSimulator, client: str) -> None:
    assert notify(altegio, client, " Bella is due for Rabies. ").id == client
    (sent,) = simulator.store.find("notice", cause="write")
    assert (sent["client_id"], sent["text"]) == (int(client), "Bella is due for Rabies.")


@pytest.mark.parametrize("field", ["sms_not", "sms_bot"])
def test_no_notice_goes_to_who_wants_none(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    shown = simulator._card
    monkeypatch.setattr(simulator, "_card", lambda row, **more: {**shown(row, **more), field: 1})
    assert refusal(lambda: notify(altegio, client)) == "opted-out"
    silent = {"sms_not", "sms_bot"}
    monkeypatch.setattr(
        simulator, "_card", lambda row, **more: {k: v for k, v in shown(row, **more).items() if k not in silent}
    )
    assert refusal(lambda: notify(altegio, client)) == "incomplete", "a card that does not tell"
    monkeypatch.undo()
    assert refusal(lambda: notify(altegio, client, " \n")) == "incomplete"
    assert refusal(lambda: notify(altegio, "9999999")) == "gone"
    assert simulator.counts()["write_requests"] == 0


def test_a_notice_whose_answer_was_lost_is_unknown_and_not_sent_again(
    altegio: AltegioConnector, simulator: AltegioSimulator, client: str
) -> None:
    simulator.faults.set({"drop_after_commit": 1.0})
    with pytest.raises(OutcomeUnknown):
        notify(altegio, client)
    assert simulator.counts()["notices"] == 1
    assert simulator.counts()["write_requests"] == 1
    write = Write(operation=Operation.NOTIFY, kind=Kind.REMINDER, id=client, native={"text": "x"})
    assert refusal(lambda: altegio.look(write)) == "not-supported"


def test_a_mailing_that_names_nobody_reaches_nobody(simulator: AltegioSimulator) -> None:
    answer = Calls(simulator)("POST", f"/sms/clients/by_id/{simulator.location}", {"text": "hello"})
    assert answer.status == 422
    assert simulator.counts()["notices"] == 0
