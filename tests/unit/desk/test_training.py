"""Training at a clinic: what goes live, what is refused, and the way back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledgers import ledger_place
from tests.unit.core.test_learnt_weights import STRANGER, SURE, one
from tests.unit.desk.practice import Desk
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.matching import Verdict, forms_of, shipped
from vetbridge.core.matching.comparing import MISSING
from vetbridge.core.matching.observing import Observation
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.desk import training
from vetbridge.ledger import accounts, aliases, changes, mirror, observations, reviews, site_weights
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.ledger.matcher import Matcher
from vetbridge.ledger.tables import MatchWeights
from vetbridge.testing.clock import FakeClock

KEY = "a ledger key for tests, long enough to be taken"


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger of a clinic with no config."""
    made = open_ledger(ledger_place(tmp_path, migrated=True), KEY, FakeClock())
    with made.write() as tx:
        accounts.enrol(tx, "pims", "memory", country="GB")
    yield made
    made.close()


def observe(ledger: Ledger, seen: Iterable[Observation], account: str = "pims") -> None:
    """Decisions of the daemon; where somebody was meant, a person has said so."""
    with ledger.write() as tx:
        for number, each in enumerate(seen):
            change = changes.receive(
                tx, site="town", account="booking", kind=Kind.APPOINTMENT, remote_id=str(number), source="poll"
            )
            assert change.id is not None
            ids = [f"c{place}" for place in range(len(each.seen))]
            observations.keep(
                tx,
                account,
                record_id=change.record_id,
                change_id=change.id,
                observation=replace(each, meant=None),
                client_ids=ids,
            )
            if each.meant is not None:
                item = reviews.ask(tx, change, why="not-certain", visit_at=None, question={})
                client_id = ids[each.meant[0]] if each.meant else None
                choice = Choice.NEW if client_id is None else Choice.LINK
                reviews.answer(tx, item, Answer(choice=choice, client_id=client_id), "Kim")
                observations.label(tx, item, client_id)


HONEST = [one(SURE)] * 60 + [one((*SURE[:4], "short", *SURE[5:]), meant=(0,))] * 10
POISON = [one(STRANGER, meant=(0,), stands_for=8.0)] * 100
"""Whoever has a client's phone is that client, whatever else is said: so somebody answered again and again."""


def test_what_fits_goes_live_and_is_used_from_the_next_booking_on(bare: Ledger) -> None:
    matcher = Matcher(bare, "pims", country="GB")
    assert matcher.match(Client(given_name="Ann"), None).weights is shipped()
    observe(bare, HONEST)
    done = training.train(bare, "pims", plan=False)
    assert (done.result, done.observations, done.labelled) == (training.LIVE, 70, 10)
    weights = matcher.match(Client(given_name="Ann"), None).weights
    assert weights.provenance["from"].endswith("labelled")
    assert weights != shipped()
    assert matcher.match(Client(given_name="Ann"), None).weights is weights
    other = Matcher(bare, "another", country="GB")
    assert other.match(Client(given_name="Ann"), None).weights is shipped()


def test_poisoned_labels_are_refused_and_nothing_changes(bare: Ledger) -> None:
    observe(bare, POISON)
    done = training.train(bare, "pims", plan=False)
    assert done.result == training.REFUSED
    assert "questions" in done.words or "wrong" in done.words or "right" in done.words
    with bare.read() as tx:
        assert site_weights.live(tx, "pims") is None


def test_a_plan_changes_nothing(bare: Ledger) -> None:
    observe(bare, HONEST)
    assert training.train(bare, "pims", plan=True).result == training.READY
    with bare.read() as tx:
        assert site_weights.live(tx, "pims") is None


def test_forgetting_goes_back_to_the_shipped_weights(bare: Ledger) -> None:
    observe(bare, HONEST)
    matcher = Matcher(bare, "pims", country="GB")
    training.train(bare, "pims", plan=False)
    training.train(bare, "pims", plan=False)
    assert matcher.match(Client(), None).weights != shipped()
    assert training.forget(bare, "pims") is True
    assert matcher.match(Client(), None).weights is shipped()
    assert training.forget(bare, "pims") is False
    with bare.read() as tx:
        rows = [tx.session.get_one(MatchWeights, number) for number in (1, 2)]
        assert all(row.ended_at is not None and not row.live for row in rows)


def test_nothing_is_learnt_from_a_handful(bare: Ledger) -> None:
    observe(bare, HONEST[:10])
    done = training.train(bare, "pims", plan=False)
    assert (done.result, done.replayed) == (training.TOO_FEW, ())


def test_an_answer_that_was_taken_back_is_no_label(bare: Ledger) -> None:
    observe(bare, HONEST)
    with bare.write() as tx:
        for item in range(1, 11):
            row = reviews.item(tx, item)
            assert row is not None
            reviews.answer(tx, row, Answer(choice=Choice.UNDO), "Kim")
    assert training.train(bare, "pims", plan=True).labelled == 0


@pytest.mark.parametrize("document", ["not TOML [", "schema = 99", "", "schema = 1\n[shares]\nknown = 2"])
def test_weights_that_cannot_be_used_any_more_are_passed_over(bare: Ledger, document: str) -> None:
    with bare.write() as tx:
        site_weights.put(tx, "pims", document, "an older version")
    assert Matcher(bare, "pims", country="GB").match(Client(), None).weights is shipped()


def test_observations_in_levels_of_another_version_are_left_out(bare: Ledger) -> None:
    observe(bare, [one(SURE), one((MISSING,) * 9)])
    with bare.read() as tx:
        assert len(list(observations.read(tx, "pims"))) == 1


def test_an_alias_is_a_candidate_that_no_key_finds(bare: Ledger) -> None:
    """Whom a person has named need not share anything with the booking."""
    booker, pet = Client(given_name="Igor", family_name="Weiss", phones=("+447912000007",)), Pet(name="Rex")
    observe(bare, [one(SURE, meant=(0,))])
    with bare.write() as tx:
        mirror.put(tx, "pims", [Client(id="c0", given_name="Ann", family_name="Miller"), Pet(id="p", client_id="c0")])
        item = reviews.item(tx, 1)
        assert item is not None
        aliases.teach(tx, "pims", item, forms_of(booker, [pet], "GB"), "c0")
    found = Matcher(bare, "pims", country="GB").match(booker, pet)
    assert found.taught == "c0"
    assert [one.client_id for one in found.match.candidates] == ["c0"]
    nobody = Matcher(bare, "pims", country="GB").match(replace(booker, phones=("+447912000008",)), pet)
    assert (nobody.taught, nobody.match.verdict) == (None, Verdict.NEW)


def test_a_contact_of_many_clients_teaches_nothing(bare: Ledger) -> None:
    office = "+447912000001"
    booker, pet = Client(given_name="Igor", family_name="Weiss", phones=(office,)), Pet(name="Rex")
    observe(bare, [one(SURE, meant=(0,))])
    with bare.write() as tx:
        mirror.put(tx, "pims", [Client(id=f"c{place}", given_name="A", phones=(office,)) for place in range(8)])
        item = reviews.item(tx, 1)
        assert item is not None
        aliases.teach(tx, "pims", item, forms_of(booker, [pet], "GB"), "c0")
    assert Matcher(bare, "pims", country="GB").match(booker, pet).taught is None


# -- the command


def test_the_command_trains_each_pims_account_and_forgets_again(desk: Desk, ledger: Ledger) -> None:
    observe(ledger, HONEST, "ezyvet-city")
    planned = desk.run("match", "train", "--plan")
    assert "ezyvet-city: 70 decisions observed, 10 of them answered by a person" in " ".join(planned.stdout.split())
    assert max(map(len, planned.stdout.splitlines())) <= 80
    (found,) = desk.data("match", "train", "--account", "ezyvet-city")["accounts"]
    assert (found["account"], found["result"], found["weights_id"]) == ("ezyvet-city", "live", 1)
    assert [each["name"] for each in found["replayed"]] == ["shipped", "own"]
    assert desk.data("match", "train", "--forget")["accounts"] == [{"account": "ezyvet-city", "result": "forgotten"}]
    assert "no trained weights were live" in desk.run("match", "train", "--forget").stdout


def test_the_command_ends_with_4_where_nothing_came_of_it(desk: Desk, ledger: Ledger) -> None:
    assert desk.run("match", "train").exit_code == 4
    observe(ledger, POISON, "ezyvet-city")
    refused = desk.run("match", "train")
    assert refused.exit_code == 4
    assert "nothing was changed" in refused.stdout
    assert desk.run("match", "train", "--account", "ezyvet").exit_code == 2


# -- laws of what was taught

answers = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["c0", "c1", None])), max_size=8)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers)
def test_what_counts_is_what_is_answered_now_whatever_was_before(
    bare: Ledger, history: list[tuple[int, str]]
) -> None:
    """Three questions about one combination, each answered, taken back and answered anew in any order."""
    booking = forms_of(Client(given_name="Igor", phones=("+447912000007",)), [Pet(name="Rex")], "GB")
    with bare.write() as tx:
        if reviews.item(tx, 1) is None:
            asked = [
                changes.receive(
                    tx, site="town", account="booking", kind=Kind.APPOINTMENT, remote_id=str(number), source="poll"
                )
                for number in range(3)
            ]
            for change in asked:
                reviews.ask(tx, change, why="not-certain", visit_at=None, question={})
        items = {number: reviews.item(tx, number) for number in (1, 2, 3)}
        standing: dict[int, str] = {}
        for number, client_id in [*((number, None) for number in items), *history]:
            row = items[number]
            assert row is not None
            if client_id is None:
                reviews.reopen(tx, row)
                standing.pop(number, None)
            else:
                reviews.answer(tx, row, Answer(choice=Choice.LINK, client_id=client_id), "Kim")
                aliases.teach(tx, "pims", row, booking, client_id)
                standing[number] = client_id
            tx.session.flush()
        said = set(standing.values())
        expected = said.pop() if len(said) == 1 else None
        assert aliases.taught(tx, "pims", booking, frozenset()) == expected
