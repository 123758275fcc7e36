"""The people of a clinic in circles: everybody in a circle has something to do with the others, and with nobody else.

A circle is made from the population's seed and its own number alone, so a clinic of a million owners can be streamed,
and any circle of it be made again for a booking.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from vetbridge.testing.clinic import REFERENCE_DAY
from vetbridge.testing.population import slips
from vetbridge.testing.population.dice import Dice, Ranked, scatter
from vetbridge.testing.population.phones import tidy, written
from vetbridge.testing.population.shares import CardShares, Shares
from vetbridge.testing.population.words import Words

QUARTERS = 24
"""Postcodes of a town."""
_STREETS = 12
_HOUSES = 90
_PEOPLE = 8
_HOMES = 4
_CARDS = 4
_PETS = 32
_STREAM = 1
_CURRENT, _OLD, _NEW, _WORK = range(4)


@dataclass(slots=True)
class Home:
    """An address. ``landline`` is a national number, empty where there is none."""

    number: int
    town: int
    city: str
    postcode: str
    street: str
    house: str
    landline: str


@dataclass(slots=True)
class Person:
    """Somebody who may book. ``maiden`` is the family name before or beside the present one, ``group`` is the same
    number for those who live as one family; phones are national numbers."""

    number: int
    female: bool
    given: str
    family: str
    maiden: str
    mobile: str
    email: str
    home: Home
    group: int


@dataclass(slots=True)
class Animal:
    """An animal as it is, whatever the cards say. ``breed`` is all its spellings."""

    number: int
    name: str
    species: str
    breed: tuple[str, ...]
    sex: str
    birth_date: date
    dead: bool


@dataclass(slots=True)
class PetCard:
    """A row of patients.csv. ``current`` is false where the animal lives with somebody else now."""

    patient_id: str
    animal: Animal
    name: str
    species: str
    breed: str
    sex: str
    birth_date: str
    deceased: bool
    current: bool


@dataclass(slots=True)
class OwnerCard:
    """A row of owners.csv, with what is true about it.

    ``people`` are those whom the card stands for; ``phones`` the personal numbers on it and ``mail`` the personal
    address on it, however they are written there; ``traits`` name what is odd about it.
    """

    owner_id: str
    people: tuple[Person, ...]
    home: Home
    created_on: date
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    phone_mobile: str = ""
    phone_home: str = ""
    street: str = ""
    postcode: str = ""
    city: str = ""
    active: bool = True
    phones: tuple[str, ...] = ()
    mail: str = ""
    traits: set[str] = field(default_factory=set)
    pets: list[PetCard] = field(default_factory=list)


@dataclass(slots=True)
class Circle:
    """Some people, their animals, and the cards that the clinic holds of them."""

    number: int
    kind: str
    people: list[Person] = field(default_factory=list)
    cards: list[OwnerCard] = field(default_factory=list)


_SPELT = {ord("ß"): "ss", ord("ł"): "l", ord("ø"): "o", ord("æ"): "ae", ord("đ"): "d"}


def plain(text: str, words: Words) -> str:
    """The ASCII letters of a text, lower-case; for e-mail addresses."""
    forms = (words.letters.get(letter, (letter,))[0] for letter in text.lower())
    spelt = unicodedata.normalize("NFKD", "".join(forms).translate(_SPELT))
    return "".join(letter for letter in spelt if "a" <= letter <= "z")


class CircleMaker:
    """Makes the circles of one population. ``size`` is the most owner records that it will have."""

    def __init__(self, seed: int, size: int, words: Words, shares: Shares) -> None:
        self.words = words
        self.size = max(1, size)
        self._seed = seed
        self._shares = shares
        self._kinds = Ranked(tuple(shares.circles), tuple(shares.circles.values()))
        self._towns = Ranked.by_rank(range(min(len(words.towns), 3 + size // 4000)), 2)
        self._ids = _power_above(self.size * _CARDS)
        self._pet_ids = _power_above(self.size * _PETS)
        self._mail_numbers = 9 * _power_above(self.size * _PEOPLE * 12)
        self._offices = 3 + size // 150
        self._clinic_phone = words.phone.landline(7_001_003, 0)
        self._stories = {
            "single": self._single,
            "couple_one_record": self._couple_one_record,
            "couple_shared_phone": self._couple_two_records,
            "couple_own_contacts": self._couple_two_records,
            "parent_child": self._parent_child,
            "relatives": self._relatives,
            "flat_share": self._flat_share,
            "duplicate": self._duplicate,
            "rehomed": self._rehomed,
            "recycled": self._recycled,
        }
        unknown = set(shares.circles) - set(self._stories)
        if unknown:
            raise ValueError(f"no such kind of circle: {', '.join(sorted(unknown))}")

    def circle(self, number: int) -> Circle:
        """The circle of this number."""
        dice = Dice(self._seed, _STREAM, number)
        circle = Circle(number, self._kinds.draw(dice))
        self._stories[circle.kind](circle, dice)
        return circle

    # People, homes and animals; bookings make strangers with them, too.

    def stranger(self, dice: Dice, number: int, home: Home | None = None, family: str | None = None) -> Person:
        """Somebody who is in no circle, of this family or any; another person for every ``number``."""
        place = self.size * _PEOPLE + number
        home = home or self.home(dice, self.size * _HOMES + number)
        return self._person(dice, place, home, group=0, family=_base(family, self.words) if family else None)

    def home(self, dice: Dice, number: int, town: int | None = None) -> Home:
        """A home, in a town or in any; its address may be that of somebody else's home, as in a block of flats."""
        words = self.words
        town = self._towns.draw(dice) if town is None else town
        quarter = dice.below(QUARTERS)
        street = words.streets[(town * 53 + quarter * 17 + dice.below(_STREETS)) % len(words.streets)]
        house = str(1 + dice.below(_HOUSES))
        if dice.chance(0.06):
            house += dice.pick("abc")
        landline = words.phone.landline(number, town) if dice.chance(self._shares.cards.landline) else ""
        return Home(number, town, words.towns[town], self.postcode(town, quarter), street, house, landline)

    def postcode(self, town: int, quarter: int) -> str:
        """The postcode of a town's quarter."""
        parts = {
            "T": f"{town % 70 + 10}",
            "A": _letters(town // 3 + 5),
            "#": f"{quarter:02d}",
            "N": f"{quarter + 1}",
            "@": _letters(quarter * 29 + town),
        }
        return "".join(parts.get(sign, sign) for sign in self.words.postcode)

    def animal(self, dice: Dice, number: int, taken: Iterable[str] = (), species: str | None = None) -> Animal:
        """An animal whose name is not in ``taken``."""
        roll = dice.roll()
        if species is None:
            species = "dog" if roll < 0.52 else "cat" if roll < 0.91 else "rabbit" if roll < 0.96 else "other"
        name = self.words.pets[species].draw(dice)
        taken = set(taken)
        while name in taken:
            name = self.words.pets[species].draw(dice)
        sex = "female" if dice.chance(0.5) else "male"
        if dice.chance(0.6):
            sex += "_neutered"
        longest = 15 if species in {"dog", "cat"} else 7
        born = REFERENCE_DAY - timedelta(days=60 + int(dice.roll() ** 1.3 * 365 * longest))
        dead = dice.chance(self._shares.cards.pet_deceased)
        return Animal(number, name, species, self.words.breeds[species].draw(dice), sex, born, dead)

    def mobile(self, person: Person, slot: int = _CURRENT) -> str:
        """The person's mobile as it first was; slot 1 an older one, 2 a newer one, 3 the one at work."""
        return self.words.phone.mobile(person.number * 4 + slot)

    def new_contact(self, dice: Dice, person: Person) -> tuple[str, str]:
        """A mobile and an e-mail address that no card has."""
        return self.mobile(person, _NEW), self._address(dice, person.given, person.family, person.number, _NEW)

    def placeholder(self, dice: Dice) -> str:
        """What stands in a phone field where nobody gave a phone."""
        plan = self.words.phone
        prefix, digits = plan.mobiles[0]
        zeros = prefix[0] + "0" * (len(prefix) + digits - 1)
        roll = dice.roll()
        if roll < 0.35:
            return written(zeros, plan, dice)
        if roll < 0.60:
            return "0" * (4 + dice.below(9))
        return dice.pick(
            (
                "-",
                "n/a",
                "none",
                "x",
                "?",
                "1234567890",
                "0123456789",
                "9999999999",
                "1111111111",
                "123",
                "000 000 0000",
            )
        )

    def clinic_phone(self, dice: Dice) -> str:
        """The clinic's own number, as some desk hand types it where the owner's is missing."""
        return written(self._clinic_phone, self.words.phone, dice)

    def company_mail(self, dice: Dice) -> str:
        """An address that everybody at a company shares."""
        office = dice.below(self._offices)
        box = self.words.mail_offices[office % len(self.words.mail_offices)]
        founders = self.words.family.values
        return f"{box}@{plain(founders[office % min(200, len(founders))], self.words)}{office}.example"

    def given_name(self, dice: Dice, *, female: bool) -> str:
        """A given name."""
        return (self.words.female if female else self.words.male).draw(dice)

    def family_name(self, dice: Dice, *, female: bool) -> str:
        """A family name."""
        return self.words.family_of(self.words.family.draw(dice), female=female)

    def _person(
        self,
        dice: Dice,
        number: int,
        home: Home,
        group: int,
        family: str | None = None,
        female: bool | None = None,
        given: str | None = None,
    ) -> Person:
        """``family`` is the form a man bears; a woman gets hers."""
        female = dice.chance(0.58) if female is None else female
        given = given or self.given_name(dice, female=female)
        base = family or self.words.family.draw(dice)
        name = self.words.family_of(base, female=female)
        if family is None and dice.chance(0.03):
            name = f"{name}-{self.family_name(dice, female=female)}"
        maiden = self.family_name(dice, female=female)
        mobile = self.words.phone.mobile(number * 4)
        email = self._address(dice, given, name, number, _CURRENT)
        return Person(number, female, given, name, maiden, mobile, email, home, group)

    def _address(self, dice: Dice, given: str, family: str, number: int, slot: int) -> str:
        tail = scatter(number * 4 + slot, self._mail_numbers)
        first, last = plain(given, self.words) or "me", plain(family, self.words) or "home"
        roll = dice.roll()
        if roll < 0.35:
            local = f"{first}.{last}{tail}"
        elif roll < 0.50:
            local = f"{first[0]}{last}{tail}"
        elif roll < 0.60:
            local = f"{last}.{first}{tail}"
        elif roll < 0.70:
            local = f"{first}_{tail}"
        elif roll < 0.80:
            local = f"{last}{tail}"
        else:
            local = f"{dice.pick(self.words.mail_words)}{tail}"
        return f"{local}@{self.words.mail_domains.draw(dice)}"

    # The stories: who is in a circle, and on which cards.

    def _add(self, circle: Circle, dice: Dice, home: Home, group: int, **known: str | bool | None) -> Person:
        number = circle.number * _PEOPLE + len(circle.people)
        person = self._person(dice, number, home, group, **known)  # type: ignore[arg-type]
        circle.people.append(person)
        return person

    def _home(self, circle: Circle, dice: Dice, place: int = 0, town: int | None = None) -> Home:
        return self.home(dice, circle.number * _HOMES + place, town)

    def _partner(self, circle: Circle, dice: Dice, first: Person) -> Person:
        shares = self._shares.cards
        married = not dice.chance(shares.other_family)
        female = not first.female if dice.chance(0.93) else first.female
        family = _base(first.family, self.words) if married else None
        partner = self._add(circle, dice, first.home, first.group, family=family, female=female)
        if dice.chance(0.12):
            partner.email = first.email  # one address for the family
        return partner

    def _animals(self, circle: Circle, dice: Dice, least: int = 0) -> list[Animal]:
        taken = {pet.animal.name for card in circle.cards for pet in card.pets}
        roll = dice.roll()
        count = max(least, 0 if roll < 0.03 else 1 if roll < 0.68 else 2 if roll < 0.92 else 3)
        found: list[Animal] = []
        start = sum(len(card.pets) for card in circle.cards)
        for place in range(count):
            animal = self.animal(dice, circle.number * _PETS + start + place, taken)
            taken.add(animal.name)
            found.append(animal)
        return found

    def _single(self, circle: Circle, dice: Dice) -> None:
        owner = self._add(circle, dice, self._home(circle, dice), 0)
        if dice.chance(self._shares.cards.partner_at_home):
            self._partner(circle, dice, owner)
        self._card(circle, dice, (owner,), self._animals(circle, dice))

    def _couple_one_record(self, circle: Circle, dice: Dice) -> None:
        first = self._add(circle, dice, self._home(circle, dice), 0)
        second = self._partner(circle, dice, first)
        self._card(circle, dice, (first, second), self._animals(circle, dice))

    def _couple_two_records(self, circle: Circle, dice: Dice) -> None:
        home = self._home(circle, dice)
        shared = circle.kind == "couple_shared_phone"
        by_landline = shared and dice.chance(0.6)
        if by_landline and not home.landline:
            home.landline = self.words.phone.landline(home.number, home.town)
        first = self._add(circle, dice, home, 0)
        second = self._partner(circle, dice, first)
        if shared and not by_landline:
            second.mobile = first.mobile
        hers: list[Animal] = []
        his: list[Animal] = []
        for animal in self._animals(circle, dice, least=2 if dice.chance(0.6) else 1):
            roll = dice.roll()
            if roll < 0.58:
                hers.append(animal)
            if roll > 0.42:
                his.append(animal)
        self._card(circle, dice, (first,), hers, landline=by_landline)
        self._card(circle, dice, (second,), his, landline=by_landline)
        if not shared:
            for card in circle.cards:
                card.phone_home = ""
                card.phones = tuple(number for number in card.phones if number != home.landline)

    def _parent_child(self, circle: Circle, dice: Dice) -> None:
        home = self._home(circle, dice)
        together = dice.chance(0.5)
        parent = self._add(circle, dice, home, 0)
        flat = home if together else self._home(circle, dice, 1, home.town if dice.chance(0.6) else None)
        self._add(circle, dice, flat, 0, female=parent.female, given=parent.given)
        circle.people[1].family = parent.family
        for person in circle.people:
            self._card(circle, dice, (person,), self._animals(circle, dice, least=1), landline=together)

    def _relatives(self, circle: Circle, dice: Dice) -> None:
        home = self._home(circle, dice)
        together = dice.chance(0.3)
        parent = self._add(circle, dice, home, 0)
        flat = home if together else self._home(circle, dice, 1, home.town if dice.chance(0.6) else None)
        if not together and home.landline and dice.chance(0.3):
            flat.landline = home.landline  # the child's card still has the parents' phone
        self._add(circle, dice, flat, 0, family=_base(parent.family, self.words))
        for person in circle.people:
            self._card(circle, dice, (person,), self._animals(circle, dice, least=1))

    def _flat_share(self, circle: Circle, dice: Dice) -> None:
        home = self._home(circle, dice)
        for group in range(2 if dice.chance(0.7) else 3):
            person = self._add(circle, dice, home, group)
            self._card(circle, dice, (person,), self._animals(circle, dice, least=1))

    def _duplicate(self, circle: Circle, dice: Dice) -> None:
        owner = self._add(circle, dice, self._home(circle, dice), 0)
        if dice.chance(self._shares.cards.partner_at_home):
            self._partner(circle, dice, owner)
        animals = self._animals(circle, dice, least=1)
        self._card(circle, dice, (owner,), animals)
        for _ in range(1 if dice.chance(0.88) else 2):
            roll = dice.roll()
            again = animals if roll < 0.4 else animals[:1] if roll < 0.65 else self._animals(circle, dice, least=1)
            self._card(circle, dice, (owner,), again, again=True)

    def _rehomed(self, circle: Circle, dice: Dice) -> None:
        giver = self._add(circle, dice, self._home(circle, dice), 0)
        family = _base(giver.family, self.words) if dice.chance(0.15) else None
        taker = self._add(circle, dice, self._home(circle, dice, 1), 1, family=family)
        animals = self._animals(circle, dice, least=1)
        animals[0].dead = False
        old = self._card(circle, dice, (giver,), animals)
        self._card(
            circle, dice, (taker,), [animals[0], *(self._animals(circle, dice)[:1] if dice.chance(0.3) else [])]
        )
        for pet in old.pets:
            if pet.animal is animals[0]:
                pet.current = False
                pet.deceased = dice.chance(0.35)

    def _recycled(self, circle: Circle, dice: Dice) -> None:
        before = self._add(circle, dice, self._home(circle, dice), 0)
        after = self._add(circle, dice, self._home(circle, dice, 1), 1)
        self._card(circle, dice, (before,), self._animals(circle, dice, least=1), mobile=after.mobile)
        self._card(circle, dice, (after,), self._animals(circle, dice, least=1), mobile=after.mobile)

    # Cards: what the desk wrote down.

    def _card(
        self,
        circle: Circle,
        dice: Dice,
        people: tuple[Person, ...],
        animals: Sequence[Animal],
        *,
        mobile: str | None = None,
        landline: bool = False,
        again: bool = False,
    ) -> OwnerCard:
        """Writes a card. ``mobile``: this number stands on it, come what may; ``again``: a second registration."""
        shares = self._shares.cards
        owner = people[0]
        place = len(circle.cards)
        created = REFERENCE_DAY - timedelta(days=30 + dice.below(4000 // (1 + place)))
        number = scatter(circle.number * _CARDS + place, self._ids)
        card = OwnerCard(f"o{number:0{len(str(self._ids)) - 1}d}", people, owner.home, created)
        card.active = not dice.chance(shares.inactive)
        if not card.active:
            card.traits.add("inactive")
        self._write_names(card, dice, again=again)
        self._write_phones(card, circle, dice, mobile, landline=landline, again=again)
        self._write_email(card, dice, again=again)
        self._write_address(card, dice)
        written_pets = sum(len(other.pets) for other in circle.cards)
        for offset, animal in enumerate(animals):
            pet_number = scatter(circle.number * _PETS + written_pets + offset, self._pet_ids)
            card.pets.append(self._pet_card(pet_number, animal, dice, shares))
        circle.cards.append(card)
        return card

    def _write_names(self, card: OwnerCard, dice: Dice, *, again: bool) -> None:
        shares, words = self._shares.cards, self.words
        owner = card.people[0]
        given, family = owner.given, owner.family
        more = 4 if again else 1
        if dice.chance(shares.maiden_name * more):
            family = owner.maiden
            card.traits.add("maiden_name")
        if dice.chance(shares.nickname * more) and given in words.nicknames:
            given = dice.pick(words.nicknames[given])
        elif again and dice.chance(0.2):
            given = f"{given[0]}." if dice.chance(0.5) else given[0]
        if dice.chance(shares.typo * more):
            family = slips.typo(family, words, dice)
            card.traits.add("typo_on_card")
        if dice.chance(shares.transliterated):
            given = slips.transliterated(given, words.letters, dice)
            family = slips.transliterated(family, words.letters, dice)
        if len(card.people) > 1:
            given, family = self._names_of_two(card, given, family, dice)
        if dice.chance(shares.title):
            given = f"{dice.pick(words.titles)} {given}"
        if dice.chance(shares.name_remark):
            remark = dice.pick(words.name_remarks)
            card.traits.add("name_remark")
            if dice.chance(0.7):
                family = f"{family} {remark}"
            else:
                given = f"{given} {remark}"
        if dice.chance(shares.transposed):
            given, family = family, given
            card.traits.add("transposed_card")
        if dice.chance(shares.upper_case):
            given, family = given.upper(), family.upper()
        card.first_name, card.last_name = given, family

    def _names_of_two(self, card: OwnerCard, given: str, family: str, dice: Dice) -> tuple[str, str]:
        partner = card.people[1]
        roll = dice.roll()
        if roll < 0.68:
            joiner = dice.pick(self.words.joiners)
            if partner.family != card.people[0].family:
                # Where names have a gender, "Jan i Anna / Kowalski" stands for both.
                same = _base(partner.family, self.words) == _base(card.people[0].family, self.words)
                family = family if same else f"{family}{joiner}{partner.family}"
            return f"{given}{joiner}{partner.given}", family
        if roll < 0.88:
            return given, f"{family} ({dice.pick(self.words.partner_remarks)} {partner.given})"
        return f"{given} ({partner.given})", family

    def _write_phones(
        self, card: OwnerCard, circle: Circle, dice: Dice, mobile: str | None, *, landline: bool, again: bool
    ) -> None:
        shares, plan = self._shares.cards, self.words.phone
        owner = card.people[0]
        phones: list[str] = []
        home = card.home.landline
        if home and (landline or not again):
            phones.append(home)
            card.phone_home = written(home, plan, dice)
        roll = dice.roll()
        if mobile is not None:
            number: str | None = mobile
        elif roll < shares.no_phone:
            number = None
        elif roll < shares.no_phone + shares.placeholder_phone:
            number, card.phone_mobile = None, self.placeholder(dice)
            card.traits.add("placeholder_phone")
        elif roll < shares.no_phone + shares.placeholder_phone + shares.clinic_phone:
            number, card.phone_mobile = None, self.clinic_phone(dice)
            card.traits.add("placeholder_phone")
        elif dice.chance(shares.stale_phone * (6 if again else 1)) and owner.mobile == self.mobile(owner):
            number = self.mobile(owner, _OLD)
            card.traits.add("stale_phone")
        else:
            number = owner.mobile
        if number is None:
            card.phones = tuple(phones)
            return
        phones.append(number)
        card.phone_mobile = self._phone_text(card, circle, number, phones, dice)
        if not card.phone_home and len(card.people) > 1 and dice.chance(0.3):
            phones.append(card.people[1].mobile)
            card.phone_home = written(card.people[1].mobile, plan, dice)
        elif not card.phone_home and dice.chance(0.04):
            card.phone_home = card.phone_mobile  # typed twice
        elif not card.phone_home and dice.chance(0.06):
            card.phone_home, card.phone_mobile = card.phone_mobile, ""  # a mobile in the other field
        card.phones = tuple(phones)

    def _phone_text(self, card: OwnerCard, circle: Circle, number: str, phones: list[str], dice: Dice) -> str:
        """The mobile field, sometimes with a second number; that is added to ``phones``."""
        plan, owner = self.words.phone, card.people[0]
        if not dice.chance(self._shares.cards.several_phones):
            return written(number, plan, dice)
        card.traits.add("several_phones")
        partner = next((other for other in circle.people if other is not owner and other.group == owner.group), None)
        if partner is not None and dice.chance(0.7):
            second, word = partner.mobile, dice.pick(self.words.partner_remarks)
        else:
            second, word = self.mobile(owner, _WORK), ""
        phones.append(second)
        mark = dice.pick((" / ", ", ", "; ", " "))
        remark = dice.pick(self.words.phone_remarks)
        return f"{tidy(number, plan)} ({remark}){mark}{word} {written(second, plan, dice)}".replace("  ", " ")

    def _write_email(self, card: OwnerCard, dice: Dice, *, again: bool) -> None:
        shares, owner = self._shares.cards, card.people[0]
        roll = dice.roll()
        if roll < shares.no_email + (0.35 if again else 0):
            return
        if roll > 1 - shares.company_email:
            card.email = self.company_mail(dice)
            card.traits.add("company_email")
            return
        if dice.chance(shares.stale_email * (5 if again else 1)):
            card.mail = self._address(dice, owner.given, owner.family, owner.number, _OLD)
            card.traits.add("stale_email")
        else:
            card.mail = owner.email
        card.email = card.mail.upper() if dice.chance(0.02) else f" {card.mail} " if dice.chance(0.02) else card.mail

    def _write_address(self, card: OwnerCard, dice: Dice) -> None:
        if dice.chance(self._shares.cards.no_address):
            return
        home = card.home
        card.street, card.city = self.street_text(home, dice), home.city
        card.postcode = "" if dice.chance(0.05) else home.postcode

    def street_text(self, home: Home, dice: Dice) -> str:
        """Street and house as somebody writes them."""
        street = home.street
        for long, short in self.words.street_forms:
            if long in street and dice.chance(0.35):
                street = street.replace(long, short)
                break
        return f"{street} {home.house}" if self.words.street_first else f"{home.house} {street}"

    def _pet_card(self, number: int, animal: Animal, dice: Dice, shares: CardShares) -> PetCard:
        words = self.words
        name = animal.name
        if dice.chance(shares.pet_remark):
            name = f"{name} {dice.pick(words.pet_remarks)}"
        elif dice.chance(0.02):
            name = name.upper()
        elif dice.chance(0.01):
            name = slips.typo(name, words, dice)
        birth = animal.birth_date.isoformat()
        if dice.chance(shares.no_birth_date):
            birth = ""
        elif dice.chance(shares.guessed_birth_date):
            birth = f"{animal.birth_date.year}-01-01"
        elif dice.chance(shares.wrong_birth_date):
            birth = slips.wrong_day(animal.birth_date, dice).isoformat()
        return PetCard(
            f"p{number:0{len(str(self._pet_ids)) - 1}d}",
            animal,
            name,
            "" if dice.chance(shares.no_species) else words.species[animal.species].draw(dice),
            "" if dice.chance(shares.no_breed) else self.breed_text(animal, dice),
            "" if dice.chance(shares.no_sex) else words.sexes[animal.sex].draw(dice),
            birth,
            animal.dead,
            current=True,
        )

    def breed_text(self, animal: Animal, dice: Dice) -> str:
        """One of the breed's spellings; the full name in about every second case."""
        return animal.breed[0] if dice.chance(0.5) else dice.pick(animal.breed)


def _base(family: str, words: Words) -> str:
    """The form of a family name that a man bears."""
    for ending, hers in words.feminine:
        if family.endswith(hers):
            return family[: -len(hers)] + ending
    return family


def _power_above(count: int) -> int:
    power = 1000
    while power <= count:
        power *= 10
    return power


def _letters(number: int) -> str:
    alphabet = "ABDEFGHJLNPQRSTUWXYZ"
    return alphabet[number // len(alphabet) % len(alphabet)] + alphabet[number % len(alphabet)]
