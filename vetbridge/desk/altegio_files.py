"""Files that an admin uploads in Altegio before go-live: the clients and pets of a practice, its past visits.

What Altegio's upload takes is known from its migration playbook alone: xlsx, csv or xls up to 12 MB, up to 500 rows
to paste, a name and a phone for every client. That a location takes a phone once stands in its API (altegio.md,
section 3.6). The titles of its columns are not public, so they can be given.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import phonenumbers
import yaml

from vetbridge.core import normalise
from vetbridge.core.matching import same_person
from vetbridge.core.records import Client, Pet
from vetbridge.desk import clinic_files
from vetbridge.desk.altegio_visits import Card, Visits, write_visits
from vetbridge.desk.clinic_files import UnusableFile
from vetbridge.desk.evaluation import Progress, counted
from vetbridge.desk.go_live_report import GoLiveReport
from vetbridge.desk.membership_numbers import check_numbers
from vetbridge.desk.sheet_parts import LARGEST_PART, Part, Parts, whole_folder
from vetbridge.desk.sheets import EveryRefusal, bare, table
from vetbridge.ledger import mirror
from vetbridge.ledger.database import Ledger

TITLES: Mapping[str, str] = {
    "name": "Name",
    "surname": "Surname",
    "phone": "Phone",
    "email": "Email",
    "pets": "Pets",
    "opt_out": "Do not send",
}
"""The columns of a client list in their order, with the titles that stand where none are given."""

MOST_PASTED = 500
"""Rows of a batch to paste (the playbook)."""
MOST_ON_A_PHONE = 10
"""A phone that more clients have is nobody's: the practice's own, mostly."""
PETS_LIMIT = 255
"""Characters that a text field of Altegio keeps (altegio.md, section 3.9)."""
OPT_OUT_UNKNOWN = (
    "who wants no messages is not known here; before any campaign, check it in the practice system and set it "
    "in Altegio"
)

_OURS = re.compile(
    r"clients-\d+\.(xlsx|csv)|paste-\d{3,}\.tsv|visits-\d+\.(xlsx|csv)|visits-archive\.csv|report\.csv"
)
_OPT_OUT_TITLES = {bare(title): name for title, name in (("owner_id", "owner_id"), ("opt_out", "opt_out"))}
_LARGEST_COLUMNS = 64 * 1024
_HEAD = 4096
_MOBILE = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)


@dataclass(frozen=True, slots=True)
class Owner:
    """A client with its pets. ``opt_out``: wants no messages; None where nobody knows."""

    client: Client
    pets: Sequence[Pet]
    opt_out: bool | None = None


class MirroredOwners:
    """The clients of a PIMS account, as they were last read into the mirror; without the site's placeholder."""

    def __init__(self, ledger: Ledger, account: str, *, country: str, placeholder: str | None) -> None:
        self._ledger = ledger
        self._account = account
        self._placeholder = placeholder
        self.country = country

    def walk(self) -> Iterator[Owner]:
        """Every client once, in an order that stays."""
        with self._ledger.read() as tx:
            for known in mirror.scan(tx, self._account):
                if known.client_id != self._placeholder:
                    yield Owner(known.client, known.pets)


class FiledOwners:
    """The clients of an owners file, in the format of `match eval`; its column ``opt_out`` is theirs alone."""

    def __init__(self, owners: Path, pets: Path | None, *, country: str) -> None:
        self._owners = owners
        self.country = country
        self.owners_report = EveryRefusal(owners)
        self.pets_report = None if pets is None else EveryRefusal(pets)
        self._pets: dict[str, list[Pet]] = {}
        for pet in (
            [] if self.pets_report is None else clinic_files.pets(self.pets_report, clinic_files.owner_ids(owners))
        ):
            self._pets.setdefault(pet.client_id or "", []).append(pet)
        self._opted_out = self._read_opt_outs()
        self._walked = False

    def walk(self) -> Iterator[Owner]:
        """Every client once, in the file's order. Raises ``UnusableFile``."""
        report = clinic_files.FileReport(self._owners) if self._walked else self.owners_report
        self._walked = True
        for client in clinic_files.clients(report):
            id_ = client.id or ""
            known = None if self._opted_out is None else id_ in self._opted_out
            yield Owner(client, self._pets.get(id_, ()), known)

    def _read_opt_outs(self) -> set[str] | None:
        """Who wants no messages; None where the file has no such column. What is unclear counts as such a wish."""
        if not self._owners.is_file():
            return None  # what is wrong says the walk
        with self._owners.open("rb") as file:
            # Most files have no such column, and a large one takes long to read.
            if b"opt" not in file.read(_HEAD).replace(b"\0", b"").lower():
                return None
        found: set[str] = set()
        known = False
        for row in table(EveryRefusal(self._owners), _OPT_OUT_TITLES, [frozenset({"owner_id"})]):
            if "opt_out" not in row.values:
                return None
            known = True
            text = row.text("opt_out").casefold()
            if text not in ("", "false", "0", "no", "n", "f"):
                found.add(row.text("owner_id"))
        return found if known else None


Owners = MirroredOwners | FiledOwners
"""The clients that are to go over: they can be walked through more than once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be made."""

    out: Path
    format: str = "xlsx"
    titles: Mapping[str, str] = field(default_factory=lambda: dict(TITLES))
    paste: bool = False
    with_inactive: bool = False
    memberships: Path | None = None
    visits: Path | None = None
    months: int = 24
    today: date
    """At the site."""
    replace: bool = False
    plan: bool = False
    """Only say what would be made."""
    largest: int = LARGEST_PART


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was made."""

    read: int
    written: int
    left_out: dict[str, int]
    """Clients by the code of the reason."""
    notes: dict[str, int]
    """What else is in the report, by code: pets that did not fit, visits, membership numbers."""
    opt_outs: int | None
    """Clients who want no messages; None where nobody knows."""
    visits: Visits | None
    memberships_wrong: int
    """Membership numbers that are empty or stand more than once."""
    files: tuple[Part, ...]


def make(order: Order, owners: Owners, progress: Progress) -> Made:
    """Makes the files, all of them or none. Raises ``UnusableFile`` for a file or folder that cannot be used."""
    with (
        whole_folder(
            order.out, ours=lambda name: _OURS.fullmatch(name) is not None, replace=order.replace, keep=not order.plan
        ) as folder,
        GoLiveReport(folder / "report.csv") as report,
    ):
        choice = _Choice(order, owners, report)
        read = choice.choose(progress)
        visits_wanted = order.visits is not None
        writing = _ClientLists(order, folder, owners, report, keep_cards=visits_wanted)
        written = writing.write(choice, progress)
        visits = None
        if order.visits is not None:
            visits = write_visits(
                order.visits,
                folder,
                cards=writing.cards | choice.same_as(writing.cards),
                pets=writing.pets,
                today=order.today,
                months=order.months,
                format=order.format,
                report=report,
                progress=progress,
                largest=order.largest,
            )
        wrong = 0 if order.memberships is None else check_numbers(order.memberships, report)
        if isinstance(owners, FiledOwners):
            _tell_refused(owners, report)
        report.close()
        files = (*writing.parts, *(visits.files if visits else ()))
        rest = Part("report.csv", report.rows, (folder / "report.csv").stat().st_size)
    return Made(
        read=read,
        written=written,
        left_out=dict(sorted(choice.left_out.items())),
        notes=dict(sorted(report.codes.items())),
        opt_outs=writing.opted_out if writing.opt_outs_known else None,
        visits=visits,
        memberships_wrong=wrong,
        files=(*files, rest),
    )


def read_titles(path: Path) -> dict[str, str]:
    """The titles of columns in a YAML file: one for each field it names; null leaves a column out.

    Raises ``UnusableFile``.
    """

    def wrong(words: str) -> UnusableFile:
        advice = f"It holds lines as `phone: Phone number`; fields are {', '.join(TITLES)}."
        return UnusableFile(f"{path}: {words}", code="columns-file", advice=advice)

    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_COLUMNS + 1)
        if len(raw) > _LARGEST_COLUMNS:
            raise wrong("it is far too long")
        given: Any = yaml.safe_load(raw.decode("utf-8-sig"))
    except OSError as error:
        raise wrong(f"it cannot be read: {error.strerror or error}") from None
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError):
        raise wrong("it is no YAML in UTF-8") from None
    if not isinstance(given, dict):
        raise wrong("it names no columns")
    titles: dict[str, str] = dict(TITLES)
    for name, title in given.items():
        if name not in TITLES:
            raise wrong(f"no field is called {normalise.shown(str(name), 40)!r}")
        if title is None and name not in ("name", "phone"):
            del titles[name]
        elif isinstance(title, str) and normalise.shown(title):
            titles[name] = normalise.shown(title)
        else:
            raise wrong(f"the title of {name} is no text")
    if len(set(titles.values())) < len(titles):
        raise wrong("two columns have one title")
    return titles


class _Best(NamedTuple):
    """The best row of a phone so far."""

    rank: tuple[bool, int, int, str]
    id: str
    given: str
    family: str


class _Less(NamedTuple):
    """A row whose phone has a better one."""

    id: str
    phone: str
    given: str
    family: str


class _Choice:
    """Which clients go over: each phone once, with its best row."""

    def __init__(self, order: Order, owners: Owners, report: GoLiveReport) -> None:
        self._order = order
        self._owners = owners
        self._report = report
        self._best: dict[str, _Best] = {}
        self._less: list[_Less] = []
        self._sharing: Counter[str] = Counter()
        self._same: dict[str, str] = {}
        self.opted_out: set[str] = set()
        """Phones that somebody who has them wants no messages on: the strictest wish counts for all who share one."""
        self.left_out: Counter[str] = Counter()

    def choose(self, progress: Progress) -> int:
        """Looks at every client; those that do not go over are told to the report. Returns how many there are."""
        read = 0
        for owner in counted(self._owners.walk(), "clients read", progress):
            read += 1
            self._consider(owner)
        for phone, number in self._sharing.items():
            if number > MOST_ON_A_PHONE:
                self._leave_out(self._best[phone].id, "phone-crowded")
        for one in self._less:
            self._settle(one)
        self._less.clear()
        return read

    def takes(self, client: Client) -> str | None:
        """The phone with which a client goes over; None where it does not."""
        if not client.active and not self._order.with_inactive:
            return None
        phone = best_phone(client, self._owners.country)
        if phone is None or self._sharing[phone] > MOST_ON_A_PHONE:
            return None
        best = self._best.get(phone)
        return phone if best is not None and best.id == client.id else None

    def same_as(self, cards: Mapping[str, Card]) -> dict[str, Card]:
        """The cards of those who were left out because they are on the list already, by their own ids."""
        return {id_: cards[stands] for id_, stands in self._same.items() if stands in cards}

    def _consider(self, owner: Owner) -> None:
        client, id_ = owner.client, owner.client.id or ""
        phone = best_phone(client, self._owners.country)
        if owner.opt_out and phone is not None:
            self.opted_out.add(phone)
        if not client.active and not self._order.with_inactive:
            self._leave_out(id_, "inactive")
            return
        if not normalise.name(client.full_name):
            self._leave_out(id_, "name-missing")
            return
        if phone is None:
            self._leave_out(id_, "phone-unusable" if any(client.phones) else "phone-missing")
            return
        self._sharing[phone] += 1
        mine = _Best(_rank(owner), id_, client.given_name[:80], client.family_name[:80])
        best = self._best.get(phone)
        if best is None:
            self._best[phone] = mine
            return
        better, less = (mine, best) if mine.rank > best.rank else (best, mine)
        self._best[phone] = better
        self._less.append(_Less(less.id, phone, less.given, less.family))

    def _settle(self, one: _Less) -> None:
        best = self._best[one.phone]
        if self._sharing[one.phone] > MOST_ON_A_PHONE:
            self._leave_out(one.id, "phone-crowded")
        elif same_person(_named(one), _named(best)):
            self._same[one.id] = best.id
            self._leave_out(one.id, "same-person", stands=best.id)
        else:
            self._leave_out(one.id, "same-household", stands=best.id)

    def _leave_out(self, id_: str, code: str, stands: str = "") -> None:
        self.left_out[code] += 1
        self._report.tell("client", id_, code, stands=stands)


class _ClientLists:
    """Writes the client lists."""

    def __init__(self, order: Order, folder: Path, owners: Owners, report: GoLiveReport, *, keep_cards: bool) -> None:
        self._order = order
        self._folder = folder
        self._owners = owners
        self._report = report
        self._keep_cards = keep_cards
        self.cards: dict[str, Card] = {}
        """Name and phone by the client's id; kept for the visits alone."""
        self.pets: dict[str, str] = {}
        """Names by the pet's id; kept for the visits alone."""
        self.parts: list[Part] = []
        self.opted_out = 0
        self.opt_outs_known = False

    def write(self, choice: _Choice, progress: Progress) -> int:
        """Writes whom the choice takes; returns how many that are."""
        titles = dict(self._order.titles)
        if isinstance(self._owners, MirroredOwners):
            titles.pop("opt_out", None)  # an empty column would read as "nobody minds"
        order = self._order
        lists = [Parts(self._folder, "clients", list(titles.values()), order.format, largest=order.largest)]
        if order.paste:
            lists.append(Parts(self._folder, "paste", (), "tsv", most_rows=MOST_PASTED))
        written = 0
        with ExitStack() as stack:
            for each in lists:
                stack.enter_context(each)
            for owner in counted(self._owners.walk(), "clients looked at for writing", progress):
                if self._keep_cards:
                    self.pets.update((pet.id or "", pet.name) for pet in owner.pets)
                phone = choice.takes(owner.client)
                if phone is None:
                    continue
                row = self._row(owner, phone, opt_out=phone in choice.opted_out)
                for each in lists:
                    each.add([row[name] for name in titles])
                written += 1
        self.parts = [part for each in lists for part in each.written]
        return written

    def _row(self, owner: Owner, phone: str, *, opt_out: bool) -> dict[str, str]:
        client = owner.client
        given, family = normalise.shown(client.given_name), normalise.shown(client.family_name)
        if not given:
            given, family = family, ""  # the name is demanded, the surname is not
        if self._keep_cards:
            self.cards[client.id or ""] = Card(f"{given} {family}".strip(), phone)
        text, whole = pets_text(owner.pets)
        if not whole:
            self._report.tell("client", client.id or "", "pets-cut")
        if owner.opt_out is not None:
            self.opt_outs_known = True
            self.opted_out += opt_out
        return {
            "name": given,
            "surname": family,
            "phone": phone,
            "email": next((found for each in client.emails for found in normalise.emails(each)), ""),
            "pets": text,
            "opt_out": "yes" if opt_out else "",
        }


def best_phone(client: Client, country: str) -> str | None:
    """The phone by which a client is known in Altegio, in E.164: the first that may be a mobile, else the first.

    Placeholders are no phones.
    """
    found = list(dict.fromkeys(number for text in client.phones for number in normalise.phones(text, country)))
    if len(found) < 2:
        return found[0] if found else None
    return next((number for number in found if _may_be_mobile(number)), found[0])


def _may_be_mobile(number: str) -> bool:
    return phonenumbers.number_type(phonenumbers.parse(number)) in _MOBILE


def pets_text(pets: Sequence[Pet]) -> tuple[str, bool]:
    """The living pets in one text field, as docs/connectors/altegio.md lays it out; and whether all found room.

    Entries are whole or left out. VetBridge's own keys are not written: an entry gets the one its name always gives.
    """
    text, whole = "", True
    for pet in pets:
        name, species = _plain(pet.name), _plain(pet.species or "")
        if pet.deceased or not pet.active or not name:
            continue
        entry = f"{'; ' if text else ''}{name}{f' ({species})' if species else ''}"
        if len(text) + len(entry) <= PETS_LIMIT:
            text += entry
        else:
            whole = False
    return text, whole


def _plain(text: str) -> str:
    """A name or species without the characters that mean something in the field."""
    swapped = normalise.shown(text, 100).replace("(", "[").replace(")", "]")
    return " ".join(re.sub(r"[;,#]", " ", swapped).split())


def _rank(owner: Owner) -> tuple[bool, int, int, str]:
    """What makes a row the better one of a phone: active, more complete, newer; then the id, so that it stays."""
    client = owner.client
    given = (client.given_name, client.family_name, client.emails, client.street, client.postcode, client.city)
    living = any(not pet.deceased and pet.active for pet in owner.pets)
    registered = client.registered_on.toordinal() if client.registered_on else 0
    return client.active, sum(map(bool, given)) + living, registered, client.id or ""


def _named(one: _Best | _Less) -> Client:
    return Client(given_name=one.given, family_name=one.family)


def _tell_refused(owners: FiledOwners, report: GoLiveReport) -> None:
    for kind, each in (("client", owners.owners_report), ("pet", owners.pets_report)):
        for row in each.rows if each is not None else ():
            report.tell(kind, "", row.code, row=row.row, words=row.words)
