"""Which services are due, what holds one back, and what is said of the others where."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from vetbridge.core.due import DuePolicy, Held, Owner, PetVisit, Standing, standing, told_next
from vetbridge.core.records import Pet, Reminder, Vaccination

TODAY = date(2026, 11, 23)
REX, MIA = Pet(id="1", name="Rex"), Pet(id="2", name="Mia")
TELLING = DuePolicy(notice_days=(-30, -15, 7, 30))


def day(away: int) -> date:
    return TODAY + timedelta(days=away)


def vaccinated(  # a year before it is due again
    away: int, *, pet: str = "1", service: str = "R", name: str = "Rabies", given: int | None = None, id_: str = "1"
) -> Vaccination:
    given_on = day(away - 365 if given is None else given)
    return Vaccination(id=id_, pet_id=pet, service=service, name=name, given_on=given_on, due_on=day(away))


def reminder(
    away: int, *, pet: str = "1", service: str = "R", name: str = "Rabies", completed: bool = False, id_: str = "1"
) -> Reminder:
    return Reminder(id=id_, pet_id=pet, service=service, name=name, due_on=day(away), completed=completed)


def owner(
    *known: Vaccination | Reminder, pets: tuple[Pet, ...] = (REX, MIA), visits: tuple[PetVisit, ...] = ()
) -> Owner:
    return Owner(
        pets=pets,
        vaccinations=tuple(each for each in known if isinstance(each, Vaccination)),
        reminders=tuple(each for each in known if isinstance(each, Reminder)),
        visits=visits,
    )


def visit(away: int, *, pet: str = "1", type_: str | None = None) -> PetVisit:
    return PetVisit(pet_id=pet, day=day(away), appointment_type=type_)


def held(found: Standing) -> dict[int, Held | None]:
    """Why each is held back, by the days from today."""
    return {(each.due_on - TODAY).days: each.held for each in found.services}


def says_nothing(found: Standing) -> bool:
    return found.next is None and not found.due_soon and not found.overdue and found.notice is None


def test_the_card_names_the_service_that_is_due_first() -> None:
    found = standing(owner(vaccinated(20), vaccinated(10, pet="2", name="Leptospirosis")), DuePolicy(), TODAY)
    assert found.next is not None
    assert (found.next.pet_name, found.next.name, found.next.due_on) == ("Mia", "Leptospirosis", day(10))
    assert found.due_soon
    assert not found.overdue
    assert found.notice is None


@pytest.mark.parametrize(
    ("away", "why"),
    [(184, Held.LATER), (183, None), (0, None), (-365, None), (-366, Held.LONG_AGO)],
)
def test_what_is_due_too_late_or_too_long_ago_is_held_back(away: int, why: Held | None) -> None:
    assert held(standing(owner(reminder(away)), DuePolicy(), TODAY)) == {away: why}


@pytest.mark.parametrize(
    ("away", "soon", "overdue"), [(31, False, False), (30, True, False), (0, True, False), (-1, False, True)]
)
def test_marks_follow_the_day(away: int, soon: bool, overdue: bool) -> None:
    found = standing(owner(reminder(away)), DuePolicy(), TODAY)
    assert (found.due_soon, found.overdue) == (soon, overdue)


def test_the_card_names_what_is_overdue_only_where_the_site_wants_it() -> None:
    known = owner(reminder(-5), reminder(40, pet="2"))
    later, overdue = standing(known, DuePolicy(), TODAY), standing(known, DuePolicy(card_overdue=True), TODAY)
    assert later.next is not None
    assert later.next.due_on == day(40)
    assert later.overdue
    assert overdue.next is not None
    assert overdue.next.due_on == day(-5)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"opted_out": True}, Held.OPTED_OUT),
        ({"active": False}, Held.CLIENT_INACTIVE),
        ({"pets": (replace(REX, deceased=True),)}, Held.PET_DECEASED),
        ({"pets": (replace(REX, active=False),)}, Held.PET_INACTIVE),
        ({"opted_out": True, "active": False, "pets": (replace(REX, deceased=True),)}, Held.OPTED_OUT),
        ({"pets": (replace(REX, deceased=True, active=False),)}, Held.PET_DECEASED),
    ],
)
def test_nothing_is_ever_said_to_whom_it_must_not_be(change: dict[str, object], why: Held) -> None:
    found = standing(
        replace(owner(vaccinated(-30), reminder(7, service="W", name="Weight")), **change), TELLING, TODAY
    )
    assert set(held(found).values()) == {why}
    assert says_nothing(found)


def test_a_pet_that_moved_to_another_owner_is_nobody_s_here() -> None:
    assert standing(owner(vaccinated(5), pets=(MIA,)), TELLING, TODAY).services == ()


class TestTheSameService:
    def test_a_vaccination_is_out_once_a_later_one_was_given(self) -> None:
        known = owner(vaccinated(5, given=-360), vaccinated(1000, given=-3, id_="2"))
        assert held(standing(known, DuePolicy(), TODAY)) == {5: Held.COMPLETED, 1000: Held.LATER}

    def test_one_that_is_never_due_again_puts_out_the_earlier_one_too(self) -> None:
        last = replace(vaccinated(0, given=-3, id_="2"), due_on=None)
        assert says_nothing(standing(owner(vaccinated(5), last), TELLING, TODAY))

    def test_of_two_on_a_day_the_higher_id_counts_as_a_number(self) -> None:
        known = owner(vaccinated(5, given=-9, id_="9"), vaccinated(8, given=-9, id_="10"))
        assert held(standing(known, DuePolicy(), TODAY)) == {5: Held.COMPLETED, 8: None}

    def test_one_that_was_deleted_puts_nothing_out(self) -> None:
        deleted = replace(vaccinated(300, given=-3, id_="2"), active=False)
        assert held(standing(owner(vaccinated(5), deleted), DuePolicy(), TODAY)) == {5: None}

    @pytest.mark.parametrize(("given", "why"), [(-40, Held.COMPLETED), (-41, None)])
    def test_a_reminder_is_out_once_its_service_was_given(self, given: int, why: Held | None) -> None:
        last = replace(vaccinated(0, given=given), due_on=None)
        assert held(standing(owner(reminder(-10), last), DuePolicy(), TODAY)) == {-10: why}

    def test_what_is_due_last_counts(self) -> None:
        known = owner(reminder(-50), reminder(40, id_="2"), vaccinated(20, given=-345))
        assert held(standing(known, DuePolicy(), TODAY)) == {-50: Held.COMPLETED, 20: Held.COMPLETED, 40: None}

    def test_of_two_that_are_due_on_a_day_the_reminder_counts(self) -> None:
        known = owner(vaccinated(20, name="Nobivac R"), reminder(20, name="Rabies shot"))
        found = standing(known, DuePolicy(), TODAY)
        assert [(each.name, each.held) for each in found.services] == [
            ("Nobivac R", Held.COMPLETED),
            ("Rabies shot", None),
        ]

    def test_a_completed_reminder_closes_what_is_due_no_later(self) -> None:
        known = owner(reminder(20, completed=True), vaccinated(20, given=-345))
        assert says_nothing(standing(known, TELLING, TODAY))
        assert held(standing(owner(reminder(20, completed=True), reminder(21, id_="2")), DuePolicy(), TODAY)) == {
            20: Held.COMPLETED,
            21: None,
        }

    def test_without_a_code_a_name_tells_services_apart(self) -> None:
        known = owner(
            vaccinated(5, service="", name="Rabies"),
            vaccinated(300, service="", name=" RABIES ", given=-3, id_="2"),
            vaccinated(6, service="", name="Distemper", id_="3"),
        )
        assert held(standing(known, DuePolicy(), TODAY)) == {5: Held.COMPLETED, 6: None, 300: Held.LATER}

    def test_codes_that_the_site_calls_the_same_are_one_service(self) -> None:
        policy = DuePolicy(names={"12": "Rabies vaccination", "30": "Rabies vaccination"})
        known = owner(vaccinated(5, service="12"), vaccinated(300, service="30", given=-3, id_="2"))
        assert held(standing(known, policy, TODAY)) == {5: Held.COMPLETED, 300: Held.LATER}
        assert {each.name for each in standing(known, policy, TODAY).services} == {"Rabies vaccination"}

    def test_a_code_without_a_name_says_nothing_to_an_owner(self) -> None:
        known = owner(vaccinated(5, service="12", name=""))
        assert held(standing(known, TELLING, TODAY)) == {5: Held.NAMELESS}
        assert says_nothing(standing(known, TELLING, TODAY))


class TestVisits:
    @pytest.mark.parametrize(("away", "why"), [(-21, None), (-20, Held.VISIT), (70, Held.VISIT), (71, None)])
    def test_a_visit_around_the_day_holds_back(self, away: int, why: Held | None) -> None:
        found = standing(owner(reminder(10), visits=(visit(away),)), TELLING, TODAY)
        assert held(found) == {10: why}
        assert says_nothing(found) is (why is not None)

    def test_another_pet_s_visit_does_not(self) -> None:
        assert held(standing(owner(reminder(10), visits=(visit(10, pet="2"),)), DuePolicy(), TODAY)) == {10: None}

    def test_a_visit_of_an_exempt_type_does_not(self) -> None:
        policy = DuePolicy(exempt_types=frozenset({"grooming"}))
        groomed, seen = (visit(10, type_="grooming"),), (visit(10, type_="consult"),)
        assert held(standing(owner(reminder(10), visits=groomed), policy, TODAY)) == {10: None}
        assert held(standing(owner(reminder(10), visits=seen), policy, TODAY)) == {10: Held.VISIT}

    @pytest.mark.parametrize("always", ["R", "rabies", "TOLLWUT"])
    def test_some_services_are_held_back_by_none(self, always: str) -> None:
        policy = DuePolicy(always=frozenset({always}), names={"R": "Tollwut"})
        assert held(standing(owner(reminder(10), visits=(visit(10),)), policy, TODAY)) == {10: None}

    def test_the_visit_at_which_it_was_given_says_nothing_of_the_next_time(self) -> None:
        first_of_two = vaccinated(7, given=-14)
        assert held(standing(owner(first_of_two, visits=(visit(-14),)), DuePolicy(), TODAY)) == {7: None}
        assert held(standing(owner(first_of_two, visits=(visit(-13),)), DuePolicy(), TODAY)) == {7: Held.VISIT}


class TestNotices:
    def test_an_owner_is_told_on_the_day_and_for_some_days_more(self) -> None:
        known = owner(reminder(30))
        told_on = [n for n in range(-40, 40) if standing(known, TELLING, day(n)).notice is not None]
        assert told_on == [0, 1, 2, 3, 15, 16, 17, 18, 37, 38, 39]

    def test_nobody_is_told_where_the_site_does_not_want_it(self) -> None:
        assert standing(owner(reminder(30)), DuePolicy(), TODAY).notice is None

    def test_services_of_all_pets_go_into_one_notice_and_settle_it_for_all(self) -> None:
        known = owner(reminder(30), reminder(60, pet="2"), reminder(61, pet="2", service="W", name="Weight"))
        notice = standing(known, TELLING, TODAY).notice
        assert notice is not None
        assert [(each.pet_name, each.due_on) for each in notice.services] == [("Rex", day(30)), ("Mia", day(60))]
        assert notice.day == TODAY
        assert standing(known, TELLING, TODAY, told=notice.keys).notice is None
        again = [n for n in range(35) if standing(known, TELLING, day(n), told=notice.keys).notice is not None]
        assert again == [15, 16, 17, 18, 31, 32, 33, 34]  # Rex's next told day, then the weight's first

    def test_what_was_settled_is_named_along_but_not_settled_again(self) -> None:
        first = owner(reminder(30), reminder(60, pet="2"))
        notice = standing(first, TELLING, TODAY).notice
        assert notice is not None
        later = owner(reminder(60, pet="2"), reminder(80, service="W", name="Weight"))
        again = standing(later, TELLING, day(50), told=notice.keys).notice
        assert again is not None
        assert [each.name for each in again.services] == ["Rabies", "Weight"]
        assert len(again.keys) == 1
        assert set(again.keys).isdisjoint(notice.keys)

    def test_the_next_told_day_is_one_that_nothing_has_settled(self) -> None:
        known = owner(reminder(30))
        found = standing(known, TELLING, TODAY)
        assert found.notice is not None
        (service,) = found.services
        assert told_next(service, TELLING, day(-1)) == TODAY
        assert told_next(service, TELLING, day(-1), told=found.notice.keys) == day(15)
        assert told_next(service, TELLING, day(37)) == day(60)
        assert told_next(service, TELLING, day(60)) is None
        assert told_next(replace(service, due_on=date.max), TELLING, date.max) is None

    def test_all_that_is_to_be_told_today_is_one_notice(self) -> None:
        known = owner(reminder(30), reminder(-30, pet="2", service="W", name="Weight"))
        notice = standing(known, replace(TELLING, merge=5), TODAY).notice
        assert notice is not None
        assert [each.name for each in notice.services] == ["Weight", "Rabies"]
        assert len(notice.keys) == 2

    def test_what_is_held_back_is_not_named_along(self) -> None:
        known = owner(reminder(30), reminder(31, pet="2"), visits=(visit(31, pet="2"),))
        notice = standing(known, TELLING, TODAY).notice
        assert notice is not None
        assert [each.pet_name for each in notice.services] == ["Rex"]

    def test_another_day_is_another_thing_to_tell(self) -> None:
        first, moved = owner(reminder(30)), owner(reminder(29))
        notice = standing(first, TELLING, TODAY).notice
        assert notice is not None
        assert standing(moved, TELLING, TODAY, told=notice.keys).notice is not None

    def test_what_it_is_called_does_not_make_it_another(self) -> None:
        notice = standing(owner(reminder(30)), TELLING, TODAY).notice
        assert notice is not None
        renamed = replace(TELLING, names={"R": "Tollwut"})
        assert standing(owner(reminder(30)), renamed, TODAY, told=notice.keys).notice is None

    def test_told_days_before_a_site_began_are_nobody_s(self) -> None:
        known = owner(reminder(29))
        assert standing(known, TELLING, TODAY, since=day(-1)).notice is not None
        assert standing(known, TELLING, TODAY, since=TODAY).notice is None


def test_names_from_outside_stand_on_one_line_and_are_cut() -> None:
    hostile = replace(REX, name="R\x1b[31mex\n" + "x" * 5000)
    (found,) = standing(
        owner(reminder(5, name="Ra\nbies\u202e" + "y" * 5000), pets=(hostile,)), DuePolicy(), TODAY
    ).services
    assert found.pet_name.startswith("R [31mex x")
    assert found.name.startswith("Ra biesy")
    assert len(found.pet_name) == len(found.name) == 100


@pytest.mark.parametrize("far", [date.min, date.max])
def test_days_at_the_ends_of_time_break_nothing(far: date) -> None:
    known = owner(replace(reminder(0), due_on=far), visits=(PetVisit(pet_id="1", day=far),))
    assert says_nothing(standing(known, TELLING, TODAY))
    assert says_nothing(standing(replace(known, visits=()), TELLING, date(2026, 1, 1)))
