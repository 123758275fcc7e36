"""Loads a config: defaults, then the file, then ``VETBRIDGE_*`` variables; every problem is told in one go."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from vetbridge.config.document import Broken, Document, read
from vetbridge.config.environment import overlay
from vetbridge.config.models import Config
from vetbridge.config.problems import ConfigProblems, Place, Problem, nearest, shown
from vetbridge.config.secrets import Secret
from vetbridge.config.shape import PARTS, WITH_OPTIONS, Shape, has_options
from vetbridge.core.errors import ConfigError
from vetbridge.core.records import Kind

OptionsOf = Callable[[str], type[BaseModel]]
"""An options' model by the connector's name; raises ``ConfigError`` where there is none."""
KindsOf = Callable[[str], Collection[Kind]]
"""The kinds that a connector serves, by its name; none where only an account's options tell."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: ``default``, ``file``, ``environment`` or ``app``, and there the line, the variable
    or the app's name."""

    kind: str
    where: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind if self.kind != "file" else "", self.where) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A sound config, and where its values come from."""

    config: Config
    path: Path
    """The file, in full."""
    warnings: tuple[Problem, ...]
    """What is unwise, but usable."""
    _lines: Mapping[Place, int]
    _variables: Mapping[Place, str]

    @property
    def folder(self) -> Path:
        """The config's folder, where its relative paths start."""
        return self.path.parent

    def origin(self, place: Place) -> Origin:
        """Where the value at ``place`` comes from."""
        for length in range(len(place), 0, -1):
            if place[:length] in self._variables:
                return Origin("environment", self._variables[place[:length]])
        if place in self._lines:
            return Origin("file", f"{self.path.name}:{self._lines[place]}")
        app = self._app_of(place)
        return Origin("default") if app is None else Origin("app", app)

    def _app_of(self, place: Place) -> str | None:
        """The app from which an account has taken an option; None where the account's own holds."""
        if len(place) < 4 or (place[0], place[2]) != ("accounts", "options") or place[:4] in self._lines:
            return None
        app = self.config.accounts[str(place[1])].app
        if app is None or place[3] not in self.config.apps[app].options.model_fields_set:
            return None
        return app

    def values(self) -> Iterator[tuple[Place, Any]]:
        """Every single value with its place, a secret as its ``Secret``."""
        return _leaves(self.config, ())

    def check_secrets(self) -> list[Problem]:
        """What is wrong or unwise about the places of secrets. Looks at variables and files; runs no command."""
        found: list[Problem] = []
        for place, value in self.values():
            if not isinstance(value, Secret):
                continue
            origin = self.origin(place)
            if origin.kind == "app":
                continue  # the app's own place tells
            source = self.path.name if origin.kind == "file" else origin.where
            line = self._lines.get(place) if origin.kind == "file" else None
            for text, warning in ((value.problem(), False), (value.warning(), True)):
                if text:
                    found.append(Problem(source=source, line=line, place=place, text=text, warning=warning))
        return found


class _NoOptions(BaseModel):
    """Stands for options that could not be read; the problem is already noted."""

    model_config = ConfigDict(frozen=True)


def _no_apps(connector: str) -> type[BaseModel]:
    raise ConfigError(f"{connector} has no marketplace that VetBridge knows")


def _any_kind(connector: str) -> Collection[Kind]:
    return ()


def load(
    path: Path,
    *,
    options: OptionsOf,
    apps: OptionsOf = _no_apps,
    kinds: KindsOf = _any_kind,
    env: Mapping[str, str] | None = None,
) -> Loaded:
    """The config at ``path``. Raises ``ConfigProblems`` (a ``ConfigError``) with every problem that was found.

    ``options`` are those of an account or of a part of one, ``apps`` those of an app; ``kinds`` judges what parts are
    to serve. ``env`` is the process environment by default. Secrets are not fetched here: ``Loaded.check_secrets``
    looks.
    """
    env = os.environ if env is None else env
    path = path.absolute()
    document = read(path)
    if not isinstance(document.data, dict):
        text = "is empty" if document.data is None else "is no group of keys; begin with the line 'version: 1'"
        raise ConfigProblems([*document.problems, Problem(source=path.name, line=None, place=(), text=text)])

    # Twice: a variable may set an option, or name another connector.
    named = {"accounts": options, "apps": apps}
    models, _ = _options_models(document, named)
    variables, wrong = overlay(document, Shape(models), env)
    models, unknown = _options_models(document, named)
    judge = _Judge(document, Shape(models), variables, path.name)
    judge.problems += [*document.problems, *wrong]
    for place, words in unknown.items():
        judge.note(place, words)
    context = {"folder": path.parent, "env": env}

    data = dict(document.data)
    for group in WITH_OPTIONS:
        entries = data.get(group)
        if isinstance(entries, dict):
            data[group] = {
                name: _with_options((group, name), entry, models, judge, context, data.get("apps"))
                for name, entry in entries.items()
            }
    config: Config | None = None
    try:
        config = Config.model_validate(data, context=context)
    except ValidationError as error:
        judge.judge(error, ())
    judge.check_accounts()
    judge.check_parts(models, kinds)
    mistakes = [problem for problem in judge.problems if not problem.warning]
    if config is None or mistakes:
        raise ConfigProblems(mistakes)
    if not config.door.loopback:
        judge.note(
            ("door", "host"),
            "is reached from other machines without encryption; put a TLS proxy before it",
            warning=True,
        )
    return Loaded(
        config=config,
        path=path,
        warnings=tuple(judge.problems),
        _lines=document.lines,
        _variables=variables,
    )


def _options_models(
    document: Document, options: Mapping[str, OptionsOf]
) -> tuple[dict[Place, type[BaseModel]], dict[Place, str]]:
    """The options' model of each account, part and app whose connector is known; what is wrong with the others'
    names."""
    models: dict[Place, type[BaseModel]] = {}
    unknown: dict[Place, str] = {}
    for group, model_of in options.items():
        for place, entry in _with_connectors((group,), document.data.get(group)):
            connector = entry.get("connector")
            if not isinstance(connector, str) or not connector:
                continue
            try:
                models[place] = model_of(connector)
            except ConfigError as error:
                unknown[*place, "connector"] = error.message
    return models, unknown


def _with_connectors(place: Place, entries: Any) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Accounts and apps, and the parts of accounts, by place."""
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if isinstance(entry, dict):
            yield (*place, name), entry
            if place == ("accounts",):
                yield from _with_connectors((*place, name, PARTS), entry.get(PARTS))


def _with_options(
    place: Place,
    entry: Any,
    models: Mapping[Place, type[BaseModel]],
    judge: _Judge,
    context: Mapping[str, Any],
    apps: Any,
) -> Any:
    """The account, the part or the app with its options as the connector's model."""
    if not isinstance(entry, dict):
        return entry
    parts = entry.get(PARTS)
    if isinstance(parts, dict) and has_options((*place, PARTS, "")):
        inside = {
            name: _with_options((*place, PARTS, name), part, models, judge, context, None)
            for name, part in parts.items()
        }
        entry = {**entry, PARTS: inside}
    given: Any = _NoOptions()
    model = models.get(place)
    if model is not None:
        # Left out means none: the model then names every option that it needs.
        own = entry.get("options", {})
        app = entry.get("app")
        if isinstance(own, dict) and isinstance(apps, dict) and isinstance(app, str):
            own = {**_of_app(apps.get(app), model), **own}
        try:
            given = model.model_validate(own, context=context)
        except ValidationError as error:
            judge.judge(error, (*place, "options"))
    return {**entry, "options": given}


def _of_app(app: Any, model: type[BaseModel]) -> dict[str, Any]:
    """The options of an account's app, as they were read, that the account's model has, too."""
    options = app.get("options") if isinstance(app, dict) else None
    if not isinstance(options, BaseModel):
        return {}
    shared = options.model_fields_set & model.model_fields.keys()
    return {name: getattr(options, name) for name in shared}


class _Judge:
    """Puts what the models found into words, with file and line."""

    def __init__(self, document: Document, shape: Shape, variables: Mapping[Place, str], source: str) -> None:
        self._document = document
        self._shape = shape
        self._variables = variables
        self._source = source
        self._broken = frozenset(_broken(document.data, ()))
        self._around_broken = frozenset(place[:length] for place in self._broken for length in range(len(place)))
        self._noted: set[tuple[Place, bool]] = set()
        self.problems: list[Problem] = []

    def note(self, place: Place, text: str, *, warning: bool = False) -> None:
        """Adds one problem, once per place."""
        if (place, warning) in self._noted:
            return
        self._noted.add((place, warning))
        source, line = self._source, self._document.line_of(place)
        for length in range(len(place), 0, -1):
            if place[:length] in self._variables:
                source, line = self._variables[place[:length]], None
                break
        self.problems.append(Problem(source=source, line=line, place=place, text=text, warning=warning))

    def judge(self, error: ValidationError, around: Place) -> None:
        """Adds what pydantic found in the value at ``around``."""
        details = error.errors(include_url=False)
        for detail in details:
            if detail["type"] == "too_short" and any(_is_inside(other["loc"], detail["loc"]) for other in details):
                continue  # what is wrong with its entries is told
            place, value = self._locate((*around, *detail["loc"]), missing=detail["type"] == "missing")
            if not self._is_broken(place, whole=detail["type"] == "secret"):
                self.note(place, self._words(detail, place, value))

    def check_accounts(self) -> None:
        """Adds what is wrong between sites and accounts."""
        accounts, sites = (self._group(name) for name in ("accounts", "sites"))
        site_of: dict[str, str] = {}
        role_of: dict[str, str] = {}
        for site, parts in sites.items():
            for role in ("booking", "pims"):
                end = parts.get(role) if isinstance(parts, dict) else None
                account = end.get("account") if isinstance(end, dict) else None
                if not isinstance(account, str):
                    continue
                place = ("sites", site, role, "account")
                if account not in accounts:
                    self.note(place, f"no account is called {shown(account)}{nearest(account, accounts)}")
                elif role == "booking" and isinstance(accounts[account], dict) and accounts[account].get(PARTS):
                    text = f"the account {shown(account)} has parts, which only a practice's account has"
                    self.note(place, text)
                elif role_of.setdefault(account, role) != role:
                    self.note(place, f"the account {shown(account)} is a {role_of[account]} account at another place")
                elif role == "booking" and site_of.setdefault(account, site) != site:
                    self.note(
                        place,
                        f"the account {shown(account)} already is the booking side of {shown(site_of[account])}",
                    )
        for account in accounts:
            if account not in role_of and sites:
                self.note(("accounts", account), "no site uses this account", warning=True)
        self._check_apps(accounts)
        for site, parts in sites.items():
            if isinstance(parts, dict):
                self._check_idle(("sites", site), parts)

    def check_parts(self, models: Mapping[Place, type[BaseModel]], kinds_of: KindsOf) -> None:
        """Adds what is wrong between the parts of an account."""
        known = {kind.value for kind in Kind}
        taken: dict[tuple[Place, str], str] = {}
        for place in (place for place in models if len(place) == 4):
            part = self._document.data["accounts"][place[1]][PARTS][place[3]]
            kinds = part.get("serves")
            able = {kind.value for kind in kinds_of(part["connector"])}
            for number, kind in enumerate(kinds) if isinstance(kinds, list) else ():
                if kind not in known:
                    continue  # which is told
                here = (*place, "serves", number)
                first = taken.setdefault((place[:2], kind), str(place[3]))
                if first != place[3]:
                    self.note(here, f"the part {shown(first)} serves {kind} already; one of them has to leave it out")
                elif able and kind not in able:
                    words = ", ".join(each.value for each in Kind if each.value in able)
                    self.note(here, f"the connector {part['connector']} has no {kind}; it has {words}")

    def _check_idle(self, place: Place, parts: Mapping[str, Any]) -> None:
        """Names parts of a site that stand there and do nothing."""
        files = parts.get("attachments", ...)
        if files is None or (isinstance(files, dict) and not any(way in files for way in ("to_pims", "to_booking"))):
            text = "has neither to_pims nor to_booking, so no file is carried; write to_pims: {} for the defaults"
            self.note((*place, "attachments"), text, warning=True)
        if parts.get("reminders", ...) is None:
            text = "is empty, so nothing is done about due services; write reminders: {} for the defaults"
            self.note((*place, "reminders"), text, warning=True)

    def _check_apps(self, accounts: Mapping[str, Any]) -> None:
        apps = self._group("apps")
        for account, parts in accounts.items():
            app = parts.get("app") if isinstance(parts, dict) else None
            if not isinstance(app, str):
                continue
            place = ("accounts", account, "app")
            connector = apps[app].get("connector") if isinstance(apps.get(app), dict) else None
            if app not in apps:
                self.note(place, f"no app is called {shown(app)}{nearest(app, apps)}")
            elif connector != parts.get("connector"):
                self.note(place, f"the app {shown(app)} is for another connector than the account")

    def _group(self, name: str) -> dict[str, Any]:
        group = self._document.data.get(name)
        return group if isinstance(group, dict) else {}

    def _locate(self, loc: Place, *, missing: bool) -> tuple[Place, Any]:
        """The place in the file of pydantic's location, which also names members of unions, and the value there."""
        place: Place = ()
        node = self._document.data
        for index, part in enumerate(loc):
            inside = dict(enumerate(node)) if isinstance(node, list) else node
            if isinstance(inside, dict) and part in inside:
                node = inside[part]
            elif part == "options" and has_options(place):
                node = {}
            elif missing and index == len(loc) - 1:
                node = None
            else:
                continue
            place = (*place, part)
        return place, node

    def _is_broken(self, place: Place, *, whole: bool) -> bool:
        """Something in the way could not be read (``whole``: or inside), and that is told already."""
        if whole and place in self._around_broken:
            return True
        return any(place[:length] in self._broken for length in range(len(place) + 1))

    def _words(self, detail: Any, place: Place, value: Any) -> str:
        kind: str = detail["type"]
        context: Mapping[str, Any] = detail.get("ctx", {})
        if kind == "missing":
            return "is missing"
        if kind == "extra_forbidden":
            return f"unknown key{nearest(str(place[-1]), self._shape.keys(place[:-1]) or ())}"
        if value is None and kind not in ("secret", "vetbridge"):
            return "is empty; give it a value or remove the key"
        text_words = "must be text; put it in quotes" if isinstance(value, (int, float)) else "must be text"
        number_hint = "; remove the quotes" if isinstance(value, str) else ""
        words = {
            "string_type": text_words,
            "int_type": f"must be a whole number{number_hint}",
            "int_parsing": "must be a whole number",
            "int_from_float": "must be a whole number",
            "float_type": f"must be a number{number_hint}",
            "float_parsing": "must be a number",
            "bool_type": f"must be true or false{number_hint}",
            "bool_parsing": "must be true or false",
            "list_type": "must be a list",
            "tuple_type": "must be a list",
            "model_type": "must be a group of keys",
            "dict_type": "must be a group of keys",
            "mapping_type": "must be a group of keys",
            "too_short": "must hold at least one entry",
            "string_too_short": "must not be empty",
            "string_too_long": f"must have at most {context.get('max_length')} characters",
            "literal_error": f"must be one of {context.get('expected')}",
            "enum": f"must be one of {context.get('expected')}",
            "greater_than": f"must be more than {_number(context.get('gt'))}",
            "greater_than_equal": f"must be at least {_number(context.get('ge'))}",
            "less_than": f"must be less than {_number(context.get('lt'))}",
            "less_than_equal": f"must be at most {_number(context.get('le'))}",
        }
        if kind in words:
            return words[kind]
        if kind == "string_pattern_mismatch" and (len(place) == 2 or place[-2] == PARTS or place[-1] == "account"):
            return "a name has lower-case letters, digits and hyphens only"
        if kind == "string_pattern_mismatch" and str(context.get("pattern")).startswith("^[0-9]{1"):
            return "must be a number, in quotes"
        return str(detail["msg"]).removeprefix("Value error, ")


def _is_inside(inner: Sequence[Any], outer: Sequence[Any]) -> bool:
    return len(inner) > len(outer) and tuple(inner[: len(outer)]) == tuple(outer)


def _number(limit: Any) -> str:
    return f"{limit:g}" if isinstance(limit, float) else str(limit)


def _broken(node: Any, place: Place) -> Iterator[Place]:
    if isinstance(node, Broken):
        yield place
    elif isinstance(node, dict):
        for key, inner in node.items():
            yield from _broken(inner, (*place, key))
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            yield from _broken(inner, (*place, index))


def _leaves(node: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    if isinstance(node, BaseModel):
        for name in type(node).model_fields:
            yield from _leaves(getattr(node, name), (*place, name))
    elif isinstance(node, Mapping) and node:
        for key, inner in node.items():
            yield from _leaves(inner, (*place, str(key)))
    else:
        yield place, node
