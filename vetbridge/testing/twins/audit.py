"""The independent audit of going live: what VetBridge did to two sides that were full already.

It compares what the two simulators held before and hold after, and the pairs that the ledger keeps, with the truth.
Of VetBridge it knows the layout of a card's pets field, for the keys that stand there, and nothing of how it pairs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from connectors.altegio import pets_field
from connectors.altegio import simulator as altegio
from connectors.ezyvet import simulator as ezyvet
from vetbridge.ledger import reports
from vetbridge.ledger.database import Transaction
from vetbridge.testing.simkit import Row, Simulator
from vetbridge.testing.twins.truth import Truth, folded

CLIENT, PET, APPOINTMENT = "client", "pet", "appointment"
BOOKING, PIMS = "booking", "pims"

_KINDS: Mapping[str, Mapping[str, str]] = {
    BOOKING: {"client": CLIENT, "record": APPOINTMENT},
    PIMS: {"contact": CLIENT, "contactdetail": "contactdetail", "animal": PET, "appointment": APPOINTMENT},
}
"""What the simulators keep, by their own words, and what it is."""
_STAMPS = frozenset({"modified_at", "_changed"})
_ALL = 10_000_000
_ASKED = "asked"
"""Origin of a link of two visits that may be one, until a person has said so."""
_SAME_DIGITS = 9
"""That many last digits of a phone are compared, however it is written."""
_VETS = {str(code): int(word.removeprefix("vet_")) for word, code in ezyvet.CODE_LISTS["resource"].items()}


class Wrong(StrEnum):
    """What must not happen."""

    TWICE = "created twice"
    PAIR = "wrong pair"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. ``id`` is the record's, or both ids of a pair; ``words`` hold no personal data."""

    wrong: Wrong
    side: str
    """Empty for a pair."""
    kind: str
    id: str
    words: str


class PairedIds(NamedTuple):
    """A link of the ledger. ``primary``: not one of several that share a card."""

    kind: str
    booking_id: str
    pims_id: str
    primary: bool = True


class Touched(NamedTuple):
    """A record that a person made or changed."""

    side: str
    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class PeopleDid:
    """What people have done at the two sides between two snapshots."""

    touched: frozenset[Touched] = frozenset()
    write_requests: Mapping[str, int] = field(default_factory=dict)
    """By side."""
    notices: Mapping[str, int] = field(default_factory=dict)
    """Messages that their own work made a vendor send, by side."""


NOBODY = PeopleDid()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Both simulators' stores at one moment, and what they have counted."""

    rows: Mapping[str, Mapping[str, Mapping[str, Row]]]
    """By side, kind in the simulator's own word, and id."""
    counts: Mapping[str, Mapping[str, Any]]


def snapshot(booking: Simulator, pims: Simulator) -> Snapshot:
    """Both sides as they stand now."""
    sides = {BOOKING: booking, PIMS: pims}
    return Snapshot(
        rows={
            side: {kind: {str(row["id"]): row for row in simulator.store.all(kind)} for kind in _KINDS[side]}
            for side, simulator in sides.items()
        },
        counts={side: simulator.counts() for side, simulator in sides.items()},
    )


def pairs_in(tx: Transaction, site: str) -> tuple[PairedIds, ...]:
    """The links of a site that hold now, but those that only keep a question open."""
    _, links = reports.list_links(tx, site=site, limit=_ALL)
    return tuple(
        PairedIds(str(link.kind), link.booking_id, link.pims_id, link.role == "primary")
        for link in links
        if link.origin != _ASKED
    )


@dataclass(frozen=True, slots=True)
class Audit:
    """What the audit found.

    ``created`` and ``changed`` name the records that VetBridge made and changed, by side and kind; whether that was
    asked for is not theirs to say. ``paired`` tells by kind how many records of the platform that have a counterpart
    are in the ledger, and of how many. Visits that are past do not count, nor drifted ones: about these a person
    is asked.
    """

    findings: tuple[Finding, ...]
    created: Mapping[str, tuple[str, ...]]
    changed: Mapping[str, tuple[str, ...]]
    write_requests: Mapping[str, int]
    notices: Mapping[str, int]
    paired: Mapping[str, tuple[int, int]]

    def count(self, wrong: Wrong) -> int:
        """How many records or pairs are wrong in this way."""
        return len({(found.side, found.kind, found.id) for found in self.findings if found.wrong is wrong})

    @property
    def clean(self) -> bool:
        """Nothing was created twice, paired wrongly or cancelled, and nobody got a message."""
        return not self.findings and not any(self.notices.values())

    @property
    def silent(self) -> bool:
        """Clean, and VetBridge sent no request to either side that writes."""
        return self.clean and not any(self.write_requests.values())

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON. No personal data."""
        return {
            "created_twice": self.count(Wrong.TWICE),
            "wrong_pairs": self.count(Wrong.PAIR),
            "cancelled": self.count(Wrong.CANCELLED),
            "write_requests": dict(self.write_requests),
            "notices": dict(self.notices),
            "paired": {kind: {"paired": done, "of": of} for kind, (done, of) in self.paired.items()},
            "created": {what: list(ids) for what, ids in self.created.items()},
            "changed": {what: list(ids) for what, ids in self.changed.items()},
            "findings": [asdict(found) for found in self.findings],
        }


def audit(
    before: Snapshot, after: Snapshot, pairs: Iterable[PairedIds], truth: Truth, people: PeopleDid = NOBODY
) -> Audit:
    """What came about between the two snapshots that people did not do. ``truth`` covers what people did."""
    return _Auditor(before, after, tuple(pairs), truth, people).audit()


class _Auditor:
    def __init__(
        self, before: Snapshot, after: Snapshot, pairs: tuple[PairedIds, ...], truth: Truth, people: PeopleDid
    ) -> None:
        self._before, self._after = before.rows, after.rows
        self._counts = before.counts, after.counts
        self._pairs = pairs
        self._truth = truth
        self._people = people
        self._findings: list[Finding] = []
        self._cards_of = truth.cards_of()
        self._bookings_of = truth.bookings_of()
        self._to_booking: dict[tuple[str, str], set[str]] = defaultdict(set)
        for pair in pairs:
            self._to_booking[pair.kind, pair.pims_id].add(pair.booking_id)
        self._to_pims: dict[tuple[str, str], set[str]] = defaultdict(set)
        for pair in pairs:
            self._to_pims[pair.kind, pair.booking_id].add(pair.pims_id)
        self._details: dict[str, list[Row]] = defaultdict(list)
        for row in self._after[PIMS]["contactdetail"].values():
            self._details[str(row["contact_id"])].append(row)
        self._animals: dict[tuple[str, str], set[str]] = defaultdict(set)
        """By contact and folded name."""
        for id_, row in self._after[PIMS]["animal"].items():
            self._animals[str(row["contact_id"]), folded(row["name"])].add(id_)
        self._same_animal = {animal: ids for ids in truth.pets.values() for animal in ids}

    def audit(self) -> Audit:
        """Everything."""
        made = {(side, kind): self._made(side, kind) for side, kinds in _KINDS.items() for kind in kinds}
        self._check_contacts(made[PIMS, "contact"])
        self._check_animals(made[PIMS, "animal"])
        self._check_appointments(made[PIMS, "appointment"])
        self._check_cards(made[BOOKING, "client"])
        self._check_listed_pets()
        self._check_records(made[BOOKING, "record"])
        self._check_pairs(made)
        changed = self._changed()
        return Audit(
            findings=tuple(dict.fromkeys(self._findings)),
            created=_named({key: sorted(rows) for key, rows in made.items()}),
            changed=_named(changed),
            write_requests=self._counted("write_requests", self._people.write_requests),
            notices=self._counted("notices", self._people.notices),
            paired=self._paired(),
        )

    def _found(self, wrong: Wrong, side: str, kind: str, id_: str, words: str) -> None:
        self._findings.append(Finding(wrong, side, kind, id_, words))

    def _made(self, side: str, kind: str) -> dict[str, Row]:
        """Rows that are new and that no person made."""
        word, before, touched = _KINDS[side][kind], self._before[side][kind], self._people.touched
        return {
            id_: row
            for id_, row in self._after[side][kind].items()
            if id_ not in before and Touched(side, word, id_) not in touched
        }

    def _stood(self, side: str, kind: str) -> dict[str, Row]:
        """Rows that are no work of VetBridge, as they are now."""
        made = self._made(side, kind)
        return {id_: row for id_, row in self._after[side][kind].items() if id_ not in made}

    def _counted(self, name: str, people: Mapping[str, int]) -> dict[str, int]:
        before, after = self._counts
        return {side: after[side][name] - before[side][name] - people.get(side, 0) for side in (BOOKING, PIMS)}

    # -- made twice in the PIMS

    def _check_contacts(self, made: Mapping[str, Row]) -> None:
        phones = {number for contact in self._stood(PIMS, "contact") for number in self._phones_of(contact)}
        used: set[str] = set()
        for id_ in made:
            cards = self._to_booking[CLIENT, id_] or self._cards_with(self._phones_of(id_))
            if any(self._truth.clients.get(card) for card in cards):
                self._found(Wrong.TWICE, PIMS, CLIENT, id_, "the person of its card was registered")
            elif self._phones_of(id_) & phones:
                self._found(Wrong.TWICE, PIMS, CLIENT, id_, "its phone was registered")
            elif cards & used:
                self._found(Wrong.TWICE, PIMS, CLIENT, id_, "another one was made for its card")
            used |= cards

    def _phones_of(self, contact: str) -> set[str]:
        emails = ezyvet.DETAIL_TYPES["email"]
        return {
            _digits(row["value"])
            for row in self._details.get(contact, ())
            if row["contact_detail_type_id"] != emails and _digits(row["value"])
        }

    def _cards_with(self, phones: Collection[str]) -> set[str]:
        return {id_ for id_, row in self._after[BOOKING]["client"].items() if _digits(row["phone"]) in phones}

    def _check_animals(self, made: Mapping[str, Row]) -> None:
        named: dict[tuple[str, str], set[str]] = defaultdict(set)
        for id_, row in self._stood(PIMS, "animal").items():
            named[str(row["contact_id"]), folded(row["name"])].add(id_)
        for id_, row in made.items():
            family = self._family(str(row["contact_id"]))
            if any(self._truth.pets.get(key) for key in self._typed_for(id_)):
                self._found(Wrong.TWICE, PIMS, PET, id_, "the animal that was meant was registered")
            elif any(named.get((contact, folded(row["name"]))) for contact in family):
                self._found(Wrong.TWICE, PIMS, PET, id_, "an animal of that name was registered there")
            named[str(row["contact_id"]), folded(row["name"])].add(id_)

    def _family(self, contact: str) -> set[str]:
        """All registrations of a person and of the partner."""
        return {contact, *self._truth.people.get(contact, ()), *self._truth.households.get(contact, ())}

    def _typed_for(self, animal: str) -> Iterator[tuple[str, str]]:
        """Card and name of the pets at the platform that a new animal stands for: by its links, and by its visits."""
        for pet in self._to_booking[PET, animal]:
            card, name = self._listed_name(pet)
            yield card, name
        for visit, row in self._after[PIMS]["appointment"].items():
            if str(row["animal_id"]) == animal:
                for booking in self._to_booking[APPOINTMENT, visit]:
                    record = self._after[BOOKING]["record"].get(booking, {})
                    typed = record.get("custom_fields", {}).get("pet_name", "")
                    yield str(record.get("client_id")), folded(typed)

    def _check_appointments(self, made: Mapping[str, Row]) -> None:
        at: dict[tuple[int, int], set[str]] = defaultdict(set)
        for id_, row in self._stood(BOOKING, "record").items():
            if row["client_id"] is not None:
                at[_booking_slot(row)].add(id_)
        stood = filter(_stands, self._stood(PIMS, "appointment").values())
        alike = {(_pims_slot(row), row["animal_id"]) for row in stood}
        used: set[str] = set()
        for id_, row in made.items():
            bookings = self._to_booking[APPOINTMENT, id_] or at.get(_pims_slot(row), set())
            if any(self._truth.visits.get(booking) for booking in bookings):
                self._found(Wrong.TWICE, PIMS, APPOINTMENT, id_, "the visit stood there")
            elif (_pims_slot(row), row["animal_id"]) in alike:
                self._found(Wrong.TWICE, PIMS, APPOINTMENT, id_, "one like it stood there")
            elif row["active"] and bookings & used:
                self._found(Wrong.TWICE, PIMS, APPOINTMENT, id_, "another one was made for its booking")
            if row["active"]:
                used |= bookings

    # -- made twice at the platform

    def _check_cards(self, made: Mapping[str, Row]) -> None:
        used: set[str] = set()
        stood = self._stood(BOOKING, "client")
        phones = {_digits(row["phone"]) for row in stood.values()}
        for id_, row in made.items():
            contacts = self._to_pims[CLIENT, id_] or self._contacts_with(_digits(row["phone"]))
            people = {one for contact in contacts for one in self._truth.people.get(contact, {contact})}
            if any(self._cards_of.get(contact) for contact in people):
                self._found(Wrong.TWICE, BOOKING, CLIENT, id_, "the person had a card")
            elif _digits(row["phone"]) in phones:
                self._found(Wrong.TWICE, BOOKING, CLIENT, id_, "its phone was on a card")
            elif people & used:
                self._found(Wrong.TWICE, BOOKING, CLIENT, id_, "another card was made for the person")
            used |= people

    def _contacts_with(self, phone: str) -> set[str]:
        return {contact for contact in self._details if phone in self._phones_of(contact)}

    def _check_listed_pets(self) -> None:
        """A card that lists one animal twice, and did not before."""
        for id_, row in self._after[BOOKING]["client"].items():
            was = [self._meant(id_, name) for name in _listed(self._before[BOOKING]["client"].get(id_, {})).values()]
            now = [self._meant(id_, name) for name in _listed(row).values()]
            for meant in set(now):
                if now.count(meant) > max(1, was.count(meant)):
                    self._found(Wrong.TWICE, BOOKING, PET, id_, "the card lists an animal twice")

    def _meant(self, card: str, name: str) -> object:
        """The animal that a name on a card means: the PIMS's, or the name where the PIMS has none."""
        meant = self._truth.pets.get((card, folded(name)))
        if meant:
            return meant
        animals = self._animals_called(card, folded(name))
        return next((self._same_animal[one] for one in animals if one in self._same_animal), folded(name))

    def _animals_called(self, card: str, name: str) -> list[str]:
        """The animals of this folded name that the PIMS has with those who share a card."""
        contacts = {*self._truth.clients.get(card, ()), *self._truth.sharers.get(card, ())}
        contacts |= self._to_pims[CLIENT, card]
        return sorted(animal for contact in contacts for animal in self._animals.get((contact, name), ()))

    def _check_records(self, made: Mapping[str, Row]) -> None:
        at: dict[tuple[int, int], set[str]] = defaultdict(set)
        for id_, row in self._stood(PIMS, "appointment").items():
            if row["type_id"] != ezyvet.BLOCK_TYPE:
                at[_pims_slot(row)].add(id_)
        stood = filter(_stands, self._stood(BOOKING, "record").values())
        alike = {(_booking_slot(row), row["client_id"]) for row in stood}
        used: set[str] = set()
        for id_, row in made.items():
            visits = self._to_pims[APPOINTMENT, id_] or at.get(_booking_slot(row), set())
            if any(self._bookings_of.get(visit) for visit in visits):
                self._found(Wrong.TWICE, BOOKING, APPOINTMENT, id_, "the booking stood there")
            elif row["client_id"] is not None and (_booking_slot(row), row["client_id"]) in alike:
                self._found(Wrong.TWICE, BOOKING, APPOINTMENT, id_, "one like it stood there")
            elif not row["deleted"] and visits & used:
                self._found(Wrong.TWICE, BOOKING, APPOINTMENT, id_, "another one was made for its visit")
            if not row["deleted"]:
                used |= visits

    # -- pairs

    def _check_pairs(self, made: Mapping[tuple[str, str], Mapping[str, Row]]) -> None:
        """Pairs of two records that were there. What VetBridge made itself is its pair's, or was created twice."""
        for pair in self._pairs:
            if pair.kind == CLIENT:
                new = pair.booking_id in made[BOOKING, "client"] or pair.pims_id in made[PIMS, "contact"]
                right = self._right_clients(pair)
            elif pair.kind == PET:
                card, name = self._listed_name(pair.booking_id)
                new = card in made[BOOKING, "client"] or pair.pims_id in made[PIMS, "animal"]
                right = self._right_pets(card, name)
            elif pair.kind == APPOINTMENT:
                new = pair.booking_id in made[BOOKING, "record"] or pair.pims_id in made[PIMS, "appointment"]
                right = self._truth.visits.get(pair.booking_id, frozenset())
            else:
                continue
            if not new and pair.pims_id not in right:
                words = "these are not the same" if right else "the PIMS did not have it"
                self._found(Wrong.PAIR, "", pair.kind, f"{pair.booking_id} = {pair.pims_id}", words)

    def _right_clients(self, pair: PairedIds) -> Collection[str]:
        """The person's registrations; the partner's, too, for a member, and where the card names both."""
        right = self._truth.clients.get(pair.booking_id, frozenset())
        if pair.primary and pair.booking_id not in self._truth.both:
            return right
        return right | self._truth.sharers.get(pair.booking_id, frozenset())

    def _right_pets(self, card: str, name: str) -> Collection[str]:
        """The animals that a name on a card means; one that VetBridge wrote there means what bears it in the PIMS."""
        known = self._truth.pets.get((card, name))
        if known is not None:
            return known
        return self._animals_called(card, name)

    def _listed_name(self, pet: str) -> tuple[str, str]:
        """Card and folded name of a pet's id at the platform, as the card has it now or had it."""
        card, _, key = pet.partition("/")
        for rows in (self._after, self._before):
            name = _listed(rows[BOOKING]["client"].get(card, {})).get(key)
            if name is not None:
                return card, folded(name)
        return card, ""

    # -- what else became of the rows

    def _changed(self) -> dict[tuple[str, str], list[str]]:
        """Rows that are not as they were, and that no person touched; cancelled and vanished ones are found wrong."""
        changed: dict[tuple[str, str], list[str]] = {}
        for side, kinds in _KINDS.items():
            for kind, word in kinds.items():
                for id_, old in self._before[side][kind].items():
                    if Touched(side, word, id_) in self._people.touched:
                        continue
                    new = self._after[side][kind].get(id_)
                    if new is None or _stands(old) != _stands(new):
                        self._found(Wrong.CANCELLED, side, word, id_, "nobody asked for it")
                    elif _without_stamps(old) != _without_stamps(new):
                        changed.setdefault((side, kind), []).append(id_)
        return changed

    def _paired(self) -> dict[str, tuple[int, int]]:
        pairs = {(pair.kind, pair.booking_id) for pair in self._pairs}
        cards = [card for card, contacts in self._truth.clients.items() if contacts]
        left_out = self._truth.past | self._truth.drifted
        records = self._after[BOOKING]["record"]
        visits = [
            booking
            for booking, ids in self._truth.visits.items()
            if ids and booking not in left_out and booking in records and _stands(records[booking])
        ]
        return {
            CLIENT: (sum((CLIENT, card) in pairs for card in cards), len(cards)),
            APPOINTMENT: (sum((APPOINTMENT, booking) in pairs for booking in visits), len(visits)),
        }


def _named(found: Mapping[tuple[str, str], Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """By side and the simulator's kind; what is empty is left out."""
    return {f"{side} {kind}": ids for (side, kind), listed in found.items() if (ids := tuple(listed))}


def _listed(card: Row) -> dict[str, str]:
    """The pets of a card: VetBridge's key to the name."""
    text = card.get("custom_fields", {}).get(altegio.PETS_FIELD, "")
    return {pet.key: pet.name for pet in pets_field.decode(text)}


def _stands(row: Row) -> bool:
    return bool(row.get("active", True)) and not row.get("deleted", False)


def _without_stamps(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _STAMPS}


def _digits(phone: str) -> str:
    return "".join(letter for letter in phone if letter in "0123456789")[-_SAME_DIGITS:]


def _booking_slot(row: Row) -> tuple[int, int]:
    """Start in seconds since 1970, and the vet's number."""
    return row["_start"], row["staff_id"] - altegio.STAFF_FROM + 1


def _pims_slot(row: Row) -> tuple[int, int]:
    vet = row["resources"][0]["id"] if row["resources"] else ""
    return row["start_at"], _VETS.get(str(vet), 0)
