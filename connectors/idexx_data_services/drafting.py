"""A profile drafted from what a service says of itself: which property a field comes from is guessed by its name.

A guess that is sure is written as one; one that is not is commented out, with what else it may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vetbridge.connector.csdl import EntitySet, Property
from vetbridge.core.records import Kind

SURE = 0.7
"""From here on a guess is written down; names are alike from 0 to 1."""
AHEAD = 0.15
"""By so much it is ahead of the next one then."""
PERHAPS = 0.4
MOST = 4
"""Properties that are named where it is not sure."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NOTHING = frozenset({"is", "has", "the", "of", "at", "on", "for", "a"})
_TEXT = ("Edm.String",)
_DAY = ("Edm.Date", "Edm.DateTimeOffset", "Edm.DateTime")
_MOMENT = ("Edm.DateTimeOffset", "Edm.DateTime")
_YES = ("Edm.Boolean",)
_NUMBER = ("Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.Decimal", "Edm.Double")
_PLAIN = ("Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.Guid")
_KEY = ("Edm.String", *_PLAIN)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a field may be called, and of what type it is. ``spelled``: how its rule is written."""

    names: tuple[str, ...]
    types: tuple[str, ...] = _TEXT
    spelled: str = "{}"
    several: bool = False
    """All properties that fit make it together."""


_OPPOSITE = "{{column: {}, negate: true}}"
_SETS: Mapping[str, tuple[str, ...]] = {
    Kind.CLIENT: ("client", "customer", "owner", "account"),
    Kind.PET: ("patient", "pet", "animal"),
    Kind.APPOINTMENT: ("appointment", "visit", "booking"),
    Kind.REMINDER: ("reminder", "recall"),
    Kind.VACCINATION: ("vaccination", "vaccine", "immunization"),
    Kind.ATTACHMENT: ("document", "attachment", "file"),
    "appointment_type": ("appointment type", "reason", "appointment reason", "visit reason", "reason for visit"),
    "resource": ("room", "resource", "provider", "column", "staff"),
    "status": ("status", "appointment status"),
    "species": ("species", "species list"),
    "breed": ("breed", "breed list"),
    "sex": ("sex", "gender"),
}
"""What an entity set may be called."""

_ACTIVE = (
    Wanted(("active", "client active", "enabled"), _YES),
    Wanted(("inactive", "deleted", "removed"), _YES, _OPPOSITE),
)
_FIELDS: Mapping[Kind, Mapping[str, tuple[Wanted, ...]]] = {
    Kind.CLIENT: {
        "given_name": (Wanted(("first name", "given name", "forename")),),
        "family_name": (Wanted(("last name", "family name", "surname", "name")),),
        "phones": (
            Wanted(
                ("phone", "telephone", "phone number", "mobile", "cell", "home phone", "cell phone"), several=True
            ),
        ),
        "emails": (Wanted(("email", "email address", "e mail"), several=True),),
        "street": (Wanted(("street", "address", "address line")),),
        "postcode": (Wanted(("postcode", "postal code", "zip", "zip code")),),
        "city": (Wanted(("city", "town")),),
        "registered_on": (Wanted(("entered date", "first visit date", "registered", "registered date"), _DAY),),
        "opted_out": (
            Wanted(("no reminders", "suspend reminders", "opt out", "opted out"), _YES),
            Wanted(("send reminders", "reminders"), _YES, _OPPOSITE),
        ),
        "active": _ACTIVE,
    },
    Kind.PET: {
        "client_id": (Wanted(("client id", "owner id", "primary client id", "client", "owner"), _KEY),),
        "name": (Wanted(("name", "call name")),),
        "species": (Wanted(("species", "species code", "species id"), _KEY),),
        "breed": (Wanted(("breed", "breed code", "breed id", "breed description")),),
        "sex": (Wanted(("sex", "gender", "sex code", "gender code"), _KEY),),
        "birth_date": (Wanted(("birth date", "date birth", "dob", "born", "birthday"), _DAY),),
        "deceased": (
            Wanted(("deceased", "dead"), _YES),
            Wanted(("death date", "date death", "dod", "deceased date"), _DAY, "{{column: {}, as: filled}}"),
        ),
        "active": _ACTIVE,
    },
    Kind.APPOINTMENT: {
        "client_id": (Wanted(("client id", "owner id", "client"), _KEY),),
        "pet_id": (Wanted(("patient id", "pet id", "animal id", "patient"), _KEY),),
        "start": (Wanted(("start", "start time", "start date", "start date time", "begin", "date time"), _MOMENT),),
        "end": (Wanted(("end", "end time", "end date", "end date time", "stop"), _MOMENT),),
        "duration": (Wanted(("duration", "length", "minutes", "duration minutes"), _NUMBER),),
        "status": (Wanted(("status", "status code", "status id"), _KEY),),
        "appointment_type": (Wanted(("type", "type id", "reason", "reason id", "reason visit", "type code"), _KEY),),
        "resource": (
            Wanted(("room", "resource", "room id", "resource id", "provider", "provider id", "column"), _KEY),
        ),
        "notes": (Wanted(("notes", "note", "comments", "comment")),),
    },
    Kind.REMINDER: {
        "pet_id": (Wanted(("patient id", "pet id", "animal id", "patient"), _KEY),),
        "service": (Wanted(("code", "item code", "service code", "item id", "service id"), _KEY),),
        "name": (Wanted(("description", "name", "item description", "title")),),
        "due_on": (Wanted(("due date", "due", "date due"), _DAY),),
        "completed": (Wanted(("completed", "done", "satisfied", "complete"), _YES),),
        "active": _ACTIVE,
    },
    Kind.VACCINATION: {
        "pet_id": (Wanted(("patient id", "pet id", "animal id", "patient"), _KEY),),
        "service": (Wanted(("code", "item code", "service code", "vaccine code", "item id"), _KEY),),
        "name": (Wanted(("description", "name", "vaccine name", "item description")),),
        "given_on": (Wanted(("given date", "date given", "administered date", "date administered", "date"), _DAY),),
        "due_on": (Wanted(("due date", "next due date", "next due"), _DAY),),
        "active": _ACTIVE,
    },
    Kind.ATTACHMENT: {
        "client_id": (Wanted(("client id", "owner id", "client"), _KEY),),
        "pet_id": (Wanted(("patient id", "pet id", "animal id", "patient"), _KEY),),
        "name": (Wanted(("file name", "name", "title")),),
        "notes": (Wanted(("notes", "note", "description")),),
        "made_at": (Wanted(("created", "created date", "created date time", "date"), _MOMENT),),
        "active": _ACTIVE,
    },
}
_CHANGED = Wanted(
    (
        *("changed", "changed date", "changed date time", "modified", "modified date", "last modified"),
        *("last modified date", "updated", "updated date", "last updated", "last change date", "created"),
        *("created date", "created date time", "create date"),
    ),
    _MOMENT,
    several=True,
)
_CONTENT = Wanted(("content url", "url", "download url", "file url", "content uri", "uri", "link"))
_OWNERS = Wanted(("owners", "owner", "ownership", "client relationships", "relationships"), ())
_HEAD = """\
# Drafted from the service's own description. Names are guessed by what they are called: a line that ends in "# guess"
# is to be confirmed, one that is commented out is to be chosen. `vetbridge doctor` then says what does not fit.
title: {title}
proven: a site's own profile, drafted from its metadata; not confirmed
kinds:"""
_WRITES = """\
# What writes are called does not stand in the description: ask IDEXX, and see docs/connectors/idexx_data_services.md.
# Until then say `writes: handed` in the account's options.
# writes:
#   appointment:
#     path: "/api/{site_id}/appointments"
#     whole: false
#     id: ?
#     fields: {id: ?, client_id: ?, pet_id: ?, start: ?, minutes: ?, notes: ?}"""


def draft(sets: Sequence[EntitySet], title: str = "IDEXX Data Services of our practice") -> str:
    """A profile as YAML. Where a needed property is not sure, it does not load before that is chosen."""
    names = _Names(sets)
    lines = [_HEAD.format(title=title)]
    for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT, Kind.REMINDER, Kind.VACCINATION):
        lines += _kind(names, kind, f"  {kind.value}", "    ")
    lines += _kind(names, Kind.ATTACHMENT, Kind.ATTACHMENT.value, "  ")
    lines += _codes(names)
    lines.append(_WRITES)
    return "\n".join(lines) + "\n"


class _Names:
    """The words of names, without what all of them begin with."""

    def __init__(self, sets: Sequence[EntitySet]) -> None:
        self.sets = sets
        told = [each.name for each in sets] + [one.path for each in sets for one in each.properties]
        firsts = {_words(name)[:1] for name in told if _words(name)}
        self._prefix = next(iter(firsts)) if len(firsts) == 1 and len(told) > 1 else ()

    def words(self, name: str) -> frozenset[str]:
        """The words of a name."""
        found: list[str] = []
        for part in name.split("/"):
            words = _words(part)
            found += words[1:] if words[:1] == self._prefix and len(words) > 1 else words
        return frozenset(found)

    def best_sets(self, what: str) -> list[tuple[float, EntitySet]]:
        """The sets that may hold a kind or a list, the likeliest first."""
        rated = [(_alike(self.words(each.name), _SETS[what], frozenset()), each) for each in self.sets]
        return sorted((each for each in rated if each[0] >= PERHAPS), key=lambda each: (-each[0], each[1].name))

    def best(self, of: EntitySet, wanted: Wanted, own: frozenset[str]) -> list[tuple[float, Property]]:
        """The properties that may be a field, the likeliest first. ``own``: words that name the kind itself."""
        rated = []
        for each in of.properties:
            if each.several and not wanted.several and wanted.types:
                continue
            fits = not wanted.types or each.type in wanted.types or each.type.removesuffix(")").endswith(wanted.types)
            score = _alike(self.words(each.path), wanted.names, own) * (1.0 if fits else 0.3)
            if score >= PERHAPS:
                rated.append((score, each))
        return sorted(rated, key=lambda each: (-each[0], each[1].path.count("/"), each[1].path))


def _words(name: str) -> tuple[str, ...]:
    """The words of a name, in the singular."""
    found = [word.lower() for word in _WORD.findall(name)]
    return tuple(_one(word) for word in found if word not in _NOTHING) or tuple(map(_one, found))


def _one(word: str) -> str:
    if word.endswith(("ses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if len(word) > 2 and word.endswith("s") and not word.endswith(("ss", "us")) else word


def _alike(words: frozenset[str], names: Sequence[str], own: frozenset[str]) -> float:
    """How much a name is like one of these, by their words. Words that name the kind itself need not be there."""
    best = 0.0
    for name in names:
        wanted = frozenset(_words(name))
        for said in {words, (words - own) or words}:
            best = max(best, len(said & wanted) / len(said | wanted))
    return best


def _is_sure(scores: Sequence[float]) -> bool:
    """Whether the first of some guesses, which come in their order, is the one."""
    return bool(scores) and scores[0] >= SURE and (len(scores) == 1 or scores[0] - scores[1] >= AHEAD)


def _kind(names: _Names, kind: Kind, key: str, margin: str) -> Iterator[str]:
    sets = names.best_sets(kind)
    if not sets:
        yield f"{margin[2:]}# {key.strip()}: no entity set looks like it"
        return
    if not _is_sure([score for score, _ in sets]):
        others = ", ".join(each.name for _, each in sets[:MOST])
        yield f"{margin[2:]}# {key.strip()}: which entity set? {others}"
    of = sets[0][1]
    own = frozenset(word for name in _SETS[kind] for word in _words(name))
    yield f"{key}:"
    yield f"{margin}entity: {of.name}  # guess"
    yield f"{margin}page: 100  # the set's cap, from 100 to 20,000"
    yield from _changed(names, of, margin)
    if kind is Kind.ATTACHMENT:
        yield _line(f"{margin}content", names.best(of, _CONTENT, own))
    if kind is Kind.PET:
        yield from _owners(names, of, margin)
    plain = list(_keys(names, of, kind, own))
    if plain:
        yield f"{margin}plain: [{', '.join(plain)}]  # keys that are numbers or GUIDs"
    yield f"{margin}fields:"
    yield _id(of, margin)
    for field, ways in _FIELDS[kind].items():
        yield _field(names, of, field, ways, own, f"{margin}  ")
    if kind is Kind.APPOINTMENT:
        yield f"{margin}# deleted_when: {{column: ?, values: [?]}}  # which status means cancelled?"


def _id(of: EntitySet, margin: str) -> str:
    keys = [each.path for each in of.properties if each.is_key]
    if len(keys) == 1:
        return f"{margin}  id: {keys[0]}  # guess: the set's key; the practice's own number is right"
    return f"{margin}  # id: ?  # keys are {', '.join(keys) or 'not told'}"


def _keys(names: _Names, of: EntitySet, kind: Kind, own: frozenset[str]) -> Iterator[str]:
    if any(each.is_key and each.type in _PLAIN for each in of.properties):
        yield "id"
    for field in ("client_id", "pet_id"):
        if field in _FIELDS[kind]:
            rated = names.best(of, _FIELDS[kind][field][0], own - {"client", "patient", "pet", "owner", "animal"})
            if rated and rated[0][1].type in _PLAIN:
                yield field


def _field(names: _Names, of: EntitySet, field: str, ways: Sequence[Wanted], own: frozenset[str], margin: str) -> str:
    # Whose a record is may be said by words that name the kind.
    dropped = frozenset() if field in ("client_id", "pet_id") else own
    rated = [(score, each, way) for way in ways for score, each in names.best(of, way, dropped)]
    rated.sort(key=lambda each: -each[0])
    if not rated:
        return f"{margin}# {field}: ?  # no property looks like it"
    several = [each for score, each, way in rated if way.several and score >= SURE]
    if len(several) > 1:
        paths = ", ".join(dict.fromkeys(each.path for each in several))
        return f"{margin}{field}: {{all: [{paths}]}}  # guess"
    _, best, way = rated[0]
    spelled = way.spelled.format(best.path)
    if _is_sure([score for score, *_ in rated]):
        return f"{margin}{field}: {spelled}  # guess"
    others = ", ".join(dict.fromkeys(f"{each.path} ({each.type})" for _, each, _ in rated[:MOST]))
    return f"{margin}# {field}: {spelled}  # one of {others}"


def _line(key: str, rated: Sequence[tuple[float, Property]]) -> str:
    margin = key[: len(key) - len(key.lstrip())]
    if not rated:
        return f"{margin}# {key.strip()}: ?  # no property looks like it"
    if _is_sure([score for score, _ in rated]):
        return f"{key}: {rated[0][1].path}  # guess"
    return f"{margin}# {key.strip()}: {rated[0][1].path}  # one of {', '.join(each.path for _, each in rated[:MOST])}"


def _changed(names: _Names, of: EntitySet, margin: str) -> Iterator[str]:
    stamps = [each.path for score, each in names.best(of, _CHANGED, frozenset()) if score >= SURE]
    if stamps:
        yield f"{margin}changed: {{properties: [{', '.join(stamps)}]}}  # guess"
    else:
        yield f"{margin}# changed: {{properties: [?]}}  # without it the whole set is read each time"


def _owners(names: _Names, of: EntitySet, margin: str) -> Iterator[str]:
    """A collection of owners with shares."""
    inside: dict[str, list[Property]] = {}
    for each in of.properties:
        if each.several and "/" in each.path:
            inside.setdefault(each.path.rpartition("/")[0], []).append(each)
    for path, parts in inside.items():
        if _alike(names.words(path), _OWNERS.names, frozenset()) < SURE:
            continue
        found = {each.path.rpartition("/")[2]: names.words(each.path.rpartition("/")[2]) for each in parts}
        percent = next((name for name, words in found.items() if words & {"percent", "percentage", "share"}), None)
        client = next((name for name, words in found.items() if words & {"client", "owner"}), None)
        primary = next((name for name, words in found.items() if "primary" in words), None)
        if percent and client:
            more = f", primary: {primary}" if primary else ""
            yield f"{margin}owners: {{list: {path}, client_id: {client}, percent: {percent}{more}}}  # guess"


def _codes(names: _Names) -> Iterator[str]:
    yield "codes:"
    for name in ("appointment_type", "resource", "status", "species", "breed", "sex"):
        sets = names.best_sets(name)
        if not sets or sets[0][0] < SURE:
            yield f"  # {name}: no entity set looks like it; enter the codes in the config by hand"
            continue
        of = sets[0][1]
        code = next((each.path for each in of.properties if each.is_key), "")
        titles = names.best(of, Wanted(("title", "description", "name")), frozenset(_words(of.name)))
        if not code or not titles:
            yield f"  # {name}: {{entity: {of.name}, code: ?, title: ?}}"
            continue
        yield f"  {name}: {{entity: {of.name}, code: {code}, title: {titles[0][1].path}}}  # guess"
