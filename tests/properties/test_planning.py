"""What holds for the planner in every situation (the laws it carries: architecture, section 5)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from vetbridge.core.planning import REASONS, STATUS, FieldOwner, Fields, Outcome, Plan, Situation, plan, settle
from vetbridge.core.records import AppointmentStatus

NAMES = ("start", "resource", "notes")
TEXTS = st.sampled_from(["", "a", "ab", "abcdef", "abcxyz", None])
STATUSES = st.sampled_from(
    [AppointmentStatus.BOOKED, AppointmentStatus.CONFIRMED, AppointmentStatus.COMPLETED, AppointmentStatus.CANCELLED]
)
RECORDS = st.fixed_dictionaries({**dict.fromkeys(NAMES, TEXTS), STATUS: STATUSES})
MAYBE = st.none() | RECORDS
OWNERS = st.dictionaries(st.sampled_from([*NAMES, STATUS]), st.sampled_from(FieldOwner))
WRITABLE = st.frozensets(st.sampled_from([*NAMES, STATUS]))
LIMITS = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 4))
LIVING = RECORDS.filter(lambda record: record[STATUS] is not AppointmentStatus.CANCELLED)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Anything at all, and often sides that stayed as they were."""
    base_here, base_there = draw(MAYBE), draw(MAYBE)
    return Situation(
        base_here=base_here,
        here=draw(MAYBE | st.just(base_here)),
        base_there=base_there,
        there=draw(MAYBE | st.just(base_there)),
        owners=draw(OWNERS),
        writable=draw(WRITABLE),
        create_allowed=draw(st.booleans()),
        cancel_allowed=draw(st.booleans()),
        limits=draw(LIMITS),
    )


def carry_out(s: Situation, made: Plan) -> Fields | None:
    """There after the write, by a side that cuts what is too long."""
    written = dict(made.fields)
    for name, limit in s.limits.items():
        value = written.get(name)
        if isinstance(value, str):
            written[name] = value[:limit]
    if made.outcome is Outcome.CREATE:
        return written
    if made.outcome in (Outcome.UPDATE, Outcome.CANCEL):
        assert s.there is not None
        return {**s.there, **written}
    return s.there


def settled(s: Situation) -> Situation:
    """The situation after its plan was carried out and its bases were kept."""
    made = plan(s)
    there = carry_out(s, made)
    return replace(
        s,
        there=there,
        base_here=settle(s.base_here, s.here, made.held),
        base_there=settle(s.base_there, there, made.held),
    )


def quiet(made: Plan) -> bool:
    return made.outcome is Outcome.NOTHING


@given(s=situations())
def test_after_a_plan_is_carried_out_nothing_is_left_to_do(s: Situation) -> None:
    made = plan(s)
    if made.outcome in (Outcome.UPDATE, Outcome.CREATE, Outcome.CANCEL, Outcome.BASES):
        again = plan(settled(s))
        assert quiet(again), again


@given(s=situations())
def test_planning_is_deterministic_and_says_why(s: Situation) -> None:
    made = plan(s)
    assert made == plan(s)
    assert made.reason in REASONS


@given(here=LIVING, there=LIVING, owners=OWNERS, writable=WRITABLE, limits=LIMITS)
def test_a_settled_state_plans_nothing(
    here: Fields, there: Fields, owners: dict[str, FieldOwner], writable: frozenset[str], limits: dict[str, int]
) -> None:
    s = Situation(
        base_here=here, here=here, base_there=there, there=there, owners=owners, writable=writable, limits=limits
    )
    assert plan(s) == Plan(outcome=Outcome.NOTHING, reason="settled")


@given(s=situations())
def test_only_changed_fields_are_written_and_only_writable_ones(s: Situation) -> None:
    made = plan(s)
    if made.outcome is not Outcome.UPDATE:
        return
    assert s.here is not None
    assert made.fields.keys() <= s.writable
    reopened = (s.base_here or {}).get(STATUS) is AppointmentStatus.CANCELLED
    for name in made.fields:
        assert reopened or s.base_here is None or s.base_here[name] != s.here[name]


@given(s=situations())
def test_what_changed_there_is_never_overwritten_unless_here_owns_it(s: Situation) -> None:
    made = plan(s)
    if made.outcome is not Outcome.UPDATE:
        return
    assert s.there is not None
    for name in made.fields:
        changed = s.base_there is None or (s.base_there[name] or None) != (s.there[name] or None)
        assert not changed or s.owners.get(name) is FieldOwner.HERE


@given(s=situations())
def test_a_cancellation_never_undoes_what_happened_there(s: Situation) -> None:
    made = plan(s)
    if made.outcome is not Outcome.CANCEL:
        return
    assert s.there is not None
    assert s.base_there is not None
    assert s.there[STATUS] not in (AppointmentStatus.COMPLETED, AppointmentStatus.CANCELLED)
    assert s.here is None or s.here[STATUS] is AppointmentStatus.CANCELLED
    assert s.there["notes"] == s.base_there["notes"] or not (s.there["notes"] or s.base_there["notes"])
    assert s.there[STATUS] == s.base_there[STATUS]
    assert s.cancel_allowed


@given(s=situations())
def test_only_an_action_carries_fields_and_only_a_question_conflicts(s: Situation) -> None:
    made = plan(s)
    acts = made.outcome in (Outcome.CREATE, Outcome.UPDATE, Outcome.CANCEL)
    assert acts or not made.fields
    assert (made.outcome is Outcome.QUESTION) == bool(made.conflicts)


@given(base=LIVING, here=LIVING, there=LIVING)
def test_both_directions_agree(base: Fields, here: Fields, there: Fields) -> None:
    """What flows from here flows back from there, and both ask about the same fields."""
    writable = frozenset([*NAMES, STATUS])
    forth = plan(Situation(base_here=base, here=here, base_there=base, there=there, writable=writable))
    back = plan(Situation(base_here=base, here=there, base_there=base, there=here, writable=writable))
    assert forth.conflicts.keys() == back.conflicts.keys()
    if not forth.conflicts:
        assert forth.back == back.fields.keys()
        assert back.back == forth.fields.keys()


@given(
    base=LIVING, here=LIVING, there=LIVING, owner=st.dictionaries(st.sampled_from([*NAMES, STATUS]), st.booleans())
)
def test_both_directions_together_make_the_sides_agree(
    base: Fields, here: Fields, there: Fields, owner: dict[str, bool]
) -> None:
    everything = frozenset([*NAMES, STATUS])
    mine = {name: FieldOwner.HERE if owner.get(name) else FieldOwner.THERE for name in everything}
    theirs = {name: FieldOwner.THERE if owner.get(name) else FieldOwner.HERE for name in everything}
    forth = settled(
        Situation(base_here=base, here=here, base_there=base, there=there, owners=mine, writable=everything)
    )
    back = settled(
        Situation(
            base_here=forth.base_there,
            here=forth.there,
            base_there=forth.base_here,
            there=forth.here,
            owners=theirs,
            writable=everything,
        )
    )
    assert back.here is not None
    assert back.there is not None
    for name in everything:
        assert (back.here[name] or None) == (back.there[name] or None)
    assert plan(back) == Plan(outcome=Outcome.NOTHING, reason="settled")


@given(s=situations(), order=st.permutations([*NAMES, STATUS]))
def test_the_order_of_fields_does_not_matter(s: Situation, order: list[str]) -> None:
    def shuffled(record: Fields | None) -> Fields | None:
        return None if record is None else {name: record[name] for name in order}

    other = replace(
        s,
        base_here=shuffled(s.base_here),
        here=shuffled(s.here),
        base_there=shuffled(s.base_there),
        there=shuffled(s.there),
    )
    assert plan(s) == plan(other)
