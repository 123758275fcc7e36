"""Due services on random histories: as a slow, obvious reference has them, and the laws that hold for any."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from vetbridge.core.due import DuePolicy, DueService, Held, Owner, PetVisit, Standing, standing
from vetbridge.core.records import Pet, Reminder, Vaccination

BEGIN = date(2022, 9, 1)
DAYS = [BEGIN + timedelta(n) for n in range(1300)]
"""Every day of the histories: a leap day is among them."""
LEAP_DAYS = [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2025, 2, 28), date(2025, 3, 1)]
TODAYS = [date(2024, 1, 1) + timedelta(n) for n in range(240)]
SERVICES = [
    ("R", "Rabies"),
    ("R2", "Rabies, other brand"),
    ("", "rabies"),
    ("", "Rabies "),
    ("L", "Lepto"),
    ("N", ""),
    ("", ""),
]
IDS = ["9", "10", "11", "101", "a", "b7", "B"]
PLAIN = DuePolicy()
POLICIES = [
    PLAIN,
    replace(PLAIN, notice_days=(-30, -15, 7, 30)),
    replace(PLAIN, notice_days=(-30, -15, 7, 30), merge=0, notice_late=0, card_overdue=True),
    replace(PLAIN, notice_days=(-3, -1, 0, 1), notice_late=5, merge=7, names={"R": "Rabies", "R2": "RABIES"}),
    replace(PLAIN, ahead=10, soon=40, overdue=20, notice_days=(-20, 15), exempt_types=frozenset({"groom"})),
    replace(PLAIN, visit_before=0, visit_after=0, always=frozenset({"rabies", "L"}), notice_days=(0,)),
]
EXAMPLES = settings(max_examples=60, deadline=None)


@st.composite
def histories(draw: st.DrawFn) -> History:
    return history(draw(st.randoms(use_true_random=False)))


@dataclass
class History:
    """An owner as it stands at first, and what happens to it on which day."""

    owner: Owner
    policy: DuePolicy
    today: date
    since: date | None
    happens: dict[date, list[str]] = field(default_factory=dict)

    def after(self, day: date) -> Owner:
        """The owner at the end of a day, one day after the other from the first."""
        for event in self.happens.get(day, []):
            self.owner = happened(self.owner, event, day)
        return self.owner


def history(random: Random) -> History:
    pets = tuple(
        Pet(id=str(n), name=random.choice(["Rex", "Mia", "Bo"]), active=random.random() > 0.1)
        for n in range(random.randint(1, 4))
    )
    today, policy = random.choice(TODAYS), random.choice(POLICIES)
    dues = [any_due_day(random, policy, today) for _ in range(5)]
    visits = [any_visit_day(random, policy, random.choice(dues)) for _ in range(4)]
    owner = Owner(
        pets=tuple(replace(pet, deceased=random.random() < 0.1) for pet in pets),
        vaccinations=tuple(vaccination(random, dues, visits) for _ in range(random.randint(0, 2 * len(pets) + 1))),
        reminders=tuple(reminder(random, dues) for _ in range(random.randint(0, 2 * len(pets)))),
        visits=tuple(visit(random, visits) for _ in range(random.randint(0, 2))),
        active=random.random() > 0.05,
        opted_out=random.random() < 0.05,
    )
    events = ["died 0", "moved 0", "came 0", "out", "in", "visit 0", "given 0", "given 1", "deleted", "completed"]
    happens: dict[date, list[str]] = {}
    for _ in range(random.randint(0, 3)):
        happens.setdefault(today + timedelta(random.randint(0, 40)), []).append(random.choice(events))
    since = random.choice([None, None, today])
    return History(owner, policy, today, since, happens)


def any_due_day(random: Random, policy: DuePolicy, today: date) -> date:
    """Any day, and often one on which, counted from today, something begins or ends."""
    if random.random() < 0.4:
        return random.choice(LEAP_DAYS) if random.random() < 0.3 else random.choice(DAYS[450:950])
    turns = [0, policy.ahead, policy.soon, -policy.overdue, *(-offset for offset in policy.notice_days)]
    late = random.choice([0, 0, policy.notice_late])
    return today + timedelta(random.choice(turns) - late + random.choice([-1, 0, 0, 1]))


def any_visit_day(random: Random, policy: DuePolicy, due: date) -> date:
    """A day at which a visit just holds back what is due, or just does not, or the pet was seen anyhow."""
    if random.random() < 0.3:
        return random.choice(DAYS[100:-100])
    return due + timedelta(random.choice([-policy.visit_before, policy.visit_after]) + random.choice([-1, 0, 0, 1]))


def vaccination(random: Random, dues: list[date], given: list[date]) -> Vaccination:
    code, name = random.choice(SERVICES)
    return Vaccination(
        id=random.choice(IDS),
        pet_id=str(random.randint(0, 3)),
        service=code,
        name=name,
        given_on=None if random.random() < 0.1 else random.choice(given),
        due_on=None if random.random() < 0.1 else random.choice(dues),
        active=random.random() > 0.1,
    )


def reminder(random: Random, dues: list[date]) -> Reminder:
    code, name = random.choice(SERVICES)
    return Reminder(
        id=random.choice(IDS),
        pet_id=str(random.randint(0, 3)),
        service=code,
        name=name,
        due_on=None if random.random() < 0.1 else random.choice(dues),
        completed=random.random() < 0.2,
        active=random.random() > 0.1,
    )


def visit(random: Random, visits: list[date]) -> PetVisit:
    kind = random.choice([None, "groom", "consult"])
    return PetVisit(pet_id=str(random.randint(0, 3)), day=random.choice(visits), appointment_type=kind)


def happened(owner: Owner, event: str, day: date) -> Owner:
    what, _, pet_id = event.partition(" ")
    others = tuple(pet for pet in owner.pets if pet.id != pet_id)
    if what == "died":
        dead = tuple(replace(pet, deceased=True) for pet in owner.pets if pet.id == pet_id)
        return replace(owner, pets=(*others, *dead))
    if what == "moved":
        return replace(owner, pets=others)
    if what == "came":
        return replace(owner, pets=(*others, Pet(id=pet_id, name="Rex")))
    if what in ("out", "in"):
        return replace(owner, opted_out=what == "out")
    if what == "visit":
        return replace(owner, visits=(*owner.visits, PetVisit(pet_id=pet_id, day=day + timedelta(20))))
    if what == "given":
        new = Vaccination(
            id=f"5{len(owner.vaccinations)}",
            pet_id=pet_id,
            service="R",
            name="Rabies",
            given_on=day,
            due_on=day + timedelta(21),
        )
        return replace(owner, vaccinations=(*owner.vaccinations, new))
    if what == "deleted":
        return replace(owner, vaccinations=tuple(replace(each, active=False) for each in owner.vaccinations[:1]))
    return replace(owner, reminders=tuple(replace(each, completed=True) for each in owner.reminders))


# The reference: everything is looked up in lists of days, one day after the other.


def days(first: date, last: date) -> list[date]:
    found = []
    while first <= last:
        found.append(first)
        first += timedelta(days=1)
    return found


def plain_name(text: str) -> str:
    return text.strip().lower().replace(",", "")


def same_service(policy: DuePolicy, code: str, name: str) -> str:
    if code in policy.names:
        return plain_name(policy.names[code])
    return code if code else plain_name(name)


def later_id(one: str, other: str) -> bool:
    """Whether ``one`` is the later id of the two."""
    if one.isdecimal() and other.isdecimal():
        return int(one) > int(other)
    if one.isdecimal() or other.isdecimal():
        return other.isdecimal()
    return one > other


def last_by_id(records: list[Vaccination] | list[Reminder]) -> Vaccination | Reminder | None:
    last: Vaccination | Reminder | None = None
    for each in records:
        if last is None or later_id(each.id or "", last.id or ""):
            last = each
    return last


def reference_services(owner: Owner, policy: DuePolicy, today: date, pet: Pet, same: str) -> list[DueService]:
    given = [
        each
        for each in owner.vaccinations
        if each.active and each.pet_id == pet.id and same_service(policy, each.service, each.name) == same
    ]
    asked = [
        each
        for each in owner.reminders
        if each.active and each.pet_id == pet.id and same_service(policy, each.service, each.name) == same
    ]

    # What was given when: the last one of the last day on which anything was.
    newest = last_by_id([each for each in given if each.given_on is None])
    last_given: date | None = None
    given_days = {each.given_on for each in given}
    for day in DAYS:
        if day in given_days:
            newest = last_by_id([each for each in given if each.given_on == day])
            last_given = day

    # What is completed: looked for on each day on which something may be due.
    closed_days: set[date] = set()
    for each in asked:
        if each.completed and each.due_on is not None:
            closed_days.update(days(BEGIN, each.due_on))
    may_count: list[Vaccination | Reminder] = []
    for one in given:
        if one is newest and one.due_on is not None and one.due_on not in closed_days:
            may_count.append(one)
    for each in asked:
        if each.due_on is None or each.due_on in closed_days:
            continue
        too_early = each.due_on - timedelta(days=policy.visit_before + 1)
        if not any(one.given_on is not None and one.given_on > too_early for one in given):
            may_count.append(each)

    # Of those that may count the one on the last day does, and a reminder before a vaccination.
    counts: Vaccination | Reminder | None = None
    candidate_days = {each.due_on for each in may_count}
    for day in DAYS:
        if day in candidate_days:
            on_day = [each for each in may_count if each.due_on == day]
            counts = last_by_id([each for each in on_day if isinstance(each, Reminder)]) or on_day[-1]

    return [
        reference_service(owner, policy, today, pet, each, each.due_on, each is counts, last_given)
        for each in [*given, *asked]
        if each.due_on is not None
    ]


def reference_service(
    owner: Owner,
    policy: DuePolicy,
    today: date,
    pet: Pet,
    entry: Vaccination | Reminder,
    due_on: date,
    counts: bool,
    last_given: date | None,
) -> DueService:
    called = policy.names.get(entry.service, entry.name).strip()
    around = days(due_on - timedelta(policy.visit_before), due_on + timedelta(policy.visit_after))
    visited = any(
        seen.pet_id == pet.id
        and seen.day in around
        and seen.appointment_type not in policy.exempt_types
        and (last_given is None or seen.day > last_given)
        for seen in owner.visits
    )
    table = [
        (owner.opted_out, Held.OPTED_OUT),
        (not owner.active, Held.CLIENT_INACTIVE),
        (pet.deceased, Held.PET_DECEASED),
        (not pet.active, Held.PET_INACTIVE),
        (not counts, Held.COMPLETED),
        (due_on > today and due_on not in days(today, today + timedelta(policy.ahead)), Held.LATER),
        (due_on < today and due_on not in days(today - timedelta(policy.overdue), today), Held.LONG_AGO),
        (visited and not {entry.service, plain_name(entry.name), plain_name(called)} & policy.always, Held.VISIT),
        (not called, Held.NAMELESS),
    ]
    reasons = [held for applies, held in table if applies]
    return DueService(
        pet_id=pet.id or "",
        pet_name=pet.name,
        service=entry.service,
        name=called,
        due_on=due_on,
        held=reasons[0] if reasons else None,
    )


Told = set[tuple[str, str, date, int]]


@dataclass
class Reference:
    services: list[DueService]
    next: DueService | None
    due_soon: bool
    overdue: bool
    told: Told
    """What the notice settles; empty: there is none."""
    named: list[DueService]
    day: date | None


def reference(owner: Owner, policy: DuePolicy, today: date, told: Told, since: date | None) -> Reference:
    services = []
    for pet in owner.pets:
        every = [
            same_service(policy, each.service, each.name)
            for each in [*owner.vaccinations, *owner.reminders]
            if each.active and each.pet_id == pet.id
        ]
        for same in set(every) - {""}:
            services += reference_services(owner, policy, today, pet, same)
    counted = [each for each in services if each.held is None]

    card = None
    due_days = {each.due_on for each in counted}
    for day in DAYS:
        if day in due_days and card is None and (day >= today or policy.card_overdue):
            card = sorted((each for each in counted if each.due_on == day), key=words)[0]

    begun = []
    for each in counted:
        for offset in policy.notice_days:
            told_day = each.due_on + timedelta(offset)
            if today in days(told_day, told_day + timedelta(policy.notice_late)):
                begun.append((each, offset, told_day))
    begun = [(each, offset, on) for each, offset, on in begun if telling(each, offset) not in told]
    if since is not None:
        begun = [
            (each, offset, on) for each, offset, on in begun if on not in days(BEGIN - timedelta(99), since)[:-1]
        ]
    settled: Told = set()
    named = []
    for each, offset, _ in begun:
        near = days(each.due_on - timedelta(policy.merge), each.due_on + timedelta(policy.merge))
        for other in counted:
            if other.due_on in near:
                settled.add(telling(other, offset))
                if other not in named:
                    named.append(other)
    return Reference(
        services=services,
        next=card,
        due_soon=any(each.due_on in days(today, today + timedelta(policy.soon)) for each in counted),
        overdue=any(each.due_on < today for each in counted),
        told=settled - told,
        named=named,
        day=min((on for _, _, on in begun), default=None),
    )


def telling(service: DueService, offset: int) -> tuple[str, str, date, int]:
    return (service.pet_id, service.service or plain_name(service.name), service.due_on, offset)


def words(service: DueService) -> tuple[str, ...]:
    return (service.pet_name, service.name, service.pet_id, service.service, service.held or "")


def by_day(service: DueService) -> tuple[date, tuple[str, ...]]:
    return (service.due_on, words(service))


def compare(found: Standing, expected: Reference) -> None:
    assert sorted(found.services, key=by_day) == sorted(expected.services, key=by_day)
    assert [each.due_on for each in found.services] == sorted(each.due_on for each in expected.services)
    assert (found.next, found.due_soon, found.overdue) == (expected.next, expected.due_soon, expected.overdue)
    if found.notice is None:
        assert not expected.named
        return
    assert list(found.notice.services) == sorted(expected.named, key=by_day)
    assert len(set(found.notice.keys)) == len(found.notice.keys) == len(expected.told)
    assert found.notice.day == expected.day


def follow(known: History, steps: list[int]) -> None:
    """Compares on each of the days, with the notices of the days before."""
    told: set[str] = set()
    reference_told: Told = set()
    for n in range(max(steps) + 1):
        today = known.today + timedelta(n)
        owner = known.after(today)
        if n in steps:
            found = standing(owner, known.policy, today, told=told, since=known.since)
            expected = reference(owner, known.policy, today, reference_told, known.since)
            compare(found, expected)
            told |= set(found.notice.keys) if found.notice else set()
            reference_told |= expected.told


@given(known=histories())
@EXAMPLES
def test_it_is_what_a_slow_reference_says(known: History) -> None:
    follow(known, [0, 1, 14, 41])


def test_it_is_so_for_two_thousand_pets() -> None:
    random = Random(20240229)
    pets = 0
    while pets < 2000:
        known = history(random)
        pets += len(known.owner.pets)
        follow(known, [random.randint(0, 41)])


@given(known=histories())
@EXAMPLES
def test_of_a_deceased_pet_nothing_is_said(known: History) -> None:
    died = happened(known.owner, "died 0", known.today)
    gone = happened(known.owner, "moved 0", known.today)
    found, without = (standing(each, known.policy, known.today) for each in (died, gone))
    assert (found.next, found.due_soon, found.overdue) == (without.next, without.due_soon, without.overdue)
    assert found.notice == without.notice


@given(known=histories())
@EXAMPLES
def test_who_opts_back_in_is_told_what_holds_and_who_is_out_nothing(known: History) -> None:
    before = replace(known.owner, opted_out=False)
    out = standing(happened(before, "out", known.today), known.policy, known.today)
    assert (out.next, out.due_soon, out.overdue, out.notice) == (None, False, False, None)
    back = happened(happened(before, "out", known.today), "in", known.today)
    assert standing(back, known.policy, known.today) == standing(before, known.policy, known.today)


@given(known=histories())
@EXAMPLES
def test_a_notice_is_never_repeated_and_is_the_only_one_of_its_day(known: History) -> None:
    told: set[str] = set()
    for n in range(60):
        today = known.today + timedelta(n)
        owner = known.after(today)
        notice = standing(owner, known.policy, today, told=told, since=known.since).notice
        if notice is not None:
            assert notice.keys
            assert told.isdisjoint(notice.keys)
            told |= set(notice.keys)
            assert standing(owner, known.policy, today, told=told, since=known.since).notice is None
