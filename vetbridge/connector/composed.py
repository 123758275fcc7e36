"""One practice that several connectors serve, as one connector: a feed shows clients and pets, files the diary."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from typing import Any

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import (
    WEBHOOKS,
    Capabilities,
    Check,
    CheckReport,
    Connector,
    Hint,
    HookRequest,
    KindCapabilities,
    Native,
    Page,
    Receipt,
    Write,
)
from vetbridge.connector.plugin import Environment, Plugin
from vetbridge.core.errors import ConfigError, MappingError, RateLimited, Refused, Unavailable, VetBridgeError
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper

USED_BY: Mapping[str, Kind] = {
    "species": Kind.PET,
    "breed": Kind.PET,
    "sex": Kind.PET,
    "appointment_type": Kind.APPOINTMENT,
    "resource": Kind.APPOINTMENT,
    "status": Kind.APPOINTMENT,
}
"""The kind whose records bear the codes of a list: who serves it tells the list."""

VISITS = 10
"""So many visits are compared with the clients and pets that another connector shows."""
AHEAD = timedelta(days=28)
LOOKED_AT = 200
"""So many visits are read for that, at the most: those for nobody in particular tell nothing."""
FEW = 3
"""Of fewer visits no more than a warning is made: that they fit to nothing may be chance."""

KEYS = "numbers"
"""Name of the check whether all connectors of an account mean the same client by the same number."""

_ADVICE = (
    "Let every connector of the account show the practice's own numbers of clients and pets: correct the profile's "
    "column, or the option that says which number is the key."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One connector of a practice."""

    name: str
    """Of the part; of the account's own connector, the connector's."""
    connector: Connector
    kinds: frozenset[Kind]
    """The kinds that it is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of an account, before it is built."""

    plugin: Plugin
    options: Any
    kinds: frozenset[Kind]
    limit_scale: float = 1.0
    """See ``Environment``."""


class Composed:
    """Several connectors as one: each serves its kinds, and a failure of one is a failure of its kinds alone.

    ``own`` is the account's own connector; it has every kind that no part serves. A budget of a part is called
    PART.BUDGET. Raises ``ConfigError`` where a part is to serve what its connector cannot, where parts leave the own
    one nothing, or where two take webhooks.
    ``mapper`` makes one of the account's; it is needed by ``check`` alone.
    """

    def __init__(
        self, account: str, own: Served, parts: Sequence[Served], *, clock: Clock, mapper: Callable[[], Mapper]
    ) -> None:
        self._account = account
        self._own = own
        self._parts = tuple(parts)
        self._clock = clock
        self._mapper = mapper
        self._all = (own, *self._parts)
        for part in self._parts:
            for kind in sorted(part.kinds - part.connector.capabilities.kinds.keys()):
                raise ConfigError(
                    f"{account}: the part {part.name} is to serve {kind}, which its connector cannot do with these "
                    "options; correct its serves, or its profile"
                )
        if not own.kinds & own.connector.capabilities.kinds.keys():
            raise ConfigError(
                f"{account}: its parts leave {own.name} nothing to serve; name the connector of one of them at the "
                "account itself, and take that part out"
            )
        self._hinting = [each for each in self._all if each.connector.capabilities.hints]
        if len(self._hinting) > 1:
            names = " and ".join(each.name for each in self._hinting)
            raise ConfigError(f"{account}: {names} both take webhooks; an account has one address for them")
        self._capabilities = self._composed()

    @property
    def own(self) -> Connector:
        """The account's own connector."""
        return self._own.connector

    @property
    def parts(self) -> Mapping[str, Connector]:
        """The other connectors, by the names of their parts."""
        return {part.name: part.connector for part in self._parts}

    @property
    def capabilities(self) -> Capabilities:
        """What all of them can do together."""
        return self._capabilities

    # -- looking

    def check(self) -> CheckReport:
        """What each of them says, and whether all mean the same clients and pets by the same numbers."""
        lines: list[Check] = []
        for each in self._all:
            try:
                report = each.connector.check()
            except VetBridgeError as error:
                report = CheckReport(
                    lines=(Check(name="account", ok=False, text=error.message, advice=error.advice()),)
                )
            lines += [_named(each, line) for line in report.lines]
        lines += self._keys()
        return CheckReport(lines=tuple(lines))

    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        """See ``Connector.changes``."""
        of = self._of(kind)
        with self._told_by(of):
            for page in of.connector.changes(kind, since, mark=mark):
                beside = {other: found for other, found in page.beside.items() if other in of.kinds}
                yield page if len(beside) == len(page.beside) else replace(page, beside=beside)

    def get(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the field's word
        """See ``Connector.get``."""
        of = self._of(kind)
        with self._told_by(of):
            return of.connector.get(kind, id)

    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        """See ``Connector.search``."""
        of = self._of(kind)
        with self._told_by(of):
            yield from of.connector.search(kind, query)

    def look(self, write: Write) -> Iterator[Native]:
        """See ``Connector.look``."""
        of = self._of(write.kind)
        with self._told_by(of):
            yield from of.connector.look(write)

    def content(self, id: str) -> Iterator[bytes]:  # noqa: A002 - the field's word
        """See ``Connector.content``."""
        of = self._of(Kind.ATTACHMENT)
        with self._told_by(of):
            yield from of.connector.content(id)

    def code_lists(self) -> Mapping[str, Mapping[str, str]]:
        """See ``Connector.code_lists``: each list as the connector tells it whose records bear its codes.

        Lists of one that does not answer are left out, unless nobody answers: that one raises where it is read.
        """
        if not self._capabilities.code_lists:
            raise Refused(f"{self._account}: there are no code lists to be read", code="not-supported")
        found: dict[str, Mapping[str, str]] = {}
        silent: list[VetBridgeError] = []
        for each in self._all:
            wanted = self._lists_of(each)
            if wanted:
                try:
                    with self._told_by(each):
                        lists = each.connector.code_lists()
                except (Unavailable, RateLimited) as error:
                    silent.append(error)
                    continue
                found |= {name: titles for name, titles in lists.items() if name in wanted}
        if silent and not found:
            raise silent[0]
        return found

    def hints(self, request: HookRequest) -> tuple[Hint, ...]:
        """See ``Connector.hints``: of the kinds that the one that takes webhooks serves."""
        for each in self._hinting:
            return tuple(hint for hint in each.connector.hints(request) if hint.kind in each.kinds)
        raise Refused(f"{self._account}: no connector of this account takes webhooks", code="not-supported")

    # -- writing

    def apply(self, write: Write) -> Receipt:
        """See ``Connector.apply``."""
        of = self._of(write.kind)
        with self._told_by(of):
            return of.connector.apply(write)

    def close(self) -> None:
        """Gives back the connections of all, whatever becomes of one."""
        with ExitStack() as stack:
            for each in self._all:
                stack.callback(each.connector.close)

    # -- inside

    def _of(self, kind: Kind) -> Served:
        return next((part for part in self._parts if kind in part.kinds), self._own)

    @contextmanager
    def _told_by(self, of: Served) -> Iterator[None]:
        """Errors of one of them, in the words of the whole account."""
        try:
            yield
        except VetBridgeError as error:
            error.part = "" if of is self._own else of.name
            if isinstance(error, RateLimited) and error.budget:
                error.budget = self._budget_of(of, error.budget)
            raise

    def _budget_of(self, of: Served, name: str) -> str:
        return name if of is self._own else _budget(of.name, name)

    def _composed(self) -> Capabilities:
        able = [(each, each.connector.capabilities) for each in self._all]
        kinds = {kind: _within(can.kinds[kind], each.kinds)
                 for kind in Kind for each, can in able if kind in each.kinds and kind in can.kinds}  # fmt: skip
        of_diary = self._of(Kind.APPOINTMENT)
        screens = sorted(able, key=lambda pair: pair[0] is not of_diary)
        return Capabilities(
            side=self._own.connector.capabilities.side,
            kinds=kinds,
            budgets=tuple(
                replace(spec, name=self._budget_of(each, spec.name)) for each, can in able for spec in can.budgets
            ),
            hints=bool(self._hinting),
            code_lists=frozenset(name for each in self._all for name in self._lists_of(each)),
            learnt_lists=frozenset(name for each, can in able for name in self._lists_of(each) & can.learnt_lists),
            late_landing=max(can.late_landing for _, can in able),
            shown_within=max(can.shown_within for _, can in able),
            proven="; ".join(f"{each.name}: {can.proven}" for each, can in able if can.proven),
            screen={kind: words for _, can in reversed(screens) for kind, words in can.screen.items()},
            needs_vendor=tuple(f"{each.name}: {text}" for each, can in able for text in can.needs_vendor),
        )

    def _lists_of(self, each: Served) -> frozenset[str]:
        """The code lists that are asked of one of them."""
        told = each.connector.capabilities.code_lists
        first = {
            name: next(one for one in self._all if name in one.connector.capabilities.code_lists) for name in told
        }
        return frozenset(
            name for name in told if (USED_BY[name] in each.kinds if name in USED_BY else first[name] is each)
        )

    def _keys(self) -> Iterator[Check]:
        """Whether visits name clients and pets that another connector shows: nothing else ties them together."""
        diary = self._of(Kind.APPOINTMENT)
        others = [kind for kind in (Kind.CLIENT, Kind.PET) if self._of(kind) is not diary]
        if not others or not all(self._capabilities.of(kind).read for kind in (Kind.APPOINTMENT, *others)):
            return
        try:
            yield from self._compared(diary.name, self._mapper(), others)
        except VetBridgeError:
            return  # who does not answer says so, and the mapping has a line of its own

    def _compared(self, diary: str, mapper: Mapper, others: Sequence[Kind]) -> Iterator[Check]:
        visits = self._named_ids(mapper, others)
        strangers = 0
        pets = 0
        for kind in others:
            named = list(dict.fromkeys(ids[kind] for ids in visits if kind in ids))
            shown = {id_: native for id_ in named if (native := self.get(kind, id_)) is not None}
            if not named:
                continue
            yield _line(f"{diary}: {KEYS} of {kind}s", diary, self._of(kind).name, kind, len(named), len(shown))
            if kind is Kind.PET:
                owners = {id_: _peek(mapper, kind, native, "client_id") for id_, native in shown.items()}
                both = [ids for ids in visits if Kind.CLIENT in ids and owners.get(ids.get(kind, ""))]
                pets = len(both)
                strangers = sum(owners[ids[kind]] != ids[Kind.CLIENT] for ids in both)
        if pets >= FEW and strangers == pets:
            yield Check(
                name=f"{diary}: {KEYS}",
                ok=False,
                text=f"all of {pets} visits name a pet of another client; are both the practice's own numbers?",
                advice=_ADVICE,
            )
        if not visits:
            yield Check(name=f"{diary}: {KEYS}", ok=True, text="no visit ahead yet whose client could be looked up")

    def _named_ids(self, mapper: Mapper, kinds: Collection[Kind]) -> list[dict[Kind, str]]:
        """The ids that some visits ahead bear, by kind."""
        found: list[dict[Kind, str]] = []
        for native in islice(self._ahead(), LOOKED_AT):
            told = {kind: _peek(mapper, Kind.APPOINTMENT, native, f"{kind}_id") for kind in (Kind.CLIENT, Kind.PET)}
            ids = {kind: id_ for kind, id_ in told.items() if id_}
            if ids.keys() & set(kinds):
                found.append(ids)
            if len(found) == VISITS:
                break
        return found

    def _ahead(self) -> Iterator[Native]:
        now = self._clock.now()
        window = {"start_from": now.isoformat(), "start_before": (now + AHEAD).isoformat()}
        if self._capabilities.of(Kind.APPOINTMENT).search >= window.keys():
            yield from self.search(Kind.APPOINTMENT, window)
            return
        for page in islice(self.changes(Kind.APPOINTMENT, None), 1):
            yield from (found.native for found in page.records if found.native is not None)


def build(
    plugin: Plugin,
    options: Any,
    environment: Environment,
    *,
    parts: Mapping[str, Part],
    mapper: Callable[[], Mapper],
) -> Connector:
    """The connector of an account: that of its plugin, or with parts all of them as one. ``parts`` by name.

    Raises ``ConfigError``, see ``Composed``.
    """
    connector: Connector
    if not parts:
        connector = plugin.build(options, environment)
        return connector
    rest = frozenset(Kind).difference(*(part.kinds for part in parts.values()))
    own = Served(name=plugin.name, connector=plugin.build(options, replace(environment, kinds=rest)), kinds=rest)
    others = [
        Served(
            name=name, connector=part.plugin.build(part.options, _of_part(name, part, environment)), kinds=part.kinds
        )
        for name, part in parts.items()
    ]
    return Composed(environment.account, own, others, clock=environment.clock, mapper=mapper)


def _of_part(name: str, part: Part, environment: Environment) -> Environment:
    """What a part is built with: its messages name it, and its budgets are paused under names of their own."""
    prefix, on_pause = _budget(name, ""), environment.on_pause
    pauses = {budget: left for budget, left in environment.pauses.items() if budget.startswith(prefix)}
    return replace(
        environment,
        account=f"{environment.account}.{name}",
        kinds=part.kinds,
        limit_scale=part.limit_scale,
        pauses={budget.removeprefix(prefix): left for budget, left in pauses.items()},
        on_pause=None if on_pause is None else lambda budget, seconds: on_pause(_budget(name, budget), seconds),
    )


def _budget(part: str, budget: str) -> str:
    """What a budget of a part is called for the whole account."""
    return f"{part}.{budget}"


def _within(can: KindCapabilities, kinds: Collection[Kind]) -> KindCapabilities:
    """A kind's capabilities where its connector is asked for some kinds alone."""
    return can if can.listed_with is None or can.listed_with in kinds else replace(can, listed_with=None)


def _named(each: Served, line: Check) -> Check:
    # By that name it is known what the line is about.
    return line if line.name == WEBHOOKS else replace(line, name=f"{each.name}: {line.name}")


def _peek(mapper: Mapper, kind: Kind, native: Native, name: str) -> str:
    """An id that a native record bears; "" where it has none, or none that can be read."""
    if name not in mapper.readable(kind):
        return ""
    try:
        return mapper.peek(kind, native, name) or ""
    except MappingError:
        return ""


def _line(name: str, diary: str, other: str, kind: Kind, named: int, shown: int) -> Check:
    lacking = named - shown
    if not lacking:
        return Check(name=name, ok=True, text=f"{other} shows every one of {named} that visits of {diary} name")
    text = f"{lacking} of {named} {kind}s that visits of {diary} name are not shown by {other}"
    if shown:
        advice = "They may be new, gone or merged; if many are, look whether both show the practice's own numbers."
        return Check(name=name, ok=False, warning=True, text=text, advice=advice)
    text += "; are both the practice's own numbers?"
    return Check(name=name, ok=False, warning=named < FEW, text=text, advice=_ADVICE)
