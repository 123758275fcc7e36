"""Every catalogue says every sentence that people read, once and with the same ``{names}``, and says nothing else.

A sentence is a literal in ``phrase("...")`` or ``phrases("...", "...")`` of the code, or in ``_("...")`` of a
template; else it comes out of a table of literals, and ``TABLES`` names the table where the call does not. What the
engine says as a change ends, waits or asks stands in the ledger in English, and is put into another language as it is
shown: those sentences count too, and one with values in it is flagged ``#, kept``.
"""

from __future__ import annotations

import ast
import importlib
import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from jinja2 import nodes

from vetbridge.core.matching import comparing, evidence
from vetbridge.desk.advice import error_classes
from vetbridge.desk.language import ENGLISH, LANGUAGES
from vetbridge.sync.writing import FUSED_WORDS

ROOT = Path(__file__).parents[2] / "vetbridge"
CATALOGUES = ROOT / "desk" / "catalogues"
TEMPLATES = ROOT / "web" / "templates"
SPEAKERS: Mapping[str, int] = {"phrase": 1, "phrases": 2, "_": 1}
"""The functions that speak, and how many of their arguments are sentences."""
LEDGER = "what the ledger keeps of the engine"
ADVICE = "the advice of the errors"
EVIDENCE = "the matcher's evidence"

TABLES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("desk/advice.py", "error_classes().get(code, errors.Refused).advice()"): (ADVICE,),
    ("desk/answering.py", "plain"): ("vetbridge.desk.answering._PLAIN",),
    ("desk/answering.py", "item.kind"): ("vetbridge.core.records.Kind",),
    ("desk/answering.py", "words"): (LEDGER,),
    ("desk/answering.py", "waits"): (LEDGER,),
    ("desk/review.py", "said"): ("vetbridge.core.matching.REASONS",),
    ("desk/today.py", "with_end"): ("vetbridge.desk.today._ACCOUNT_PAUSED", "vetbridge.desk.today._SITE_PAUSED"),
    ("desk/today.py", "without"): ("vetbridge.desk.today._ACCOUNT_PAUSED", "vetbridge.desk.today._SITE_PAUSED"),
    ("desk/wording.py", "code"): (),
    ("web/audit.py", "words"): ("vetbridge.web.audit._ACTS",),
    ("web/failures.py", "kind"): (),
    ("web/find.py", "words"): ("vetbridge.web.find._WORDS",),
    ("web/question.py", "label"): ("vetbridge.web.question._LABELS", "vetbridge.web.question._LABELS_OF"),
}
"""Where a sentence comes from that is no literal: by file and expression. Nothing: a code that nobody gave words."""
EVERYWHERE: Mapping[str, tuple[str, ...]] = {
    r"\w+\.(message|closed_why)": (LEDGER,),
    r"str\(each\.get\('words', ''\)\)": (EVIDENCE,),
}
"""The same, by what an expression looks like, in every file."""


def test_every_language_has_a_catalogue_and_every_catalogue_a_language() -> None:
    assert {path.stem for path in CATALOGUES.iterdir()} == set(LANGUAGES) - {ENGLISH}


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {ENGLISH}))
def test_a_catalogue_says_every_sentence_and_nothing_else(language: str) -> None:
    said, unsure = sentences()
    assert not unsure, "these say what is no literal: name their tables in TABLES\n" + "\n".join(sorted(unsure))
    known = {str(message.id) for message in catalogue(language) if message.id}
    missing = "".join(f'\nmsgid {quoted(each)}\nmsgstr ""\n' for each in sorted(said - known))
    stale = "\n".join(map(quoted, sorted(known - said)))
    assert not missing, f"{language}.po lacks these sentences:\n{missing}"
    assert not stale, f"nobody says these sentences of {language}.po any more:\n{stale}"


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {ENGLISH}))
def test_a_catalogue_is_whole(language: str) -> None:
    text = (CATALOGUES / f"{language}.po").read_text(encoding="utf-8")
    # The reader keeps the last one of two.
    assert len(re.findall(r"^msgid ", text, re.MULTILINE)) == len(list(catalogue(language))), (
        "a sentence stands there twice"
    )
    assert "\n#~" not in text, "what nobody says is taken out"
    for message in catalogue(language):
        if message.id:
            assert message.string, f"nothing stands for {message.id!r}"
            assert not message.fuzzy, f"somebody has to look at {message.id!r}"
            assert placeholders(str(message.string)) == placeholders(str(message.id)), message.id
            assert ("kept" in message.flags) == (str(message.id) in with_values()), f"`#, kept` at {message.id!r}"
            assert str(message.string).strip() == message.string, f"blanks around {message.id!r}"


def test_the_scan_finds_what_is_said() -> None:
    said, _ = sentences()
    assert "Not now" in said, "a literal of a template"
    assert {"{count} day ago", "{count} days ago"} <= said, "one thing and several"
    assert "same e-mail address" in said, "evidence"
    assert "both sides already agree" in said, "what the ledger keeps"
    assert "The visit began before it could be written. Tell the front desk, and enter it by hand." in said, "a table"


def test_no_template_says_what_no_catalogue_can() -> None:
    """Every letter that a template shows went through ``_``."""
    bare: list[str] = []
    for path in sorted(TEMPLATES.glob("*.html")):
        page = Words()
        for data in parsed(path).find_all(nodes.TemplateData):
            page.feed(data.data)
        bare += [f"{path.name}: {words}" for words in page.found if words not in ("VetBridge",)]
    assert not bare


# -- how it is found ----------------------------------------------------------------------------------------------


def catalogue(language: str) -> Catalog:
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def quoted(sentence: str) -> str:
    escaped = sentence.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'


@cache
def sentences() -> tuple[set[str], set[str]]:
    """What code and templates say, and the places of which that cannot be told."""
    said: set[str] = set()
    unsure: set[str] = set()
    for place, found in (*of_code(), *of_templates()):
        if found is None:
            unsure.add(place)
        else:
            said.add(found)
    return said, unsure


def of_code() -> Iterator[tuple[str, str | None]]:
    for path in sorted(ROOT.rglob("*.py")):
        file = path.relative_to(ROOT).as_posix()
        if file == "desk/language.py" or not re.search(r"\bphrases?\b", path.read_text(encoding="utf-8")):
            continue
        module = ".".join(("vetbridge", *path.relative_to(ROOT).with_suffix("").parts))
        for call in calls(path):
            for argument in call.args[: SPEAKERS.get(name_of(call.func), 0)]:
                for found in spoken(argument, module, file):
                    yield f"{file}:{call.lineno}: {ast.unparse(argument)}", found


def of_templates() -> Iterator[tuple[str, str | None]]:
    for path in sorted(TEMPLATES.glob("*.html")):
        for call in parsed(path).find_all(nodes.Call):
            name = call.node.name if isinstance(call.node, nodes.Name) else ""
            for given in call.args[: SPEAKERS.get(name, 0)]:
                yield f"{path.name}:{call.lineno}", given.value if isinstance(given, nodes.Const) else None


@cache
def calls(path: Path) -> tuple[ast.Call, ...]:
    return tuple(node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def spoken(node: ast.expr, module: str, file: str) -> Iterator[str | None]:
    """The sentences that an expression may be; None for what cannot be told."""
    text = ast.unparse(node)
    tables = TABLES.get((file, text))
    if tables is None:
        tables = next((each for form, each in EVERYWHERE.items() if re.fullmatch(form, text)), None)
    if tables is not None:
        for table in tables:
            yield from named(table)
    elif isinstance(node, ast.Constant):
        yield node.value if isinstance(node.value, str) else None
    elif isinstance(node, ast.IfExp):
        yield from spoken(node.body, module, file)
        yield from spoken(node.orelse, module, file)
    elif isinstance(node, ast.BoolOp):
        for each in node.values:
            yield from spoken(each, module, file)
    elif isinstance(node, ast.Subscript):
        yield from spoken(node.value, module, file)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        yield from spoken(node.func.value, module, file)
        for default in node.args[1:]:
            yield from spoken(default, module, file)
    elif re.fullmatch(r"(\w+\.)*_*[A-Z][A-Z_]*", ast.unparse(node)):
        yield from named(f"{module}.{ast.unparse(node)}")
    else:
        yield None


def named(table: str) -> Iterable[str]:
    """The sentences of a table, by its whole name."""
    if table == LEDGER:
        return kept()
    if table == ADVICE:
        return (error.advice() for error in error_classes().values())
    if table == EVIDENCE:
        return evident()
    parts = table.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return strings(found)
    raise LookupError(table)


def strings(found: object) -> Iterator[str]:
    """All texts in a table; of pairs of a code and a text the text."""
    if isinstance(found, str):
        yield str(found)
    else:
        for each in found.values() if isinstance(found, Mapping) else found:  # type: ignore[attr-defined]
            yield from strings(each)


def evident() -> Iterator[str]:
    """What the matcher can say of a field, and of what is no field."""
    for field, levels in comparing.LEVELS.items():
        for level in (*levels, comparing.MISSING):
            yield evidence._SAID[level].format(evidence._CALLED[field])
    for field in ("phone", "email"):
        yield evidence._SAID[comparing.COMMON].format(evidence._CALLED[field])
    yield from re.findall(
        r'(?:EXACT, (?:round\(.*\)|0\.0), |words = )"([^"]+)"', Path(evidence.__file__).read_text("utf-8")
    )


def kept() -> Iterator[str]:
    """What the engine says as a change ends, waits or asks, and why it closes a question or a line of the work list;
    with ``{names}``, where values stand in it."""
    for folder in ("sync", "ledger"):
        for path in sorted((ROOT / folder).glob("*.py")):
            for call in calls(path):
                for given in told(call):
                    behind = assigned(path).get(given.id, ()) if isinstance(given, ast.Name) else (given,)
                    for said in behind:
                        if isinstance(said, ast.Constant) and isinstance(said.value, str) and said.value:
                            yield said.value
                        elif isinstance(said, ast.JoinedStr):
                            yield with_names(said)
    yield from FUSED_WORDS.values()


@cache
def with_values() -> frozenset[str]:
    """The sentences of the engine that have values in them when they are shown: known by their form alone."""
    return frozenset(each for each in kept() if placeholders(each))


def told(call: ast.Call) -> Iterable[ast.expr]:
    """What a call of the engine writes down to be read; ``reserve`` is told what it would have to wait for."""
    name = name_of(call.func)
    by_keyword = {each.arg: each.value for each in call.keywords}
    said: ast.expr | None = by_keyword.get("closed_why")
    if name in ("Ending", "_nothing"):
        said = by_keyword.get("message") or (call.args[-1] if call.args else None)
    elif name in ("Ask", "PutOff"):
        said = call.args[{"Ask": 1, "PutOff": 2}[name]]
    elif name == "reserve":
        said = call.args[3] if len(call.args) > 3 else None
    elif name == "take_back" and "strike" not in by_keyword:
        said = call.args[2]
    elif name in ("close", "struck", "_part"):
        said = by_keyword.get("why") or (call.args[-1] if call.args else None)
    if isinstance(said, ast.IfExp):
        return said.body, said.orelse
    return () if said is None else (said,)


@cache
def assigned(path: Path) -> Mapping[str, Sequence[ast.expr]]:
    """What stands behind the names of a module: ``WHY = "the pair has ended"``."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
    return found


def with_names(said: ast.JoinedStr) -> str:
    """``f"{end.account} does not show it"`` as ``{account} does not show it``."""
    return "".join(
        "{" + re.findall(r"[a-z]+", ast.unparse(part.value))[-1] + "}"
        if isinstance(part, ast.FormattedValue)
        else str(ast.literal_eval(part))
        for part in said.values
    )


def parsed(path: Path) -> nodes.Template:
    return jinja2.Environment(autoescape=True).parse(path.read_text(encoding="utf-8"))


class Words(HTMLParser):
    """The words of a page that people are shown, or that are read to them."""

    SHOWN = frozenset({"alt", "aria-label", "placeholder", "title"})

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self._keep(data)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in self.SHOWN:
                self._keep(value or "")

    def _keep(self, data: str) -> None:
        if re.search(r"[^\W\d_]{2,}", data):
            self.found.append(" ".join(data.split()))
