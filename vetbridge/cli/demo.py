"""`vetbridge demo`: a played morning at a made-up clinic, and its independent audit."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.output import say, talk

if TYPE_CHECKING:
    from vetbridge.demo.chain_audit import Whole
    from vetbridge.demo.run import Played

BOOKINGS = 60
BOOKINGS_OF_A_BRANCH = 20
EZYVET = "ezyvet"
LEFTOVERS = 4
"""Exit code of a demo whose audit found something wrong."""


def demo(
    bookings: Annotated[
        int | None,
        typer.Option(
            min=12,
            max=500,
            help="How many bookings the morning has, 20 or more; unless given, 60. In a chain: at each branch, 12 or "
            "more; unless given, 20.",
            show_default=False,
        ),
    ] = None,
    branches: Annotated[
        int, typer.Option(min=1, max=5, help="How many branches there are; more than one are a chain.")
    ] = 1,
    pims: Annotated[
        str, typer.Option(help="The practice system: ezyvet, or impromed, animana, cornerstone, pulse or avimark.")
    ] = "ezyvet",
    way: Annotated[
        str | None,
        typer.Option(
            help="How VetBridge reaches a system other than ezyVet, by the connector: files (and a work list), "
            "vetdata, idexx_data_services, sql (ImproMed, with the extra odbc and a driver), rest (Animana, made "
            "up). Unless given, the best one.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the clinic and the morning.")] = 7,
    clients: Annotated[int, typer.Option(min=500, max=20_000, help="Owners that each clinic knows.")] = 2000,
    keep: Annotated[
        Path | None,
        typer.Option(help="Folder to leave config, ledger and simulators' data in; it must be empty.", metavar="DIR"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of numbers and nothing else.")] = False,
) -> None:
    """Play a morning at a clinic that is made up, then audit both sides. Needs nothing but this machine.

    Two simulators and the daemon run as processes of their own: bookings come in at Altegio, the front desk makes and
    changes visits in ezyVet, VetBridge keeps both in agreement, and a receptionist answers with VetBridge's own
    commands. Webhooks are doubled and overtake each other, the PIMS does not answer for 20 seconds, a service is not
    mapped at first, both sides change one visit, and many visits are cancelled at once. The simulators run with
    limits off. Ends with 0 when nothing was lost, doubled, put on the wrong owner or at the wrong time on either
    side, and nobody got a message (bookings that wait for a person are expected), else with 4.

    With `--branches 3` a chain connects its three branches on Altegio's marketplace; then all this happens at all of
    them at once. One branch's PIMS does not answer, the others go on, and nothing of one may stand at another.

    With `--pims impromed` or `--pims animana` the practice system has no API: VetBridge reads what it exports, and a
    clerk types what the work list says, late, and not without mistakes. With `--pims pulse` or `--pims avimark` the
    vendor's feed shows clients, pets and vaccinations, exported files the diary, and a clerk types. With
    `--pims cornerstone` the vendor's data services are read and written.
    """
    from vetbridge.demo.by_hand.show import play_by_hand  # noqa: PLC0415 - keeps --help quick
    from vetbridge.demo.failure import DemoFailed  # noqa: PLC0415
    from vetbridge.demo.live import view  # noqa: PLC0415
    from vetbridge.demo.run import play  # noqa: PLC0415

    _require_fitting(pims, way, branches)
    with _told_to_end(), _folder(keep) as folder:
        try:
            bookings = bookings or (BOOKINGS if branches == 1 and pims == EZYVET else BOOKINGS_OF_A_BRANCH)
            played = (
                partial(play, branches=branches) if pims == EZYVET else partial(play_by_hand, pims=pims, way=way)
            )(folder, bookings=bookings, seed=seed, clients=clients, view=view(as_json=as_json))
        except DemoFailed as error:
            talk(f"The demo could not be played: {error}")
            raise typer.Exit(1) from None
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    for finding in played.audit.findings:
        talk(str(finding))
    if not played.settled:
        talk("Not everything was settled in time; the audit shows what is missing.")
    if as_json:
        typer.echo(json.dumps(played.audit.numbers(played.seconds)))
    else:
        say(_report(played))
    if keep is not None:
        (talk if as_json else say)(_next_commands(folder, played.audit))
    if not (played.audit.clean and played.audit.complete):
        raise typer.Exit(LEFTOVERS)


def _require_fitting(pims: str, way: str | None, branches: int) -> None:
    if pims == EZYVET and way is not None:
        raise typer.BadParameter("ezyVet has an API, and one way", param_hint="--way")
    if pims != EZYVET and branches > 1:
        raise typer.BadParameter("a chain is played with ezyvet", param_hint="--branches")


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """The demo's folder; one that is not kept is removed at the end."""
    if keep is None:
        folder = Path(tempfile.mkdtemp(prefix="vetbridge-demo-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        taken = any(keep.iterdir())
    except OSError as error:
        raise typer.BadParameter(f"{keep} cannot be used: {error.strerror}", param_hint="--keep") from None
    if taken:
        raise typer.BadParameter(f"{keep} is not empty; name a new folder", param_hint="--keep")
    yield keep.resolve()


@contextmanager
def _told_to_end() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does, so that no child process outlives it."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _report(played: Played) -> str:
    from vetbridge.cli.tables import add, drawn, plain_table  # noqa: PLC0415 - keeps --help quick
    from vetbridge.demo.findings import Place  # noqa: PLC0415
    from vetbridge.demo.story import Case  # noqa: PLC0415

    audit = played.audit
    table = plain_table("case", "bookings", "linked", "created", "in review", "wrong")
    for case, places, wrong in audit.cases():
        if case is Case.ELSEWHERE and not places:
            continue
        shown = [str(places.get(place, 0)) for place in (Place.LINKED, Place.CREATED, Place.IN_REVIEW)]
        add(table, case.value, str(sum(places.values())), *shown, str(wrong))
    numbers = audit.numbers(played.seconds)
    add(
        table, "all", *(str(numbers[name]) for name in ("bookings", "linked", "created", "in_review")), _wrongs(audit)
    )
    desk = plain_table("made at the desk in the PIMS", "visits", "wrong")
    for desk_case, visits, wrong in audit.desk_cases():
        add(desk, desk_case.value, str(visits), str(wrong))
    branches = plain_table("branch", "bookings", "linked", "created", "in review", "desk visits", "wrong")
    for branch, one in audit.branches:
        of_branch = one.numbers(0)
        shown = [str(of_branch[name]) for name in ("bookings", "linked", "created", "in_review", "desk_visits")]
        add(branches, branch.title, *shown, str(len({(each.booking, each.visit) for each in one.findings})))
    linked = sum(one.linked_of_linkable for one in audit.audits)
    unseen = sum(len(one.unseen) for one in audit.audits)
    found = ", ".join(f"{wrong.value.replace('_', ' ')} {audit.count(wrong)}" for wrong in audit.wrongs)
    return "\n".join(
        [
            "",
            drawn(table),
            "",
            drawn(desk),
            "",
            *([drawn(branches), ""] if audit.chain is not None else []),
            "The audit found nothing wrong:" if audit.clean else "THE AUDIT FOUND SOMETHING WRONG:",
            textwrap.fill(found, 80, initial_indent="  ", subsequent_indent="  "),
            *([] if audit.complete else ["NOT ALL HAPPENED THAT THE MORNING IS TO SHOW:"]),
            *_shown(audit, numbers),
            *_of_chain(audit),
            f"Of {numbers['linkable']} bookings that clearly name a known owner, {linked} were linked.",
            f"{unseen} were cancelled before the PIMS saw them. It took {numbers['seconds']} seconds.",
            "The simulators ran with limits off, VetBridge with shorter waits than usual.",
        ]
    )


def _shown(audit: Whole, numbers: Mapping[str, object]) -> list[str]:
    """What the morning was to show."""
    errands = [
        f"  Files carried to the other side, once and whole: {numbers['attachments']}.",
        f"  Services due that stand on the owner's card: {numbers['reminders']}.",
        f"  Owners who want no messages, which the desk was told: {numbers['opt_outs']}.",
    ]
    if any(one.typed is not None for one in audit.audits):
        papers, due = (any(getattr(one.morning, name) for one in audit.audits) for name in ("papers", "due"))
        return [
            f"  Things typed, changed or cancelled as the work list said: {numbers['typed']}.",
            f"  Typing mistakes that VetBridge found, and that are corrected: {numbers['corrected']}.",
            *(errands[:1] if papers else []),
            *(errands[1:] if due else []),
        ]
    return [
        f"  Conflicts answered, and both sides agree: {numbers['conflicts']}.",
        f"  Ambiguous bookings answered, and the very same visit linked: {numbers['resolved_in_place']}.",
        f"  Failures replayed, each over once: {numbers['replayed']}.",
        f"  Cancellations that the fuse held back until they were allowed: {numbers['fuse_held']}.",
        *errands,
    ]


def _of_chain(audit: Whole) -> list[str]:
    if audit.chain is None:
        return []
    recognised = sum(one.recognised for one in audit.audits)
    return [
        f"  Bookings for a pet that died at another branch, asked about: {recognised}.",
        f"  Branches connected at the end: {audit.chain.connected} of {len(audit.branches)}.",
        f"  Bookings that went over elsewhere while one branch's PIMS was silent: {audit.chain.went_on}.",
    ]


def _wrongs(audit: Whole) -> str:
    return str(len({(finding.site, finding.booking) for finding in audit.findings}))


def _next_commands(folder: Path, audit: Whole) -> str:
    config = f"vetbridge --config {shlex.quote(str(folder / 'config.yaml'))}"
    branches = [branch for branch, _ in audit.branches]
    vendors = [("altegio", "altegio"), *((branch.pims, branch.named(branch.pims)) for branch in branches)]
    both = "both simulators" if len(vendors) == 2 else "the simulators"
    return "\n".join(
        [
            "",
            "Kept. To look at what VetBridge knows:",
            f"  {config} status",
            f"  {config} review list",
            f"  {config} changes list",
            f"To go on, serve {both} again, each in a terminal of its own:",
            *(f"  vetbridge simulate {vendor} --data {shlex.quote(str(folder / name))}" for vendor, name in vendors),
            f"  {config} doctor",
            f"  {config} run",
        ]
    )
