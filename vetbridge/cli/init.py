"""`vetbridge init`: the first config of a clinic, with its key, its secrets and what both sides call things."""

from __future__ import annotations

import getpass
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, get_args, get_origin
from zoneinfo import ZoneInfo

import typer

from vetbridge.cli.output import say, talk
from vetbridge.cli.reading import USAGE, config_path, give_up, told
from vetbridge.cli.tables import one_line, wrapped
from vetbridge.core.errors import ConfigError, Unavailable, VetBridgeError

if TYPE_CHECKING:
    from vetbridge.config.placing import Placed
    from vetbridge.config.starting import FirstAccount, FirstPart, FirstSite
    from vetbridge.connector.composed import Part
    from vetbridge.connector.interface import Connector
    from vetbridge.connector.plugin import Environment, Plugin, System, Way, WayPart
    from vetbridge.core.records import Kind
    from vetbridge.core.upgrades import CodeLists
    from vetbridge.desk.doctor import Line
    from vetbridge.mapping import Table

COMMAND = "init"
FOLDER = "secrets"
"""Where the secrets' files stand, from the config's folder."""
SIDES = ("booking", "pims")
LONGEST_NAME = 40
"""Characters of an account's name."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at the terminal."""

    read: Callable[[str], str]
    """Asks for a line."""
    read_hidden: Callable[[str], str]
    """Asks for a line that does not show."""

    def ask(self, question: str, default: str = "") -> str:
        """An answer; Enter takes the default."""
        return self.read(f"{question} [{default}]: " if default else f"{question}: ").strip() or default


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the options of the command say. ``missing`` collects what nobody was there to be asked for."""

    person: Person | None
    values: Mapping[str, str]
    """--set, by SIDE.OPTION."""
    places: Mapping[str, str]
    """--secret, by SIDE.OPTION."""
    missing: list[str]

    def answer(
        self, option: str, given: str | None, question: str, default: str = "", *, kind: Any = str, guess: bool = True
    ) -> str:
        """What was given, else what the person says, else the default where it is more than a guess.

        ``kind`` is the config's own type of it: a person is asked again for what that does not take.
        """
        if given is not None:
            return given
        if self.person is not None:
            while text := _unfit(kind, typed := self.person.ask(question, default)):
                talk(text)
            return typed
        if not default or not guess:
            self.missing.append(option)
        return default


def init(
    ctx: typer.Context,
    booking: Annotated[str | None, typer.Option(metavar="CONNECTOR", help="The booking side's connector.")] = None,
    pims: Annotated[
        str | None,
        typer.Option(metavar="SYSTEM", help="The practice system by its name, such as ezyvet, or a connector."),
    ] = None,
    pims_way: Annotated[
        str | None,
        typer.Option(
            "--pims-way",
            metavar="WAY",
            help="How a practice system without an API of its own is served, by its connector: files, sql, vetdata. "
            "The best way unless given.",
        ),
    ] = None,
    site: Annotated[str | None, typer.Option(help="A short name of the site: a-z, 0-9 and -.")] = None,
    name: Annotated[str | None, typer.Option(help="What people call the site.")] = None,
    zone: Annotated[str | None, typer.Option(help="Its IANA time zone, such as Europe/London.")] = None,
    country: Annotated[str | None, typer.Option(help="Its country, two letters.")] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SIDE.OPTION=VALUE",
            help="An option of an account: booking.location_id=123456; of a part of one: pims.diary.folder=diary.",
        ),
    ] = None,
    places: Annotated[
        list[str] | None,
        typer.Option(
            "--secret",
            metavar="SIDE.OPTION=PLACE",
            help="Where a secret stands: env:NAME, file:PATH or keyring:SERVICE/USER. Never the secret itself.",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the ledger is kept; a local disk.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask neither side; the code lists stay empty.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; end with 2 where an option is missing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a config that is there; it is kept as .bak.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show the files, and write nothing.")] = False,
) -> None:
    """Ask a few questions and write the first config, with the ledger's key and the secrets' files.

    Where it can it asks both sides (reads only) and drafts the code lists: what has the same title at both is the
    same thing, everything else waits in comments for a person. Everything is written, or nothing. An existing
    ledger key is used and never replaced.

    Without a terminal, or with --yes, every answer comes from options:

    vetbridge init --yes --booking altegio --pims ezyvet --site city --zone Europe/London --country GB
    --set booking.location_id=123456 --secret booking.user_token=env:ALTEGIO_USER_TOKEN ...

    A practice system without an open API is served by exported files, its database or a partner's API:

    vetbridge init --yes --booking altegio --pims impromed --pims-way files --set pims.folder=/srv/impromed ...

    Where several connectors serve a system, options of the others are those of their parts:

    vetbridge init --yes --booking altegio --pims pulse --set pims.diary.folder=/srv/pulse ...

    Ends with 0; with 2 where something is missing or in the way; with 3 or 5 where the files are written, and a side
    refuses or does not answer.
    """
    target = config_path(ctx).absolute()
    if target.exists() and not force:
        advice = f"`vetbridge --config {target} config check` looks at it; --force replaces it and keeps the old one."
        _refuse(f"{target} is there already", advice)
    person = None if yes or not sys.stdin.isatty() else Person(_read, _read_hidden)
    given = Given(person=person, values=_pairs("--set", values), places=_pairs("--secret", places), missing=[])
    with told(COMMAND, as_json=False):
        chosen = {"booking": _connector(given, "booking", booking), "pims": _served(given, pims, pims_way)}
        found = _answers(given, target, chosen, site=site, name=name, zone=zone, country=country)
        files, code = _drafted(found, target, data, offline=offline, plan=plan)
        if plan:
            _show(files)
            talk("Nothing was written.")
            raise typer.Exit(code)
        from vetbridge.config.placing import place_all  # noqa: PLC0415 - keeps --help quick

        place_all(files)
        for file in files:
            say(f"written: {file.path}")
        _problems(target)
    _next(target, found)
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How a side is served: by a connector, which may stand for a practice system that has none of its own."""

    plugin: Plugin
    system: System | None = None
    way: Way | WayPart | None = None
    """Of ``system``: a way, or of a part the part of one."""

    @property
    def name(self) -> str:
        """What the side is called in the account's name."""
        return self.plugin.name if self.system is None else self.system.name

    @property
    def title(self) -> str:
        """What people call it."""
        return self.plugin.title if self.system is None else self.system.title

    @property
    def sets(self) -> Mapping[str, str]:
        """Options that need no answer."""
        profile = {"profile": self.name} if self.way is not None and self.way.profile else {}
        return {} if self.way is None else {**profile, **self.way.sets}

    @property
    def asks(self) -> Mapping[str, str]:
        """Words for options that a person is asked for."""
        return {} if self.way is None else self.way.asks

    @property
    def about(self) -> str:
        """What is said of its account in the config."""
        from vetbridge.connector.plugin import Way  # noqa: PLC0415 - keeps --help quick

        if not isinstance(self.way, Way):
            return ""
        return f"{self.title}, by {self.way.title}: docs/connectors/{self.name}.md"

    @property
    def after(self) -> tuple[str, ...]:
        """What is to be done next, in sentences."""
        from vetbridge.connector.plugin import Way  # noqa: PLC0415 - keeps --help quick

        return self.way.after if isinstance(self.way, Way) else ()

    @property
    def parts(self) -> Mapping[str, Served]:
        """How what its own connector does not serve is served, by the parts' names."""
        from vetbridge.connector.plugin import Way  # noqa: PLC0415 - keeps --help quick

        if not isinstance(self.way, Way):
            return {}
        return {
            name: Served(plugin=_plugin(part.connector), system=self.system, way=part)
            for name, part in self.way.parts.items()
        }

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Of a part, the kinds that it serves."""
        from vetbridge.connector.plugin import WayPart  # noqa: PLC0415 - keeps --help quick

        return self.way.serves if isinstance(self.way, WayPart) else ()

    @property
    def writes_by_hand(self) -> bool:
        """What is to be written there stands on the work list."""
        from vetbridge.core.records import Kind  # noqa: PLC0415 - keeps --help quick

        diary = next((part for part in self.parts.values() if Kind.APPOINTMENT in part.kinds), self)
        plugin = diary.plugin
        if plugin.declares_by is not None:
            return bool(plugin.declares_by(diary.sets).of(Kind.APPOINTMENT).handed)
        return plugin.declares is not None and bool(plugin.declares().of(Kind.APPOINTMENT).handed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A connector with the options that it takes."""

    plugin: Plugin
    options: Any
    parts: Mapping[str, Part] = field(default_factory=dict)
    """The others of the account."""

    @property
    def table(self) -> Table:
        """What its records are read by."""
        from vetbridge.mapping import composed_table, load_table  # noqa: PLC0415 - keeps --help quick

        own = load_table(self.plugin.mapping)
        parts = {name: (load_table(part.plugin.mapping), part.kinds) for name, part in self.parts.items()}
        return composed_table(own, parts) if parts else own

    def build(self, environment: Environment) -> Connector:
        """The connector of the account. Raises ``ConfigError``."""
        from vetbridge.connector.composed import build  # noqa: PLC0415 - keeps --help quick
        from vetbridge.mapping import Mapper  # noqa: PLC0415

        table = self.table
        codes: Mapping[str, Mapping[str, object]] = {name: {} for name in table.lists - table.codes.keys()}
        return build(
            self.plugin,
            self.options,
            environment,
            parts=self.parts,
            mapper=lambda: Mapper(table, zone=environment.zone, country=environment.country, codes=codes),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """All that was answered."""

    first: FirstSite
    built: Mapping[str, Chosen]
    """By account."""
    pims: Served
    typed: Mapping[str, str]
    """Secrets that were typed, by the name of their file."""


def _answers(
    given: Given,
    target: Path,
    chosen: Mapping[str, Served | None],
    *,
    site: str | None,
    name: str | None,
    zone: str | None,
    country: str | None,
) -> Answers:
    """Everything that a config needs. Ends the command where something is missing or wrong."""
    from vetbridge.config.models import Country, Name, Text, Zone  # noqa: PLC0415 - keeps --help quick
    from vetbridge.config.starting import FirstAccount, FirstPart, FirstSite  # noqa: PLC0415
    from vetbridge.connector.composed import Part  # noqa: PLC0415

    key = given.answer("--site", site, "A short name of the site (a-z, 0-9 and -)", "main", kind=Name)
    if text := _unfit(Name, key):
        _refuse(f"{one_line(key)!r} is no name of a site: {text}", "")
    called = given.answer("--name", name, "What people call it", key, kind=Text)
    where = given.answer("--zone", zone, "Its time zone", machine_zone(), kind=Zone, guess=False)
    near = country_of(where)
    state = given.answer("--country", country, "Its country, two letters", near, kind=Country, guess=bool(zone))
    typed: dict[str, str] = {}
    accounts: dict[str, FirstAccount] = {}
    built: dict[str, Chosen] = {}
    for side, served in chosen.items():
        if served is None:
            continue
        plugin = served.plugin
        account = f"{served.name}-{key}"[:LONGEST_NAME].rstrip("-")
        plain, model = _options(given, side, account, served, typed, target)
        others: dict[str, FirstPart] = {}
        parts: dict[str, Part] = {}
        for part, each in served.parts.items():
            own, its = _options(given, f"{side}.{part}", f"{account}.{part}", each, typed, target)
            others[part] = FirstPart(
                connector=each.plugin.name, serves=tuple(kind.value for kind in each.kinds), options=own
            )
            parts[part] = Part(plugin=each.plugin, options=its, kinds=frozenset(each.kinds))
        hook = None
        if plugin.declares is not None and plugin.declares().hints:
            hook = {"file": f"{FOLDER}/{account}.hook"}
        accounts[side] = FirstAccount(
            name=account, connector=plugin.name, options=plain, hook_secret=hook, about=served.about, parts=others
        )
        built[account] = Chosen(plugin=plugin, options=model, parts=parts)
    if given.missing:
        _refuse(f"missing: {', '.join(given.missing)}", "Give them as options, or run this at a terminal.")
    unknown = sorted(name for name in {*given.values, *given.places} if not _is_option(name, chosen))
    if unknown:
        words = f"no option is called {', '.join(map(one_line, unknown))}"
        _refuse(words, "The connector's page in docs/connectors has them all.")
    first = FirstSite(
        key=key, name=called, zone=where, country=state, booking=accounts["booking"], pims=accounts["pims"]
    )
    pims = chosen["pims"]
    assert pims is not None  # noqa: S101 - else something would be missing
    return Answers(first=first, built=built, typed=typed, pims=pims)


def _unfit(kind: Any, text: str) -> str:
    """Why a text is none of its kind; "" where it is one."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - keeps --help quick

    try:
        TypeAdapter(kind).validate_python(text)
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False, include_input=False)
        return str(first["msg"])
    return ""


def _is_option(name: str, chosen: Mapping[str, Served | None]) -> bool:
    """Whether SIDE.OPTION, SIDE.GROUP.NAME or SIDE.PART.OPTION is one that the side's connectors know."""
    side, _, option = name.partition(".")
    served = chosen[side]
    if served is None:
        return False
    part, _, inside = option.partition(".")
    if inside and part in served.parts:
        return _kind_of(served.parts[part].plugin, inside) is not None
    return _kind_of(served.plugin, option) is not None


def _kind_of(plugin: Plugin, option: str) -> Any:
    """The type of an option, or of an entry of a group (GROUP.NAME); None where there is no such option."""
    head, dot, name = option.partition(".")
    field = plugin.options.model_fields.get(head)
    if field is None or not dot:
        return None if field is None else field.annotation
    is_group = get_origin(field.annotation) in (Mapping, dict)
    return get_args(field.annotation)[1] if is_group and name else None


def _connector(given: Given, side: str, name: str | None) -> Served | None:
    """The connector of a side; None where nobody could be asked."""
    fit = _of_side(side)
    default = fit[0] if len(fit) == 1 else ""
    choice = _choice(given, f"--{side}", name, f"Which {side} platform", fit, default)
    return Served(plugin=_plugin(choice)) if choice else None


def _served(given: Given, name: str | None, way: str | None) -> Served | None:
    """How the practice system is served; None where nobody could be asked."""
    from vetbridge.connector.plugin import systems  # noqa: PLC0415 - keeps --help quick

    known = {name: system for name, system in systems().items() if system.ways}
    fit = _of_side("pims")
    generic = sorted({each.connector for system in known.values() for each in system.ways})
    names = sorted({*known, *fit} - set(generic)) + [each for each in generic if each in fit]
    if name is None and given.person is not None:
        talk("Practice systems:")
        width = max(map(len, names))
        for each in names:
            other = "another system: " if each in generic else ""
            talk(f"  {each:<{width}} {other}{known[each].title if each in known else _plugin(each).title}")
    choice = _choice(given, "--pims", name, "Which practice system", names, "")
    if choice not in known:
        if way is not None and choice:
            _refuse(f"--pims-way goes with {', '.join(known)}: {choice} is served in one way", "Leave it out.")
        return Served(plugin=_plugin(choice)) if choice else None
    system = known[choice]
    if way is None and given.person is not None and len(system.ways) > 1:
        talk(f"Ways to serve {system.title}, the best first:")
        width = max(len(each_way.connector) for each_way in system.ways)
        for each_way in system.ways:
            talk(f"  {each_way.connector:<{width}} {each_way.title}")
            _talk(each_way.advice, first=" " * (width + 3), margin=" " * (width + 3))
    ways = [each.connector for each in system.ways]
    taken = system.way(_choice(given, "--pims-way", way, "Which way", ways, ways[0]))
    assert taken is not None  # noqa: S101 - it is one of these
    return Served(plugin=_plugin(taken.connector), system=system, way=taken)


def _of_side(side: str) -> list[str]:
    """The names of the connectors of a side, and of those that do not say which."""
    from vetbridge.connector.plugin import plugins  # noqa: PLC0415 - keeps --help quick

    return [each.name for each in plugins().values() if each.declares is None or each.declares().side == side]


def _plugin(name: str) -> Plugin:
    from vetbridge.connector.plugin import plugin  # noqa: PLC0415 - keeps --help quick

    return plugin(name)


def _choice(given: Given, option: str, name: str | None, question: str, names: Sequence[str], default: str) -> str:
    """One of several names; "" where nobody could be asked. Ends the command where another one was given."""
    from pydantic import AfterValidator  # noqa: PLC0415 - keeps --help quick

    from vetbridge.config.problems import nearest  # noqa: PLC0415

    def known(text: str) -> str:
        if text.casefold() in names:
            return text
        hint = nearest(text, names) or f"; known are {', '.join(names)}"
        raise ValueError(f"there is no {one_line(text)!r}{hint}")

    kind = Annotated[str, AfterValidator(known)]
    choice = given.answer(option, name, f"{question} ({', '.join(names)})", default, kind=kind)
    if choice and (text := _unfit(kind, choice)):
        _refuse(f"{option}: {text}", "")
    return choice.casefold()


def _options(
    given: Given, side: str, account: str, served: Served, typed: dict[str, str], target: Path
) -> tuple[dict[str, Any], Any]:
    """The options of one account as plain data, and as the connector's model with secrets that can be revealed."""
    from vetbridge.config.starting import options_shown  # noqa: PLC0415 - keeps --help quick

    plugin, folder = served.plugin, target.parent
    fields = plugin.options.model_fields
    wanted = [name for name in fields if fields[name].is_required() or name in options_shown(plugin.name)]
    more = [name.removeprefix(f"{side}.") for name in (*given.values, *given.places) if name.startswith(f"{side}.")]
    more = [name for name in more if name.partition(".")[0] not in served.parts]
    wanted += [name for name in dict.fromkeys([*served.sets, *more]) if name not in wanted]
    plain: dict[str, Any] = {}
    missing = len(given.missing)

    def ask(name: str, *, required: bool) -> None:
        value: Any
        if _is_secret(_kind_of(plugin, name)):
            value = _place(given, side, account, name, typed, served.asks.get(name, ""))
        else:
            value = given.values.get(f"{side}.{name}", served.sets.get(name))
            if value is None and given.person is not None:
                ending = "" if required else " (Enter: none)"
                words = served.asks.get(name, name)
                default = _folder_place(target, served) if _is_folder(plugin, name) else ""
                value = given.person.ask(f"{served.title}: {words}{ending}", default)
            if not value and required:
                given.missing.append(f"--set {side}.{name}=...")
        if value:
            head, dot, entry = name.partition(".")
            if dot:
                plain.setdefault(head, {})[entry] = value
            else:
                plain[head] = value

    for name in wanted:
        if _kind_of(plugin, name) is not None:
            ask(name, required=name in fields and fields[name].is_required())
    for name in served.asks:
        # Some go only together, or instead of each other: the model says whether one more is needed.
        if name not in wanted and (len(given.missing) > missing or _unsound(plugin, plain, typed, folder)):
            ask(name, required=True)
    if given.missing:
        return plain, None
    return _sound(given, side, plugin, plain, typed, folder)


def _unsound(plugin: Plugin, plain: Mapping[str, Any], typed: Mapping[str, str], folder: Path) -> Mapping[str, str]:
    """What the connector does not take, by option; "" stands for what several say together."""
    from pydantic import ValidationError  # noqa: PLC0415 - keeps --help quick

    try:
        _model(plugin, plain, typed, folder)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        return {str((*each["loc"], "")[0]): str(each["msg"]).removeprefix("Value error, ") for each in wrong}
    return {}


def _model(plugin: Plugin, plain: Mapping[str, Any], typed: Mapping[str, str], folder: Path) -> Any:
    """The connector's options, with secrets that were typed. Raises pydantic's ``ValidationError``."""
    from vetbridge.config.secrets import Secret  # noqa: PLC0415 - keeps --help quick

    def known(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if value.get("file") in typed:
            return Secret.of(typed[value["file"]])
        return {name: known(each) for name, each in value.items()}

    context = {"folder": folder, "env": os.environ}
    return plugin.options.model_validate({name: known(value) for name, value in plain.items()}, context=context)


def _is_folder(plugin: Plugin, name: str) -> bool:
    """Whether an option is a folder in which a connector works."""
    return _kind_of(plugin, name) is Path


def _folder_place(target: Path, served: Served) -> str:
    """A folder for others' files: not among those of the machine's config."""
    return f"/srv/{served.name}" if target.is_relative_to("/etc") else served.name


def _sound(
    given: Given, side: str, plugin: Plugin, plain: dict[str, Any], typed: Mapping[str, str], folder: Path
) -> tuple[dict[str, Any], Any]:
    """The options once the connector takes them; a person is asked again for what it does not take."""
    while wrong := _unsound(plugin, plain, typed, folder):
        words = "; ".join(f"{side}{name and '.'}{name}: {one_line(text, 300)}" for name, text in wrong.items())
        if given.person is None or any(name not in plain or isinstance(plain[name], dict) for name in wrong):
            more = f"Give it by --set {side}.OPTION=VALUE or --secret {side}.OPTION=PLACE, and run this again."
            _refuse(words, more if "" in wrong else "Correct that, and run this again.")
        talk(words)
        for name in wrong:
            plain[name] = given.person.ask(f"{plugin.title}: {name}")
    model = _model(plugin, plain, typed, folder)
    # A number stays one where the connector knows it as one; an id with a leading zero stays as it was typed.
    plain = {
        name: getattr(model, name) if type(getattr(model, name)) in (bool, int, float, str) else value
        for name, value in plain.items()
    }
    return plain, model


def _is_secret(annotation: Any) -> bool:
    """Whether an option takes a secret and nothing else."""
    from vetbridge.config.secrets import Secret  # noqa: PLC0415 - keeps --help quick

    kinds = set(get_args(annotation)) - {type(None)} or {annotation}
    return kinds == {Secret}


def _place(
    given: Given, side: str, account: str, name: str, typed: dict[str, str], about: str
) -> dict[str, Any] | None:
    """Where a secret stands. One that is typed is kept in ``typed``, by the name of the file that it gets."""
    text = given.places.get(f"{side}.{name}")
    if f"{side}.{name}" in given.values:
        _refuse(
            f"{side}.{name} is a secret: it does not belong on a command line", f"Use --secret {side}.{name}=PLACE."
        )
    if text is None and given.person is None:
        given.missing.append(f"--secret {side}.{name}=...")
        return None
    while True:
        if text is None and given.person is not None:
            file = f"{FOLDER}/{account}.{name}"
            text = given.person.ask(
                f"The secret {name} of {account}{about and f', {about}'}: type it now (Enter), or where it stands: "
                "env:NAME, file:PATH, keyring:SERVICE/USER"
            )
            if not text:
                secret = given.person.read_hidden(f"{name} (does not show): ").strip()
                if secret:
                    typed[file] = secret
                    return {"file": file}
                text = None
                continue
        place = _reference(text or "")
        if place is not None:
            return place
        words = f"{side}.{name}: {one_line(text or '')!r} is no place of a secret"
        if given.person is None:
            _refuse(words, "Write env:NAME, file:PATH or keyring:SERVICE/USER.")
        talk(words)
        text = None


def _reference(text: str) -> dict[str, Any] | None:
    from vetbridge.config.secrets import ENV_NAME  # noqa: PLC0415 - keeps --help quick

    kind, _, place = text.partition(":")
    if kind == "env" and ENV_NAME.fullmatch(place):
        return {"env": place}
    if kind == "file" and place and place.isprintable():
        return {"file": place}
    service, _, user = place.partition("/")
    if kind == "keyring" and service and user and place.isprintable():
        return {"keyring": {"service": service, "user": user}}
    return None


def _drafted(
    found: Answers, target: Path, data: Path | None, *, offline: bool, plan: bool
) -> tuple[list[Placed], int]:
    """The files, and what the command ends with."""
    from vetbridge.config.placing import Placed  # noqa: PLC0415 - keeps --help quick
    from vetbridge.config.starting import drafted, first_config  # noqa: PLC0415
    from vetbridge.core.records import AppointmentStatus  # noqa: PLC0415

    # Wrong zones, countries and names are told before anybody waits for a vendor.
    key = Path(FOLDER) / "ledger.key"
    ledger = _ledger_place(target, data)

    def text_of(site: FirstSite) -> str:
        return first_config(site, ledger=str(ledger), key={"file": key.as_posix()}, log=_log_place())

    _must_load(text_of(found.first))
    if not (target.parent / key).exists() and (target.parent / ledger).exists():
        text = f"there is a ledger at {target.parent / ledger}, and its key {target.parent / key} is missing"
        _refuse(text, "Put the key back, or choose another place by --data.")
    tables = {account: chosen.table for account, chosen in found.built.items()}
    # Lists that neither the vendor fixes nor can be read wait for a person: they stand there empty.
    lists: dict[str, dict[str, Mapping[str, str]]] = {
        account: {name: {} for name in sorted(table.lists - table.codes.keys())} for account, table in tables.items()
    }
    folders = list(_folders(found))
    read: Mapping[str, CodeLists] = {}
    code = 0
    if not plan:
        _make(folders)
    if not offline:
        # To look into a folder of files is to take them in.
        read, code = _asked(found, leave={account for account, _ in folders} if plan else set())
    for account, known in read.items():
        fixed = {name: codes.entries.values() for name, codes in tables[account].codes.items()}
        for name in known.keys() & tables[account].lists:
            taken = {code for codes in fixed.get(name, ()) for code in codes}
            lists[account][name] = {code: title for code, title in known[name].items() if code not in taken}
    from vetbridge.core.suggesting import common_words  # noqa: PLC0415 - keeps --help quick

    words = {"status": {each.value for each in AppointmentStatus}, "sex": set(common_words("sex"))}
    for table in tables.values():
        words |= {name: set(codes.entries) for name, codes in table.codes.items() if name not in words}
    booking, pims = drafted(lists[found.first.booking.name], lists[found.first.pims.name], words)
    first = replace(found.first, booking_codes=booking, pims_codes=pims)
    text = text_of(first)
    _must_load(text)
    made = {key.as_posix(): secrets.token_urlsafe(32), **found.typed}
    hooks = [account.hook_secret for account in (first.booking, first.pims) if account.hook_secret is not None]
    made |= {hook["file"]: secrets.token_urlsafe(24) for hook in hooks}
    files = [
        Placed(path=target.parent / name, content=f"{content}\n", private=True)
        for name, content in made.items()
        # What encrypts a ledger, and what a vendor knows already, is used as it is.
        if name in found.typed or not (target.parent / name).exists()
    ]
    return [*files, Placed(path=target, content=text)], code


def _folders(found: Answers) -> Iterator[tuple[str, Path]]:
    """The folders in which connectors work, with the account of each."""
    for account, chosen in found.built.items():
        others = [(part.plugin, part.options) for part in chosen.parts.values()]
        for plugin, options in [(chosen.plugin, chosen.options), *others]:
            names = [name for name in plugin.options.model_fields if _is_folder(plugin, name)]
            yield from ((account, getattr(options, name)) for name in names if getattr(options, name) is not None)


def _make(folders: Sequence[tuple[str, Path]]) -> None:
    """Makes folders that are not there yet. Those above them are left to a person: a share may be away."""
    for account, folder in folders:
        if folder.is_dir():
            continue
        try:
            folder.mkdir()
        except OSError as error:
            talk(f"{account}: the folder {folder} cannot be made ({error.strerror}); make it, or mount the share.")
        else:
            say(f"made: {folder}")


def _asked(found: Answers, *, leave: Set[str]) -> tuple[dict[str, CodeLists], int]:
    """What both sides say: their code lists by account, and a doctor's exit code. Accounts of ``leave`` are not
    asked."""
    from vetbridge.connector.plugin import Environment  # noqa: PLC0415 - keeps --help quick
    from vetbridge.desk import doctor  # noqa: PLC0415

    lines: list[Line] = []
    lists: dict[str, CodeLists] = {}
    waiting = {account for account, _ in _folders(found)}
    hooked = {each.name for each in (found.first.booking, found.first.pims) if each.hook_secret is not None}
    for account, chosen in found.built.items():
        if account in leave:
            continue
        talk(f"asking {account} ...")
        environment = Environment(account=account, zone=found.first.zone, country=found.first.country)
        try:
            connector = chosen.build(environment)
        except VetBridgeError as error:
            lines.append(doctor.wrong(account, "account", error))
            continue
        # Files that are there are taken in by that; then they are looked at.
        unread = []
        try:
            lists[account] = doctor.read_lists(connector)
        except VetBridgeError as error:
            # Before the first file has come there are none, and a line says so.
            if account not in waiting or not isinstance(error, Unavailable):
                unread.append(doctor.lists_not_read(account, error))
        try:
            lines += [*doctor.check_account(account, connector, hooked=account in hooked), *unread]
        finally:
            connector.close()
    for line in lines:
        talk(f"{line.mark:<5}  {line.subject} {one_line(line.name)}: {one_line(line.text, 400)}")
        if line.advice:
            talk(f"       {one_line(line.advice, 400)}")
    return lists, doctor.exit_code(lines)


def _must_load(text: str) -> None:
    """Raises ``ConfigError`` where `config check` would."""
    from vetbridge.config.problems import ConfigProblems  # noqa: PLC0415 - keeps --help quick
    from vetbridge.connector.configured import read_config  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config"
        path.write_text(text, encoding="utf-8")
        try:
            read_config(path)
        except ConfigProblems as error:
            words = "; ".join(problem.text for problem in error.problems)
            _refuse(f"this would be no config: {words}", "Correct the answers, and run this again.")


def _ledger_place(target: Path, data: Path | None) -> Path:
    """A folder of its own: a service must not be able to change its config."""
    if data is not None:
        return data.absolute() / "vetbridge.db"
    if target.is_relative_to("/etc"):
        return Path("/var/lib/vetbridge/vetbridge.db")
    return Path("data/vetbridge.db")


def _log_place() -> str | None:
    """A file where the system keeps no service's standard error."""
    return None if sys.platform.startswith("linux") else "data/vetbridge.log"


def _problems(target: Path) -> None:
    """Says what is unwise or still missing about what was written."""
    from vetbridge.connector.configured import read_config  # noqa: PLC0415 - keeps --help quick

    loaded = read_config(target)
    for problem in (*loaded.warnings, *loaded.check_secrets()):
        talk(f"{'warning: ' if problem.warning else ''}{problem}")


def _show(files: Sequence[Placed]) -> None:
    for file in files:
        say(f"write {file.path}{' (its owner alone reads it)' if file.private else ''}")
        # What a secret is stays unsaid, also here.
        for line in () if file.private else file.content.splitlines():
            say(f"    {line}".rstrip())


def _next(target: Path, found: Answers) -> None:
    vetbridge = f"vetbridge --config {target}"
    talk("Keep a copy of the ledger's key in another place: without it the ledger is lost.")
    talk("Words that are still missing stand as comments in the config. What comes next:")
    pims = found.pims
    if pims.system is not None:
        for sentence in pims.after:
            _talk(sentence, first="- ", margin="  ")
        talk(f"- docs/connectors/{pims.name}.md goes through it step by step.")
    commands = ["doctor", "sync", "service install --plan"]
    if pims.system is not None:
        commands.insert(1, f"mapping fill {found.first.key}")
    if pims.writes_by_hand:
        commands.insert(-1, "worklist list")
    for command in commands:
        say(f"{vetbridge} {command}")


def _talk(text: str, *, first: str, margin: str) -> None:
    for line in wrapped(text, first=first, margin=margin):
        talk(line)


def _pairs(option: str, texts: Sequence[str] | None) -> dict[str, str]:
    """SIDE.OPTION=VALUE, several times."""
    pairs = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not value or name.partition(".")[0] not in SIDES:
            # The value is not repeated: somebody may have put a secret there.
            _refuse(f"{option} {one_line(name)}: write it as booking.OPTION=... or pims.OPTION=...", "")
        pairs[name] = value
    return pairs


def machine_zone() -> str:
    """The IANA zone of this machine, "" where it does not say."""
    places: Iterator[str] = iter((os.environ.get("TZ", "").removeprefix(":"), _linked_zone(), _written_zone()))
    for place in places:
        try:
            if place and "/" in place:
                return ZoneInfo(place).key
        except (OSError, ValueError, KeyError):
            continue  # no such zone
    return ""


def _linked_zone() -> str:
    try:
        return str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    except OSError:
        return ""


def _written_zone() -> str:
    try:
        return Path("/etc/timezone").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def country_of(zone: str) -> str:
    """The country that a zone is in, two letters; "" where it is not known or in several."""
    from importlib import resources  # noqa: PLC0415 - keeps --help quick

    table = resources.files("tzdata.zoneinfo").joinpath("zone.tab").read_text("utf-8")
    rows = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    found = {row[0] for row in rows if row[2] == zone}
    return found.pop() if len(found) == 1 else ""


def _read(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    try:
        return input()
    except EOFError:
        raise ConfigError("the questions were not answered; nothing was written") from None


def _read_hidden(question: str) -> str:
    try:
        return getpass.getpass(question)
    except EOFError:
        raise ConfigError("the questions were not answered; nothing was written") from None


def _refuse(text: str, advice: str) -> NoReturn:
    give_up(COMMAND, text, advice=advice, code="usage", as_json=False, exit_code=USAGE)
