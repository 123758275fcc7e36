"""`vetbridge match`: what the matcher makes of a clinic's own files, why, and what it learns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, told
from vetbridge.cli.tables import add, drawn, one_line, plain_table, say_wrapped, wrapped

if TYPE_CHECKING:
    from vetbridge.core.matching import Candidate
    from vetbridge.desk.evaluation import Evaluation, Explained, Reports
    from vetbridge.desk.training import Training

app = typer.Typer(
    name="match",
    help="What the matcher makes of a clinic's own files, why, and what it learns.",
    no_args_is_help=True,
)

MOST_EXAMPLES = 10
"""Places in the files that are named, at most."""
LEFTOVERS = 4
"""Exit code of a training that came to nothing."""

_NOTHING_NEW = ("refused", "too-few")

Owners = Annotated[Path, typer.Option(metavar="FILE", help="CSV file of the clinic's owners.")]
Pets = Annotated[Path, typer.Option(metavar="FILE", help="CSV file of their pets.")]
Bookings = Annotated[Path, typer.Option(metavar="FILE", help="File of JSON lines, a booking each.")]
Country = Annotated[
    str, typer.Option(metavar="CODE", help="Country of phone numbers without a country code, as GB or DE.")
]


def _file(words: str) -> Any:
    return typer.Option(metavar="FILE", help=words)


@app.command(
    name="eval",
    epilog="Example: vetbridge match eval --owners owners.csv --pets patients.csv --bookings bookings.jsonl "
    "--out decisions.jsonl --country GB",
)
def eval_(
    owners: Owners,
    pets: Pets,
    bookings: Bookings,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write a line of JSON for each booking.")],
    country: Country = "GB",
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights to decide by, as `match train` writes them.")
    ] = None,
    candidate_ids: Annotated[
        bool, typer.Option("--candidate-ids", help="Also write down every owner that a booking was compared with.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Decide every booking of a file as the daemon would, and write down each decision, its certainty and its time.

    Needs no config and asks no vendor. Rows that cannot be used are left out, counted, and named by file, line and
    column. Ends with 0 also then; with 2 where a file cannot be used at all.
    """
    with _files("match eval", country, as_json=as_json):
        from vetbridge.desk.evaluation import ClinicFiles, evaluate  # noqa: PLC0415 - keeps --help quick
        from vetbridge.desk.training import read_weights_file  # noqa: PLC0415

        files = ClinicFiles(owners=owners, pets=pets, bookings=bookings)
        given = None if weights is None else read_weights_file(weights)
        done = evaluate(
            files, out, country=country.upper(), progress=talk, weights=given, candidate_ids=candidate_ids
        )
    places = _places(done.reports)
    if as_json:
        emit_json("match eval", _evaluated(done, out), places)
        return
    _draw_evaluation(done, out)
    _talk_places(done.reports, places)


@app.command(
    epilog="Example: vetbridge match explain --owners owners.csv --pets patients.csv --bookings bookings.jsonl "
    "--booking B-17",
)
def explain(
    owners: Owners,
    pets: Pets,
    bookings: Bookings,
    booking: Annotated[str, typer.Option(metavar="ID", help="The booking's booking_id.")],
    country: Country = "GB",
    as_json: AsJson = False,
) -> None:
    """Show how one booking is decided: what speaks for and against every candidate, field by field.

    Shows what was booked and what the records hold. Ends with 2 where the file has no such booking.
    """
    with _files("match explain", country, as_json=as_json):
        from vetbridge.desk.evaluation import ClinicFiles  # noqa: PLC0415 - keeps --help quick
        from vetbridge.desk.evaluation import explain as explained  # noqa: PLC0415

        files = ClinicFiles(owners=owners, pets=pets, bookings=bookings)
        found = explained(files, booking, country=country.upper(), progress=talk)
    if found is None:
        give_up(
            "match explain",
            f"{bookings} has no usable booking with the id {one_line(booking)!r}",
            advice="`vetbridge match eval` says which lines cannot be used.",
            code="unknown-booking",
            as_json=as_json,
            exit_code=USAGE,
        )
    if as_json:
        emit_json("match explain", _explained(found), _places(found.reports))
    else:
        _draw_explained(found)


@app.command(
    epilog="Example: vetbridge match train --plan",
)
def train(
    ctx: typer.Context,
    account: Annotated[str | None, typer.Option(help="Only this PIMS account.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would go live.")] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Go back to the weights that came with VetBridge.")
    ] = False,
    owners: Annotated[Path | None, _file("Instead of the ledger: CSV file of a clinic's owners.")] = None,
    pets: Annotated[Path | None, _file("CSV file of their pets.")] = None,
    bookings: Annotated[Path | None, _file("File of JSON lines, a booking each.")] = None,
    truth: Annotated[Path | None, _file("File of JSON lines that says whom each booking means.")] = None,
    out: Annotated[Path | None, _file("Where to write the weights that were trained on files.")] = None,
    country: Country = "GB",
    as_json: AsJson = False,
) -> None:
    """Learn what agreement is worth at this clinic: from the bookings that were decided, and from people's answers.

    Trained weights go live at once, for each PIMS account by itself, and only where on decisions of known truth they
    make no more links to wrong clients and keep the right ones. Ends with 4 where they may not, or where there is too
    little to learn from. With --owners, --pets, --bookings and --out it works on files, and needs no config.
    """
    given = {"--owners": owners, "--pets": pets, "--bookings": bookings, "--out": out}
    if any(path is not None for path in (*given.values(), truth)):
        missing = [name for name, path in given.items() if path is None]
        if missing or plan or forget or account is not None:
            wanted = f"{', '.join(missing)} is missing" if missing else "no --account, --plan or --forget"
            raise typer.BadParameter(f"training on files takes --owners, --pets, --bookings and --out: {wanted}")
        paths = {name: path for name, path in given.items() if path is not None}
        _train_files(paths, truth, country, as_json=as_json)
    elif plan and forget:
        raise typer.BadParameter("--plan and --forget exclude each other")
    else:
        _train_accounts(ctx, account, plan=plan, forget=forget, as_json=as_json)


def _train_files(paths: dict[str, Path], truth: Path | None, country: str, *, as_json: bool) -> None:
    out = paths["--out"]
    with _files("match train", country, as_json=as_json):
        from vetbridge.desk.evaluation import ClinicFiles  # noqa: PLC0415 - keeps --help quick
        from vetbridge.desk.training import train_files  # noqa: PLC0415

        files = ClinicFiles(owners=paths["--owners"], pets=paths["--pets"], bookings=paths["--bookings"])
        done = train_files(files, out, truth=truth, country=country.upper(), progress=talk)
    places = _places(done.reports) if done.reports else []
    if as_json:
        emit_json("match train", {**_trained(done), "out": out if done.result == "written" else None}, places)
    else:
        _draw_training(done)
        if done.result == "written":
            say(f"written: {out}")
        if done.reports:
            _talk_places(done.reports, places)
    if done.result in _NOTHING_NEW:
        raise typer.Exit(LEFTOVERS)


def _train_accounts(ctx: typer.Context, account: str | None, *, plan: bool, forget: bool, as_json: bool) -> None:
    from vetbridge.cli.config import load_config  # noqa: PLC0415 - keeps --help quick
    from vetbridge.desk import training  # noqa: PLC0415

    with told("match train", as_json=as_json):
        loaded = load_config(config_path(ctx))
        config = loaded.config
        accounts = sorted({site.pims.account for site in config.sites.values()})
        with ledger_beside(loaded) as ledger:
            if account is not None:
                if account not in accounts:
                    _not_a_pims("match train", account, accounts, as_json=as_json)
                accounts = [account]
            if forget:
                forgotten = {each: training.forget(ledger, each) for each in accounts}
                _show_forgotten(forgotten, as_json=as_json)
                return
            done = [training.train(ledger, each, plan=plan) for each in accounts]
    if as_json:
        emit_json("match train", {"accounts": [_trained(each) for each in done]})
    else:
        for each in done:
            _draw_training(each)
    if any(each.result in _NOTHING_NEW for each in done):
        raise typer.Exit(LEFTOVERS)


def _not_a_pims(command: str, account: str, known: list[str], *, as_json: bool) -> None:
    from vetbridge.config.problems import nearest  # noqa: PLC0415 - keeps --help quick

    give_up(
        command,
        f"no PIMS account is called {one_line(account)!r}{nearest(account, known)}",
        advice="",
        code="unknown-account",
        as_json=as_json,
        exit_code=USAGE,
    )


def _show_forgotten(forgotten: dict[str, bool], *, as_json: bool) -> None:
    if as_json:
        found = [
            {"account": account, "result": "forgotten" if were else "none"} for account, were in forgotten.items()
        ]
        emit_json("match train", {"accounts": found})
        return
    for account, were in forgotten.items():
        say(
            f"{account}: the weights that came with VetBridge are live again; what people answered is kept"
            if were
            else f"{account}: no trained weights were live"
        )


def _trained(done: Training) -> dict[str, Any]:
    data = as_data(done)
    data.pop("reports")
    return dict(data)


def _draw_training(done: Training) -> None:
    name = f"{done.account}: " if done.account else ""
    who = "answered by a person" if done.account else "with a known truth"
    counts = f"{done.observations} decisions observed, {done.labelled} of them {who}"
    for line in (*wrapped(f"{name}{counts}"), *wrapped(done.words, margin="  ", first="  ")):
        say(line)
    if not done.replayed:
        return
    table = plain_table("Replayed", "Decisions", "Weights", "Wrong", "Right", "Duplicate", "Review")
    for each in done.replayed:
        if not each.before.bookings:
            continue
        for words, tally in (("present", each.before), ("trained", each.after)):
            shares = [
                f"{100 * part / tally.bookings:.2f} %" for part in (tally.right, tally.duplicates, tally.reviews)
            ]
            add(table, each.name, f"{tally.bookings:.0f}", words, str(tally.wrong), *shares)
    say(drawn(table, indent=2))


@contextmanager
def _files(command: str, country: str, *, as_json: bool) -> Iterator[None]:
    """Ends a command whose files cannot be used, or whose country nobody knows."""
    from phonenumbers import SUPPORTED_REGIONS  # noqa: PLC0415 - keeps --help quick

    from vetbridge.desk.clinic_files import UnusableFile  # noqa: PLC0415

    if country.upper() not in SUPPORTED_REGIONS:
        raise typer.BadParameter(f"{one_line(country)!r} is no country code of two letters", param_hint="--country")
    try:
        with told(command, as_json=as_json):
            yield
    except UnusableFile as error:
        give_up(command, error.message, advice=error.advice, code=error.code, as_json=as_json, exit_code=USAGE)


def _places(reports: Reports) -> list[dict[str, Any]]:
    from vetbridge.desk.evaluation import problems  # noqa: PLC0415

    return [
        {
            "code": each.code,
            "text": str(each),
            "advice": "",
            "file": each.file,
            "line": each.line,
            "column": each.column,
        }
        for each in problems(reports, MOST_EXAMPLES)
    ]


def _talk_places(reports: Reports, places: list[dict[str, Any]]) -> None:
    for place in places:
        talk(place["text"])
    found = sum(sum(report.refused.values()) + sum(report.ignored.values()) for report in reports.all)
    shown = len(places) - sum(len(report.notes) for report in reports.all)
    if shown < found:
        talk(f"and {found - shown} more places")


def _evaluated(done: Evaluation, out: Path) -> dict[str, Any]:
    return {
        "out": out,
        "actions": done.actions,
        "ms": {"p50": done.ms_p50, "p99": done.ms_p99},
        "load_seconds": done.load_seconds,
        "seconds": done.seconds,
        "memory_peak_mb": done.memory_peak_mb,
        "files": {
            name: {
                "path": report.path,
                "used": report.used,
                "refused": dict(report.refused),
                "ignored": dict(report.ignored),
            }
            for name, report in zip(("owners", "pets", "bookings"), done.reports.all, strict=True)
        },
    }


def _draw_evaluation(done: Evaluation, out: Path) -> None:
    decided = sum(done.actions.values())
    say(
        f"{decided} bookings decided: {out}\n"
        f"{done.seconds:.1f} s in all, {done.load_seconds:.1f} s of them for the owners and pets"
    )
    table = plain_table("Action", "Bookings", "Share")
    for action, number in done.actions.items():
        add(table, action, str(number), f"{100 * number / decided:.2f} %" if decided else "")
    say(drawn(table, indent=2))
    if done.ms_p50 is not None:
        say(f"one booking: {done.ms_p50:.3f} ms in the middle (p50), {done.ms_p99:.3f} ms at p99")
    if done.memory_peak_mb is not None:
        say(f"memory: {done.memory_peak_mb} MB at the most")
    table = plain_table("File", "Used", "Left out", "Values ignored")
    for report in done.reports.all:
        counts = (_counted(report.refused), _counted(report.ignored))
        add(table, one_line(report.path.name, 30), str(report.used), *counts)
    say(drawn(table))


def _counted(codes: dict[str, int]) -> str:
    return "\n".join(f"{number} {code}" for code, number in sorted(codes.items())) or "0"


def _explained(found: Explained) -> dict[str, Any]:
    from vetbridge.desk.evaluation import ACTIONS  # noqa: PLC0415

    match = found.match
    return {
        "booking_id": found.booking.id,
        "action": ACTIONS[match.verdict],
        "owner_id": match.client_id,
        "pet_id": match.pet_id,
        "probability": match.probability,
        "reason": match.reason,
        "words": match.words,
        "considered": len(match.compared),
        "candidates": [as_data(each) for each in match.candidates],
    }


def _draw_explained(found: Explained) -> None:
    from vetbridge.desk.evaluation import ACTIONS  # noqa: PLC0415

    match = found.match
    said = f"Booking {one_line(found.booking.id, 40)}: {ACTIONS[match.verdict]}"
    if match.client_id is not None:
        said += f" to owner {one_line(match.client_id, 40)}, {_pet(match.pet_id)}"
    for line in (*wrapped(said, margin="  "), *wrapped(match.words, first="  because: ", margin="  ")):
        say(line)
    say(f"  probability {match.probability:.5f}; {len(match.compared)} compared")
    for number, each in enumerate(match.candidates, start=1):
        _draw_candidate(number, each)


def _draw_candidate(number: int, candidate: Candidate) -> None:
    from vetbridge.core.matching import REASONS  # noqa: PLC0415

    say("")
    owner = one_line(candidate.client_id, 40)
    say(f"{number:>2}  owner {owner}, {_pet(candidate.pet_id)}: probability {candidate.score:.5f}")
    table = plain_table("Field", "Booking", "Record", "Bits", "Says")
    for each in candidate.evidence:
        cells = [one_line(text, 60) for text in (each.field, each.here, each.there)]
        add(table, *cells, f"{each.weight:+.2f}", one_line(each.words))
    add(table, "sum", "", "", f"{candidate.bits:+.2f}", "")
    say(drawn(table, indent=4))
    for veto in candidate.vetoes:
        say_wrapped(REASONS[veto], first="    veto: ", margin="      ")


def _pet(id_: str | None) -> str:
    return "no pet" if id_ is None else f"pet {one_line(id_, 40)}"
