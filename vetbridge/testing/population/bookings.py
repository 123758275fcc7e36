"""Bookings as a platform delivers them, each with its trap and the truth about it."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from vetbridge.testing.population import slips
from vetbridge.testing.population.circles import Animal, Circle, CircleMaker, OwnerCard, Person
from vetbridge.testing.population.dice import Dice, Ranked
from vetbridge.testing.population.phones import written
from vetbridge.testing.population.shares import CIRCLES, Shares
from vetbridge.testing.population.truth import Told, Truth, Twins, meant, unclear

_STREAM = 2
_NEW_ANIMAL = -1
_TRIES = 400


@dataclass(frozen=True, slots=True)
class Booking:
    """``fields`` is a line of bookings.jsonl, the rest one of truth.jsonl.

    ``patient_ids`` are the records of the animal that comes, whether the booking names it or not.
    """

    fields: dict[str, str | bool]
    trap: str
    owner_ids: tuple[str, ...]
    household_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    ambiguous: bool


@dataclass(slots=True)
class _Case:
    """What a scenario decided: who books, for which animal, with which contact, and the truth.

    ``named``: whose name is given, if not the booker's. ``keep``: these fields are given, come what may; ``drop``:
    these never. ``texts``: a text that replaces a field. ``existing``: the booker is a client, or thinks so.
    ``clear``: whether a careful person could decide, where the scenario knows. ``card_trap``: what is odd about the
    card.
    """

    person: Person
    animal: Animal | None
    circle: Circle | None = None
    truth: Truth = field(default_factory=Truth)
    named: Person | None = None
    phone: str = ""
    email: str = ""
    existing: bool = False
    clear: bool | None = None
    keep: frozenset[str] = frozenset()
    drop: frozenset[str] = frozenset()
    texts: dict[str, str] = field(default_factory=dict)
    card_trap: str = ""


class CircleIndex:
    """Which circles there are, by their kind and by what is odd about a card of theirs."""

    def __init__(self) -> None:
        self.count = 0
        """Circles are numbered below this."""
        self._places: dict[str, array[int]] = {}

    def add(self, circle: Circle) -> None:
        """Counts the next circle."""
        self.count += 1
        found = {circle.kind}
        for card in circle.cards:
            found |= card.traits & {"placeholder_phone", "company_email", "inactive"}
            if any(pet.current and pet.animal.dead for pet in card.pets):
                found.add("dead_pet")
        for word in found:
            self._places.setdefault(word, array("L")).append(circle.number)

    def draw(self, dice: Dice, *words: str) -> int:
        """The number of a circle of one of these kinds; of any circle, where no word is given or none has them."""
        chosen = [self._places[word] for word in words if word in self._places]
        place = dice.below(sum(map(len, chosen)) or self.count)
        for numbers in chosen:
            if place < len(numbers):
                return numbers[place]
            place -= len(numbers)
        return place


class BookingMaker:
    """Makes bookings for the circles of ``index``; it and ``twins`` must have counted them all."""

    def __init__(self, seed: int, maker: CircleMaker, index: CircleIndex, twins: Twins, shares: Shares) -> None:
        self._seed = seed
        self._maker = maker
        self._words = maker.words
        self._index = index
        self._twins = twins
        self._shares = shares
        self._scenarios = Ranked(tuple(shares.scenarios), tuple(shares.scenarios.values()))
        self._builders: dict[str, Callable[[Dice, int], _Case]] = {
            "client": lambda dice, _: self._client(dice),
            "new_pet": self._new_pet,
            **{kind: self._of_kind(kind) for kind in CIRCLES if kind != "single"},
            "recycled_client": self._recycled_client,
            "partner_unregistered": lambda dice, _: self._partner_unregistered(dice),
            "stale_contact": lambda dice, _: self._stale_contact(dice),
            "placeholder_card": self._with_trait("placeholder_phone"),
            "placeholder_typed": self._placeholder_typed,
            "company_email": self._with_trait("company_email"),
            "inactive": self._with_trait("inactive"),
            "dead_pet": lambda dice, _: self._dead_pet(dice),
            "sitter": self._sitter,
            "sitter_client": lambda dice, _: self._sitter_client(dice),
            "missing": self._missing,
            "ambiguous": self._ambiguous,
            "hostile": self._hostile,
            "new": self._new,
            "lookalike": self._lookalike,
            "lookalike_town": self._lookalike_town,
            "recycled_stranger": self._recycled_stranger,
            "flatmate_new": self._flatmate_new,
            "relative_new": self._relative_new,
            "hostile_new": self._hostile_new,
        }
        unknown = set(shares.scenarios) - set(self._builders)
        if unknown:
            raise ValueError(f"no such scenario: {', '.join(sorted(unknown))}")

    def booking(self, number: int) -> Booking:
        """The booking of this number."""
        dice = Dice(self._seed, _STREAM, number)
        scenario = self._scenarios.draw(dice)
        case = self._builders[scenario](dice, number)
        form = _Form(case, self._maker, self._shares, dice)
        form.fill()
        if scenario.startswith("hostile"):
            form.poison()
        truth = case.truth
        ambiguous = case.clear is False
        if case.clear is None and case.circle is not None and truth.right:
            ambiguous = unclear(form.told, truth, case.circle, self._twins)
        return Booking(
            {"booking_id": f"b{number:07d}", **form.fields},
            scenario if scenario not in {"client", "new"} else form.trap(),
            tuple(card.owner_id for card in truth.right),
            tuple(card.owner_id for card in truth.household),
            tuple(truth.patients),
            ambiguous,
        )

    # Whom a scenario is about.

    def _circle(self, dice: Dice, *words: str) -> Circle:
        return self._maker.circle(self._index.draw(dice, *words))

    def _member(
        self, dice: Dice, *words: str, fits: Callable[[OwnerCard], bool] = lambda card: card.active
    ) -> tuple[Circle, OwnerCard, Person, Animal]:
        """Somebody of a card that fits, with an animal that lives there. Where the population has none such, any."""
        for attempt in range(_TRIES):
            circle = self._circle(dice, *words)
            card = dice.pick(circle.cards)
            alive = [pet.animal for pet in card.pets if pet.current and not pet.animal.dead]
            if alive and (fits(card) or attempt > _TRIES // 2):
                return circle, card, dice.pick(card.people), dice.pick(alive)
        raise ValueError("this population has no card with a living animal")

    def _own_contact(self, case: _Case, dice: Dice) -> _Case:
        person = case.person
        landline = person.home.landline
        use_landline = landline and dice.chance(self._shares.fields.landline_typed)
        return replace(case, phone=landline if use_landline else person.mobile, email=person.email)

    def _known(self, dice: Dice, circle: Circle, person: Person, animal: Animal | None) -> _Case:
        truth = meant(circle, person, animal)
        return self._own_contact(_Case(person, animal, circle, truth, existing=True), dice)

    # Scenarios: clients.

    def _client(self, dice: Dice) -> _Case:
        circle, card, person, animal = self._member(dice)
        case = self._known(dice, circle, person, animal)
        return replace(case, card_trap=_card_trap(circle, card))

    def _of_kind(self, kind: str) -> Callable[[Dice, int], _Case]:
        def build(dice: Dice, number: int) -> _Case:
            if kind == "rehomed":
                return self._rehomed(dice)
            circle, _, person, animal = self._member(dice, kind)
            if kind in {"couple_shared_phone", "couple_own_contacts"} and dice.chance(0.4):
                person = dice.pick(circle.people)  # the other one books for the same animal
            case = self._known(dice, circle, person, animal)
            if kind == "couple_shared_phone" and person.home.landline and dice.chance(0.5):
                case.phone = person.home.landline
            return case

        return build

    def _rehomed(self, dice: Dice) -> _Case:
        circle = self._circle(dice, "rehomed")
        if circle.kind != "rehomed":
            return self._client(dice)
        card = circle.cards[1]
        return self._known(dice, circle, card.people[0], card.pets[0].animal)

    def _recycled_client(self, dice: Dice, _: int) -> _Case:
        circle = self._circle(dice, "recycled")
        if circle.kind != "recycled":
            return self._client(dice)
        card = circle.cards[1]
        return self._known(dice, circle, card.people[0], card.pets[0].animal)

    def _with_trait(self, trait: str) -> Callable[[Dice, int], _Case]:
        def build(dice: Dice, _: int) -> _Case:
            def fits(card: OwnerCard) -> bool:
                return trait in card.traits and (card.active or trait == "inactive")

            circle, card, person, animal = self._member(dice, trait, fits=fits)
            case = self._known(dice, circle, person, animal)
            if trait == "company_email" and trait in card.traits:
                case.texts = {"email": card.email}
            return case

        return build

    def _new_pet(self, dice: Dice, number: int) -> _Case:
        circle, _, person, _ = self._member(dice)
        taken = {pet.animal.name for other in circle.cards for pet in other.pets}
        animal = self._maker.animal(dice, _NEW_ANIMAL, taken)
        animal.dead = False
        return self._known(dice, circle, person, animal)

    def _partner_unregistered(self, dice: Dice) -> _Case:
        for _ in range(_TRIES):
            circle, _, owner, animal = self._member(dice, "single", "duplicate")
            if len(circle.people) > 1:
                partner = circle.people[1]
                case = self._own_contact(_Case(partner, animal, circle, meant(circle, owner, animal)), dice)
                return replace(case, existing=True)
        return self._client(dice)

    def _stale_contact(self, dice: Dice) -> _Case:
        circle, _, person, animal = self._member(dice)
        phone, email = self._maker.new_contact(dice, person)
        case = _Case(person, animal, circle, meant(circle, person, animal), existing=True)
        return replace(case, phone=phone, email=email)

    def _placeholder_typed(self, dice: Dice, number: int) -> _Case:
        text = self._maker.clinic_phone(dice) if dice.chance(0.1) else self._maker.placeholder(dice)
        case = self._client(dice) if dice.chance(0.7) else self._new(dice, number)
        return replace(case, phone="", texts={"phone": text}, keep=frozenset({"phone"}))

    def _dead_pet(self, dice: Dice) -> _Case:
        for _ in range(_TRIES):
            circle = self._circle(dice, "dead_pet")
            card = dice.pick(circle.cards)
            dead = [pet.animal for pet in card.pets if pet.current and pet.animal.dead]
            if dead and card.active:
                case = self._known(dice, circle, dice.pick(card.people), dice.pick(dead))
                return replace(case, keep=frozenset({"pet_name"}))
        return self._client(dice)

    def _sitter(self, dice: Dice, number: int) -> _Case:
        circle, _, owner, animal = self._member(dice)
        sitter = self._maker.stranger(dice, 2 * number)
        return self._for_other(dice, circle, owner, animal, sitter)

    def _sitter_client(self, dice: Dice) -> _Case:
        circle, _, owner, animal = self._member(dice)
        other, _, sitter, _ = self._member(dice)
        case = self._for_other(dice, circle, owner, animal, sitter)
        if case.named is None and other.number != circle.number:
            # Nothing in the message tells it from a client's new pet: the sitter's own cards are no wrong answer.
            own = meant(other, sitter, None)
            case.truth = Truth(
                case.truth.right + own.right, case.truth.household + own.household, case.truth.patients
            )
            case.clear = False
        return case

    def _for_other(self, dice: Dice, circle: Circle, owner: Person, animal: Animal, sitter: Person) -> _Case:
        truth = meant(circle, owner, animal)
        case = self._own_contact(_Case(sitter, animal, circle, truth), dice)
        case = replace(
            case, existing=True, keep=frozenset({"pet_name"}), drop=frozenset({"street", "postcode", "city"})
        )
        roll = dice.roll()
        if roll < 0.35:  # the owner's name, the sitter's contact
            return replace(case, named=owner)
        if roll < 0.50:
            text = dice.pick(self._words.for_other).format(
                booker=f"{sitter.given} {sitter.family}", family=owner.family
            )
            return replace(case, named=owner, texts={"owner_name": text})
        if roll < 0.65:
            pet = dice.pick(("{0} {1}", "{0} ({1})")).format(animal.name, owner.family)
            return replace(case, named=owner, texts={"pet_name": pet, "given": sitter.given, "family": sitter.family})
        return case

    def _missing(self, dice: Dice, number: int) -> _Case:
        case = self._client(dice) if dice.chance(0.75) else self._new(dice, number)
        ways = (
            {"phone"},
            {"email"},
            {"phone", "email"},
            {"last_name"},
            {"first_name"},
            {"first_name", "last_name"},
            {"pet_name", "species", "breed"},
            {"pet_name", "phone"},
            {"last_name", "email"},
            {"first_name", "email", "pet_name"},
        )
        return replace(case, drop=frozenset(dice.pick(ways)))

    def _ambiguous(self, dice: Dice, number: int) -> _Case:
        """Only "Anna, dog Luna"."""
        case = self._client(dice) if dice.chance(0.8) else self._new(dice, number)
        drop = {"phone", "email", "street", "postcode", "city", "birth_date", "breed", "sex"}
        drop.add("last_name" if dice.chance(0.7) else "pet_name")
        return replace(case, drop=frozenset(drop), keep=frozenset({"first_name", "species"}), clear=False)

    def _hostile(self, dice: Dice, number: int) -> _Case:
        return self._client(dice)

    # Scenarios: nobody in the clinic is meant.

    def _new(self, dice: Dice, number: int) -> _Case:
        person = self._maker.stranger(dice, 2 * number)
        animal = self._maker.animal(dice, _NEW_ANIMAL)
        return self._own_contact(_Case(person, animal), dice)

    def _hostile_new(self, dice: Dice, number: int) -> _Case:
        return self._new(dice, number)

    def _double(self, dice: Dice, number: int) -> tuple[_Case, Person]:
        """A stranger with a client's full name and an animal like the client's."""
        _, _, person, animal = self._member(dice)
        stranger = self._maker.stranger(dice, 2 * number)
        stranger = replace(stranger, given=person.given, family=person.family, female=person.female)
        roll = dice.roll()
        other = self._maker.animal(dice, _NEW_ANIMAL, {animal.name}, animal.species)
        if roll < 0.25:
            other.name = animal.name
        elif roll < 0.45 and animal.name in self._words.pet_forms:
            other.name = dice.pick(self._words.pet_forms[animal.name])
        if dice.chance(0.4):
            other.breed = animal.breed
        case = self._own_contact(_Case(stranger, other), dice)
        case.email = self._maker.new_contact(dice, stranger)[1]
        if other.name == animal.name:
            case.clear = False
        return case, person

    def _lookalike(self, dice: Dice, number: int) -> _Case:
        return self._double(dice, number)[0]

    def _lookalike_town(self, dice: Dice, number: int) -> _Case:
        """The double lives in the client's town, every third one in the same quarter."""
        case, client = self._double(dice, number)
        home = case.person.home
        home.town, home.city = client.home.town, client.home.city
        if dice.chance(0.35):
            home.postcode = client.home.postcode
        else:
            home.postcode = self._maker.postcode(home.town, dice.below(24))
        return replace(case, keep=frozenset({"postcode", "city"}))

    def _recycled_stranger(self, dice: Dice, number: int) -> _Case:
        case = self._new(dice, number)
        _, card, _, _ = self._member(dice, fits=lambda card: bool(card.phones))
        if not card.phones:
            return case
        return replace(case, phone=card.phones[-1], keep=frozenset({"phone"}))

    def _flatmate_new(self, dice: Dice, number: int) -> _Case:
        _, card, _, _ = self._member(dice, fits=lambda card: bool(card.street))
        person = self._maker.stranger(dice, 2 * number, home=replace(card.home, number=-1, landline=""))
        animal = self._maker.animal(dice, _NEW_ANIMAL)
        case = self._own_contact(_Case(person, animal), dice)
        return replace(case, keep=frozenset({"street", "postcode", "city"}))

    def _relative_new(self, dice: Dice, number: int) -> _Case:
        """An adult child or a sister of a client, with a home, a contact and an animal of their own."""
        circle, _, client, _ = self._member(dice)
        person = self._maker.stranger(dice, 2 * number, family=client.family)
        taken = {pet.animal.name for card in circle.cards for pet in card.pets}
        case = self._own_contact(_Case(person, self._maker.animal(dice, _NEW_ANIMAL, taken)), dice)
        family = [card for card in circle.cards if card.people[0].group == client.group]
        return replace(case, truth=Truth(household=family))


def _card_trap(circle: Circle, card: OwnerCard) -> str:
    """What makes a card hard to find, in one word; empty where nothing does."""
    if circle.kind != "single":
        return circle.kind
    return min(card.traits, default="")


class _Form:
    """Fills in the form as the booker would, and keeps what a careful reader would find in it."""

    def __init__(self, case: _Case, maker: CircleMaker, shares: Shares, dice: Dice) -> None:
        self.fields: dict[str, str | bool] = {}
        self.told = Told()
        self._case = case
        self._maker = maker
        self._words = maker.words
        self._given_shares = shares.fields
        self._slips = shares.slips
        self._dice = dice
        self._slipped: list[str] = []

    def trap(self) -> str:
        """The first slip that was made, else what is odd about the card, else ``plain``; for a new client ``new``."""
        if not self._case.truth.right:
            return "new"
        return self._slipped[0] if self._slipped else self._case.card_trap or "plain"

    def fill(self) -> None:
        """Writes all fields."""
        self._names()
        self._contact()
        self._address()
        self._pet()
        share = self._given_shares
        if self._dice.chance(share.claims_existing):
            wrong = self._dice.chance(share.claims_wrong)
            self.fields["claims_existing"] = self._case.existing != wrong

    def poison(self) -> None:
        """Replaces one or two texts by hostile ones; what they said does not count."""
        for _ in range(1 + self._dice.below(2)):
            name = self._dice.pick(
                [key for key, value in self.fields.items() if isinstance(value, str)] or ["pet_name"]
            )
            self.fields[name] = slips.hostile(str(self.fields.get(name, "")), self._dice)
            told = self.told
            if name in {"first_name", "owner_name"}:
                told.given = False
            if name in {"last_name", "owner_name"}:
                told.family = False
            if name == "phone":
                told.phone = ""
            if name == "email":
                told.email = ""
            if name == "pet_name":
                told.animal = None

    def _wants(self, name: str, share: float) -> bool:
        asked = self._dice.chance(share)
        return name in self._case.keep or (asked and name not in self._case.drop)

    def _slip(self, name: str, share: float) -> bool:
        if self._dice.chance(share):
            self._slipped.append(name)
            return True
        return False

    def _put(self, name: str, text: str) -> None:
        if text:
            self.fields[name] = text

    def _names(self) -> None:
        case, dice = self._case, self._dice
        who = case.named or case.person
        self.told.who = who
        given, family = case.texts.get("given", who.given), case.texts.get("family", who.family)
        keep_given, keep_family = "first_name" not in case.drop, "last_name" not in case.drop
        self.told.given = keep_given and case.texts.get("given") in {None, who.given}
        self.told.family = keep_family
        if "owner_name" in case.texts:
            self._put("owner_name", case.texts["owner_name"])
            self.told.given = False
            return
        given, family = self._slip_names(who, given, family)
        if keep_given and keep_family and self._slip("one_field", self._slips.one_field):
            turned = dice.roll()
            text = (
                f"{given} {family}"
                if turned < 0.7
                else f"{family} {given}"
                if turned < 0.85
                else f"{family}, {given}"
            )
            self._put("owner_name", text)
            return
        if keep_given and keep_family and self._slip("transposed", self._slips.transposed):
            given, family = family, given
        if keep_given:
            self._put("first_name", given)
        if keep_family:
            self._put("last_name", family)

    def _slip_names(self, who: Person, given: str, family: str) -> tuple[str, str]:
        share, words, dice = self._slips, self._words, self._dice
        if self._slip("married_name", share.married_name):
            family = who.maiden
            self.told.family = False
        elif self._slip("double_name", share.double_name):
            family = f"{family}-{who.maiden}" if dice.chance(0.6) else f"{who.maiden} {family}"
        if given in words.nicknames and self._slip("nickname", share.nickname):
            given = dice.pick(words.nicknames[given])
        elif self._slip("initial", share.initial):
            given = f"{given[:1]}." if dice.chance(0.5) else given[:1]
        elif self._slip("middle_name", share.middle_name):
            given = f"{given} {self._maker.given_name(dice, female=who.female)}"
        if self._slip("typo_keyboard", share.typo_keyboard):
            given, family = self._one(given, family, lambda text: slips.neighbour_key(text, words, dice))
        if self._slip("typo_ear", share.typo_ear):
            given, family = self._one(given, family, lambda text: slips.by_ear(text, words, dice))
        if self._slip("typo_letters", share.typo_letters):
            given, family = self._one(given, family, lambda text: slips.swapped_letters(text, dice))
        foreign = any(letter in words.letters for letter in f"{given}{family}".lower())
        if foreign and self._slip("transliterated", share.transliterated):
            given = slips.transliterated(given, words.letters, dice)
            family = slips.transliterated(family, words.letters, dice)
        if self._slip("letter_case", share.letter_case):
            upper = dice.chance(0.4)
            given, family = (given.upper(), family.upper()) if upper else (given.lower(), family.lower())
        if self._slip("title", share.title):
            given = f"{dice.pick(words.titles)} {given}"
        return given, family

    def _one(self, given: str, family: str, change: Callable[[str], str]) -> tuple[str, str]:
        return (given, change(family)) if self._dice.chance(0.65) else (change(given), family)

    def _contact(self) -> None:
        case, dice = self._case, self._dice
        phone_wanted = self._wants("phone", self._given_shares.phone)
        email_wanted = self._wants("email", self._given_shares.email)
        if "phone" in case.texts:
            self._put("phone", case.texts["phone"])
        elif phone_wanted and case.phone:
            text = written(case.phone, self._words.phone, dice)
            self.told.phone = case.phone
            if self._slip("phone_typo", self._slips.phone_typo):
                text, self.told.phone = slips.wrong_digit(text, dice), ""
            self._put("phone", text)
        if "email" in case.texts:
            self._put("email", case.texts["email"])
        elif email_wanted and case.email:
            text = case.email
            self.told.email = text
            if self._slip("email_typo", self._slips.email_typo):
                local, _, domain = text.partition("@")
                text, self.told.email = f"{slips.typo(local, self._words, dice)}@{domain}", ""
            elif dice.chance(0.04):
                text = text.upper() if dice.chance(0.4) else text.capitalize()
            self._put("email", text)

    def _address(self) -> None:
        home, share = self._case.person.home, self._given_shares
        if self._wants("street", share.street):
            self._put("street", self._maker.street_text(home, self._dice))
            self.told.home = home
        if self._wants("postcode", share.postcode):
            compact = self._dice.chance(0.2)
            self._put("postcode", home.postcode.replace(" ", "").lower() if compact else home.postcode)
        if self._wants("city", share.city):
            self._put("city", home.city)

    def _pet(self) -> None:
        case, dice, share = self._case, self._dice, self._given_shares
        animal = case.animal
        if animal is None:
            return
        if "pet_name" in case.texts:
            self._put("pet_name", case.texts["pet_name"])
            self.told.animal = animal
        elif self._wants("pet_name", share.pet_name):
            self._put("pet_name", self._pet_name(animal))
            self.told.animal = animal
        species = animal.species
        if self._slip("species_wrong", self._slips.species):
            species = "cat" if species == "dog" else "dog"
        if self._wants("species", share.species):
            self._put("species", self._words.species[species].draw(dice))
        if self._wants("breed", share.breed):
            self._put("breed", self._maker.breed_text(animal, dice))
            self.told.detail = True
        if self._wants("sex", share.sex):
            self._put("sex", self._words.sexes[animal.sex].draw(dice))
        if self._wants("birth_date", share.birth_date):
            day = animal.birth_date
            if self._slip("birth_date_wrong", self._slips.birth_date):
                day = slips.wrong_day(day, dice)
            else:
                self.told.detail = True
            self._put("birth_date", day.isoformat())

    def _pet_name(self, animal: Animal) -> str:
        words, dice, share = self._words, self._dice, self._slips
        name = animal.name
        if self._slip("pet_form", share.pet_form):
            forms = words.pet_forms.get(name)
            name = dice.pick(forms) if forms else f"{name}{dice.pick(words.pet_endings)}"
        elif self._slip("pet_typo", share.pet_typo):
            name = slips.typo(name, words, dice)
        if self._slip("pet_remark", share.pet_remark):
            name = f"{name} {animal.breed[0] if dice.chance(0.5) else dice.pick(words.pet_remarks)}"
        roll = dice.roll()
        return name.lower() if roll < 0.04 else name.upper() if roll < 0.07 else name
