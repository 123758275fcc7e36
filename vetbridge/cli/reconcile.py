"""`vetbridge reconcile`: every difference between the two sides, who would change what, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.plan import PATIENCE, unknown_site
from vetbridge.cli.reading import AsJson, as_data, config_path, told
from vetbridge.cli.sheets import CsvFile, HtmlFile, Section, files_told, require_writable, write_csv, write_page
from vetbridge.cli.tables import one_line, wrapped

if TYPE_CHECKING:
    from vetbridge.desk.reconciling import Line, Reconciliation

DIFFERENCES = 4
"""Exit code where something would be written, is asked, or could not be compared."""
UNREACHABLE = 5
"""Exit code where a side does not answer."""

LONGEST_WORDS = 300
"""Characters of a reason that are shown."""

_COLUMNS = (
    "Group",
    "Site",
    "Kind",
    "Visit time",
    "Who",
    "Id at booking side",
    "Id in PIMS",
    "More ids in PIMS",
    "Would change",
    "Operation",
    "Field",
    "At booking side",
    "In PIMS",
    "Code",
    "Why",
)
_PAGE_COLUMNS = ("Visit", "Who", "What", "Values", "Why", "Ids")
_BLANK = "-"
_OTHERS = {"registered-twice": "also"}
"""What further ids are called, by group."""


def reconcile(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Option(help="Only this site.")] = None,
    every_client: Annotated[
        bool, typer.Option("--all", help="List the clients that stand on one side alone, too, not only their number.")
    ] = False,
    csv_file: CsvFile = None,
    html_file: HtmlFile = None,
    as_json: AsJson = False,
) -> None:
    """List every difference between the two sides: who would change what, what stays as it is, and why.

    Reads both sides for real, and works on a copy of the ledger; nothing is written to either side. It may run at any
    time, beside a running VetBridge, before and after `sync --approve`. Shows names, phones and times of visits: mind
    who reads along; only you may read the files that it writes.

    Ends with 0 where nothing would be written and nobody is asked, with 4 where something would be or could not be
    compared, with 5 where a side does not answer. What stays as it is on each side does not count.
    """
    command = "reconcile"
    from vetbridge.cli.log import set_up  # noqa: PLC0415 - keeps --help quick
    from vetbridge.daemon.reconciling import reconcile as compare  # noqa: PLC0415

    with told(command, as_json=as_json), files_told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        if site is not None and site not in loaded.config.sites:
            unknown_site(command, loaded.config, site, as_json=as_json)
        require_writable(csv_file, html_file)
        # Endings of a rehearsal would read as if they had happened.
        set_up("warning", loaded.config.log.format)
        found = compare(loaded, site=site, every_client=every_client, patience=PATIENCE, progress=talk)
        if csv_file is not None:
            write_csv(csv_file, _COLUMNS, _rows(found))
        if html_file is not None:
            title = "Differences between the two sides" if site is None else f"Differences between the sides: {site}"
            write_page(html_file, title, [*_counts(found), *found.notes, *found.problems], _sections(found))
    if as_json:
        emit_json(command, _data(found), found.problems)
    else:
        _draw(found)
    raise typer.Exit(UNREACHABLE if found.unreachable else 0 if found.agrees else DIFFERENCES)


def _data(found: Reconciliation) -> dict[str, Any]:
    lines = []
    for line in found.lines:
        fields = {each.field: {"booking": each.booking, "pims": each.pims} for each in line.fields}
        lines.append({**as_data(line), "fields": as_data(fields)})
    return {"agrees": found.agrees, "counts": found.counts(), "notes": list(found.notes), "differences": lines}


# -- the terminal ---------------------------------------------------------------------------------------------------


def _draw(found: Reconciliation) -> None:
    from vetbridge.desk.reconciling import GROUP_WORDS, Group  # noqa: PLC0415 - keeps --help quick

    for text in [*_counts(found), *found.notes]:
        for drawn in wrapped(text, margin="    "):
            say(drawn)
    for group in Group:
        lines = found.in_group(group)
        if lines:
            say("")
            say(f"{GROUP_WORDS[group]}:")
        for line in lines:
            for drawn in _line(line):
                say(drawn)
    say("")
    say("Both sides agree. Nothing was written." if found.agrees else "Nothing was written.")
    for problem in found.problems:
        talk(problem)


def _counts(found: Reconciliation) -> list[str]:
    """How many of what, group by group."""
    from vetbridge.desk.reconciling import GROUP_WORDS, Group  # noqa: PLC0415 - keeps --help quick

    counted = found.counts()
    if not counted:
        return ["No difference was found."]
    return [
        f"{GROUP_WORDS[group]}: {', '.join(_amounts(counted[group]))}" for group in Group if group.value in counted
    ]


def _amounts(counts: Mapping[str, int]) -> Iterator[str]:
    from vetbridge.desk.reconciling import OPERATION_WORDS  # noqa: PLC0415 - keeps --help quick

    for name, count in counts.items():
        if name in ("at-booking", "in-pims"):
            yield f"{count} {'at the booking side' if name == 'at-booking' else 'in the PIMS'}"
            continue
        kind, _, operation = name.partition(" ")
        noun = "visit" if kind == "appointment" else kind
        words = OPERATION_WORDS.get(operation, "")
        yield f"{count} {noun}{'' if count == 1 else 's'} {words}".rstrip()


def _line(line: Line) -> Iterator[str]:
    """One difference: what and whose, its fields, why and by which ids it is found."""
    head = [_when(line), one_line(line.who) or ("(no name)" if line.kind else f"site {line.site}"), _what(line)]
    yield from wrapped("  ".join(part for part in head if part), first="  ", margin="      ")
    for text in _fields(line):
        yield from wrapped(text, first="      ", margin="          ")
    yield from wrapped(f"why: {_why(line)}", first="      ", margin="          ")
    yield from wrapped(_ids(line), first="      ", margin="          ")


def _when(line: Line) -> str:
    return "" if line.visit_at is None else f"{line.visit_at:%a %d %b %H:%M}"


def _what(line: Line) -> str:
    from vetbridge.desk.reconciling import OPERATION_WORDS, PIMS  # noqa: PLC0415 - keeps --help quick

    kind = "visit" if line.kind == "appointment" else line.kind
    if not line.operation:
        return kind
    return f"{kind} {OPERATION_WORDS[line.operation]} {'in the PIMS' if line.side == PIMS else 'at the booking side'}"


def _fields(line: Line) -> list[str]:
    """The fields: of a record that would be made what it would be, else what stands on both sides."""
    from vetbridge.desk.reconciling import CREATE, PIMS  # noqa: PLC0415 - keeps --help quick
    from vetbridge.desk.wording import field_words  # noqa: PLC0415

    if line.operation == CREATE:
        values = ((each.field, each.booking if line.side == PIMS else each.pims) for each in line.fields)
        made = [f"{field_words(name)} {_value(value)}" for name, value in values if value not in (None, "", ())]
        return [", ".join(made)] if made else []
    return [
        f"{field_words(each.field)}: {_value(each.booking)} (booking side), {_value(each.pims)} (PIMS)"
        for each in line.fields
    ]


def _value(value: Any) -> str:
    from vetbridge.desk.wording import value_words  # noqa: PLC0415 - keeps --help quick

    return value_words(value)


def _why(line: Line) -> str:
    words = one_line(line.words, LONGEST_WORDS)
    return f"{words} ({one_line(line.why)})" if line.why else words


def _ids(line: Line) -> str:
    more = ", ".join(one_line(each, 40) for each in line.others)
    parts = [
        *([f"{one_line(line.booking_id, 40)} at the booking side"] if line.booking_id else []),
        *([f"{one_line(line.pims_id, 40)} in the PIMS"] if line.pims_id else []),
        *([f"{_OTHERS.get(line.group, 'may be')} {more}"] if more else []),
    ]
    return f"id {'; '.join(parts)}" if parts else ""


# -- files ----------------------------------------------------------------------------------------------------------


def _rows(found: Reconciliation) -> Iterator[Sequence[str]]:
    """One row for each field of each difference; one for a difference without fields."""
    from vetbridge.desk.wording import field_words  # noqa: PLC0415 - keeps --help quick

    for line in found.lines:
        time = "" if line.visit_at is None else f"{line.visit_at:%Y-%m-%d %H:%M}"
        ids = (line.booking_id or "", line.pims_id or "", " ".join(line.others))
        head = (line.group.value, line.site, line.kind, time, line.who, *ids, line.side, line.operation)
        tail = (line.why, line.words)
        for each in line.fields:
            yield (*head, field_words(each.field), _cell(each.booking), _cell(each.pims), *tail)
        if not line.fields:
            yield (*head, "", "", "", *tail)


def _cell(value: Any) -> str:
    return "" if value is None or value in ("", ()) else _value(value)


def _sections(found: Reconciliation) -> Iterator[Section]:
    from vetbridge.desk.reconciling import GROUP_WORDS, Group  # noqa: PLC0415 - keeps --help quick

    for group in Group:
        lines = found.in_group(group)
        if lines:
            rows = [
                (
                    _when(line) or _BLANK,
                    line.who or _BLANK,
                    _what(line),
                    "\n".join(_fields(line)) or _BLANK,
                    _why(line),
                    _ids(line).removeprefix("id ") or _BLANK,
                )
                for line in lines
            ]
            yield Section(f"{GROUP_WORDS[group]}: {len(lines)}", _PAGE_COLUMNS, rows)
