"""The planner's table, row by row (architecture, section 7)."""

from __future__ import annotations

import pytest

from vetbridge.core.planning import REASONS, FieldOwner, Fields, Outcome, Plan, Situation, plan, settle
from vetbridge.core.records import AppointmentStatus

BOOKED, CANCELLED = AppointmentStatus.BOOKED, AppointmentStatus.CANCELLED
VISIT: Fields = {"start": 10, "resource": "vet_1", "notes": "cough", "status": BOOKED}
WRITABLE = frozenset({"start", "resource", "notes", "status"})


def visit(**changes: object) -> Fields:
    return {**VISIT, **changes}


def decide(
    here: Fields | None,
    there: Fields | None,
    *,
    base_here: Fields | None = VISIT,
    base_there: Fields | None = VISIT,
    owners: dict[str, FieldOwner] | None = None,
    writable: frozenset[str] = WRITABLE,
    create: bool = True,
    cancel: bool = True,
    limits: dict[str, int] | None = None,
    decided: FieldOwner | None = None,
) -> Plan:
    made = plan(
        Situation(
            base_here=base_here,
            here=here,
            base_there=base_there,
            there=there,
            owners=owners or {},
            writable=writable,
            create_allowed=create,
            cancel_allowed=cancel,
            limits=limits or {},
            decided=decided,
        )
    )
    assert made.reason in REASONS
    return made


def test_same_and_same_is_nothing() -> None:
    assert decide(VISIT, VISIT) == Plan(outcome=Outcome.NOTHING, reason="settled")


def test_changed_here_and_same_there_updates_only_what_changed() -> None:
    made = decide(visit(start=11), VISIT)
    assert made == Plan(outcome=Outcome.UPDATE, reason="changed-here", fields={"start": 11})


def test_several_changes_are_one_action() -> None:
    made = decide(visit(start=11, resource="vet_2"), visit(notes="staff wrote"))
    assert (made.outcome, made.fields) == (Outcome.UPDATE, {"start": 11, "resource": "vet_2"})
    assert made.back == {"notes"}


def test_changed_alike_on_both_sides_needs_new_bases_only() -> None:
    made = decide(visit(start=11), visit(start=11))
    assert made == Plan(outcome=Outcome.BASES, reason="same-meaning")


def test_here_is_compared_with_its_own_base() -> None:
    upper = visit(notes="COUGH")
    assert decide(VISIT, upper, base_there=upper).outcome is Outcome.NOTHING


@pytest.mark.parametrize(
    ("owner", "outcome", "reason"),
    [
        (FieldOwner.HERE, Outcome.UPDATE, "changed-here"),
        (FieldOwner.THERE, Outcome.NOTHING, "owned-there"),
        (FieldOwner.ASK, Outcome.QUESTION, "conflict"),
    ],
)
def test_a_conflict_is_the_owners(owner: FieldOwner, outcome: Outcome, reason: str) -> None:
    made = decide(visit(start=11), visit(start=12), owners={"start": owner})
    assert (made.outcome, made.reason) == (outcome, reason)
    assert dict(made.fields) == ({"start": 11} if owner is FieldOwner.HERE else {})
    assert dict(made.conflicts) == ({"start": (11, 12)} if owner is FieldOwner.ASK else {})
    assert made.back == ({"start"} if owner is FieldOwner.THERE else set())


def test_a_question_on_one_field_holds_the_whole_record() -> None:
    made = decide(visit(start=11, resource="vet_2"), visit(start=12))
    assert (made.outcome, dict(made.fields)) == (Outcome.QUESTION, {})
    assert dict(made.conflicts) == {"start": (11, 12)}


def test_changed_there_only_flows_back_and_writes_nothing() -> None:
    made = decide(VISIT, visit(start=12))
    assert (made.outcome, made.reason, made.back) == (Outcome.NOTHING, "changed-there", frozenset({"start"}))


def test_a_field_that_cannot_be_written_is_said_and_left() -> None:
    made = decide(visit(notes="sneezes"), VISIT, writable=WRITABLE - {"notes"})
    assert (made.outcome, made.reason, made.unwritable) == (Outcome.NOTHING, "not-writable", frozenset({"notes"}))
    made = decide(visit(notes="sneezes"), visit(notes="purrs"), writable=WRITABLE - {"notes"})
    assert (made.outcome, made.reason) == (Outcome.NOTHING, "not-writable")


def test_empty_values_are_the_same() -> None:
    assert decide(visit(notes=None), visit(notes="")).outcome is Outcome.BASES
    assert decide(visit(notes=None), visit(notes=""), base_here=visit(notes="")).outcome is Outcome.BASES
    assert decide(visit(notes=()), VISIT, base_here=visit(notes="")).outcome is Outcome.NOTHING


def test_fields_that_one_side_does_not_speak() -> None:
    assert decide(VISIT, visit(room="2"), base_there=VISIT).outcome is Outcome.NOTHING
    made = decide(visit(room="2"), VISIT, base_here=visit(room="1"), writable=WRITABLE | {"room"})
    assert dict(made.fields) == {"room": "2"}


# -- texts that there cuts ------------------------------------------------------------------------------------


def test_a_text_that_there_cuts_is_sent_cut_and_only_once() -> None:
    long = visit(notes="a long story")
    made = decide(long, VISIT, limits={"notes": 6})
    assert dict(made.fields) == {"notes": "a long"}
    assert decide(long, visit(notes="a long"), base_here=long, base_there=visit(notes="a long")).reason == "settled"


def test_a_change_behind_the_cut_means_nothing_there() -> None:
    made = decide(
        visit(notes="a long novel"),
        visit(notes="a long"),
        base_here=visit(notes="a long story"),
        base_there=visit(notes="a long"),
        limits={"notes": 6},
    )
    assert made.outcome is Outcome.BASES


# -- not linked -----------------------------------------------------------------------------------------------


def test_a_new_record_is_created_with_all_its_fields() -> None:
    made = decide(VISIT, None, base_here=None, base_there=None, writable=frozenset(), limits={"notes": 3})
    assert (made.outcome, made.reason) == (Outcome.CREATE, "new-here")
    assert dict(made.fields) == visit(notes="cou")


def test_a_flow_that_may_not_create() -> None:
    made = decide(VISIT, None, base_here=None, base_there=None, create=False)
    assert (made.outcome, made.reason) == (Outcome.NOTHING, "create-not-allowed")


@pytest.mark.parametrize("here", [None, visit(status=CANCELLED)])
@pytest.mark.parametrize("there", [None, VISIT])
def test_cancelled_before_it_was_written(here: Fields | None, there: Fields | None) -> None:
    made = decide(here, there, base_here=None, base_there=None)
    assert (made.outcome, made.reason) == (Outcome.NOTHING, "cancelled-before-written")


def test_records_that_are_met_for_the_first_time() -> None:
    made = decide(VISIT, visit(start=12), base_here=None, base_there=None)
    assert (made.outcome, dict(made.conflicts)) == (Outcome.QUESTION, {"start": (10, 12)})
    assert decide(VISIT, VISIT, base_here=None, base_there=None).outcome is Outcome.BASES
    made = decide(VISIT, visit(status=CANCELLED), base_here=None, base_there=None)
    assert (made.outcome, made.reason) == (Outcome.QUESTION, "counterpart-cancelled")


# -- cancelled and gone ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("here", "reason"), [(None, "gone-here"), (visit(status=CANCELLED), "cancelled-here")])
def test_gone_or_cancelled_here_cancels_there(here: Fields | None, reason: str) -> None:
    made = decide(here, VISIT)
    assert (made.outcome, made.reason, dict(made.fields)) == (Outcome.CANCEL, reason, {"status": CANCELLED})


def test_a_cancellation_says_by_whom_and_why() -> None:
    made = decide(visit(status=CANCELLED, cancelled_by="client", cancel_reason="ill"), VISIT)
    assert dict(made.fields) == {"status": CANCELLED, "cancelled_by": "client", "cancel_reason": "ill"}


def test_a_cancellation_beats_a_move_made_here() -> None:
    made = decide(visit(status=CANCELLED, start=11, notes="other"), VISIT)
    assert (made.outcome, dict(made.fields)) == (Outcome.CANCEL, {"status": CANCELLED})


def test_cancelled_on_one_side_and_moved_on_the_other_is_a_question() -> None:
    made = decide(visit(status=CANCELLED), visit(start=12, resource="vet_2"))
    assert (made.outcome, made.reason) == (Outcome.QUESTION, "cancelled-here-moved-there")
    made = decide(visit(start=12, resource="vet_2"), visit(status=CANCELLED))
    assert (made.outcome, made.reason) == (Outcome.QUESTION, "moved-here-cancelled-there")


def test_a_row_that_vanished_does_not_beat_a_move() -> None:
    made = decide(None, visit(start=12))
    assert (made.outcome, made.reason) == (Outcome.QUESTION, "cancelled-here-changed-there")


@pytest.mark.parametrize("here", [None, visit(status=CANCELLED)])
@pytest.mark.parametrize("changed", [{"notes": "staff wrote"}, {"status": AppointmentStatus.CONFIRMED}])
def test_cancelled_here_and_changed_there_is_a_question(here: Fields | None, changed: dict[str, object]) -> None:
    made = decide(here, visit(**changed))
    assert (made.outcome, made.reason) == (Outcome.QUESTION, "cancelled-here-changed-there")


@pytest.mark.parametrize("here", [None, visit(status=CANCELLED)])
@pytest.mark.parametrize(
    "status", [AppointmentStatus.ARRIVED, AppointmentStatus.COMPLETED, AppointmentStatus.NO_SHOW]
)
def test_a_visit_that_has_begun_is_never_cancelled(here: Fields | None, status: AppointmentStatus) -> None:
    there = visit(status=status)
    for base_there in (VISIT, there):
        made = decide(here, there, base_there=base_there)
        assert (made.outcome, made.reason) == (Outcome.QUESTION, "cancelled-here-begun-there")


def test_a_flow_that_may_not_cancel_asks_about_visits_only() -> None:
    made = decide(None, VISIT, cancel=False)
    assert (made.outcome, made.reason) == (Outcome.QUESTION, "cancel-not-allowed")
    made = decide(None, {"name": "Rex"}, base_here={"name": "Rex"}, base_there={"name": "Rex"}, cancel=False)
    assert (made.outcome, made.reason) == (Outcome.NOTHING, "cancel-not-allowed")


@pytest.mark.parametrize("here", [None, visit(status=CANCELLED)])
@pytest.mark.parametrize("there", [None, visit(status=CANCELLED)])
def test_cancelled_on_both_sides(here: Fields | None, there: Fields | None) -> None:
    made = decide(here, there)
    assert (made.outcome, made.reason) == (Outcome.BASES, "both-cancelled")
    base_here, base_there = settle(VISIT, here, made.held), settle(VISIT, there, made.held)
    assert decide(here, there, base_here=base_here, base_there=base_there).outcome is Outcome.NOTHING


@pytest.mark.parametrize("there", [None, visit(status=CANCELLED)])
def test_cancelled_there(there: Fields | None) -> None:
    made = decide(VISIT, there)
    assert (made.outcome, made.reason, made.back) == (Outcome.NOTHING, "cancelled-there", frozenset({"status"}))
    changed = decide(visit(notes="sneezes"), there)
    assert (changed.outcome, changed.reason) == (Outcome.QUESTION, "changed-here-cancelled-there")


def test_reopened() -> None:
    off = visit(status=CANCELLED)
    here = decide(VISIT, off, base_here=off, base_there=off)
    assert (here.outcome, here.reason) == (Outcome.QUESTION, "reopened-here")
    there = decide(off, VISIT, base_here=off, base_there=off)
    assert (there.outcome, there.reason, there.back) == (Outcome.NOTHING, "reopened-there", frozenset({"status"}))
    assert decide(VISIT, VISIT, base_here=off, base_there=off).outcome is Outcome.BASES


def test_reopened_with_a_status_that_cannot_be_written_comes_to_rest() -> None:
    off, confirmed = visit(status=CANCELLED), visit(status=AppointmentStatus.CONFIRMED)
    slot = WRITABLE - {"status"}
    made = decide(VISIT, confirmed, base_here=off, base_there=off, writable=slot)
    base_here, base_there = settle(off, VISIT, made.held), settle(off, confirmed, made.held)
    made = decide(VISIT, confirmed, base_here=base_here, base_there=base_there, writable=slot)
    assert (made.outcome, made.reason) == (Outcome.NOTHING, "not-writable")


def test_a_cancellation_that_a_person_left_standing_is_not_asked_again() -> None:
    off = visit(status=CANCELLED)
    moved = visit(notes="staff wrote")
    assert decide(off, moved).outcome is Outcome.QUESTION
    assert decide(off, moved, base_here=off, base_there=moved) == Plan(outcome=Outcome.NOTHING, reason="settled")


# -- what a person decided, and what only the practice can see -----------------------------------------------------


@pytest.mark.parametrize(
    ("right", "fields"), [(FieldOwner.HERE, {"start": 11, "resource": "vet_1"}), (FieldOwner.THERE, {})]
)
def test_the_side_that_a_person_calls_right_wins_every_difference(
    right: FieldOwner, fields: dict[str, object]
) -> None:
    made = decide(visit(start=11), visit(start=12, resource="vet_2"), decided=right)
    assert dict(made.fields) == fields
    assert made.back == (frozenset() if fields else {"start", "resource"})


def test_a_decision_about_a_cancellation() -> None:
    off, moved = visit(status=CANCELLED), visit(start=12)
    assert decide(off, moved, decided=FieldOwner.HERE).outcome is Outcome.CANCEL
    assert decide(off, moved, decided=FieldOwner.THERE).back == {"status"}
    assert decide(moved, off, decided=FieldOwner.HERE).outcome is Outcome.CREATE
    assert decide(moved, off, decided=FieldOwner.THERE).back == {"status"}
    begun = visit(status=AppointmentStatus.ARRIVED)
    assert decide(off, begun, decided=FieldOwner.HERE).outcome is Outcome.CANCEL


def test_a_visit_that_has_begun_is_not_taken_back_by_the_side_that_does_not_own_its_status() -> None:
    done, missed = visit(status=AppointmentStatus.COMPLETED), visit(status=AppointmentStatus.NO_SHOW)
    forth = decide(missed, done, base_there=done, owners={"status": FieldOwner.THERE})
    assert (forth.outcome, forth.back) == (Outcome.NOTHING, frozenset({"status"}))
    back = decide(done, missed, base_here=done, owners={"status": FieldOwner.HERE})
    assert dict(back.fields) == {"status": AppointmentStatus.COMPLETED}


def test_settle_keeps_what_is_not_settled() -> None:
    made = decide(visit(start=11, notes="long"), visit(start=12), owners={"start": FieldOwner.THERE})
    assert settle(VISIT, visit(start=11, notes="long"), made.held) == visit(notes="long")
    assert settle(None, {"a": 1, "b": 2}, frozenset({"b"})) == {"a": 1}
    assert settle(VISIT, None, frozenset()) == visit(status=CANCELLED)
