"""`vetbridge staff`: who may use the page and the API."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, signed, told
from vetbridge.cli.tables import one_line, say_wrapped
from vetbridge.core.roles import Role

if TYPE_CHECKING:
    from vetbridge.ledger.database import Ledger, Transaction

app = typer.Typer(name="staff", help="Who may use the page and the API.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="As they sign in; upper and lower case are the same.")]
By = Annotated[str | None, typer.Option(help="Who does it; the login name unless given.")]
Plan = Annotated[bool, typer.Option("--plan", help="Say what it would come to, and do nothing.")]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", metavar="FILE", help="Take the password from a file's first line.")
]
Generate = Annotated[bool, typer.Option("--generate", help="Make a password, and print it this once.")]
Language = Annotated[str | None, typer.Option(help="Of their page: en or de; else as the config says.")]

LONGEST_FILE = 4096
"""Bytes of a password file that are read."""


@app.command(epilog="Example: vetbridge staff add Ann --role reception --generate")
def add(
    ctx: typer.Context,
    name: Name,
    role: Annotated[Role, typer.Option(help="What they may do; each role may all that the ones before it may.")],
    language: Language = None,
    password_file: PasswordFile = None,
    generate: Generate = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="For a program that uses the API: nobody signs in by this name.")
    ] = False,
    by: By = None,
    plan: Plan = False,
    as_json: AsJson = False,
) -> None:
    """Let somebody use the page. Asks for a password, unless --generate or --password-file gives one.

    reader sees everything; reception answers questions as well; support sees to failures as well; admin reads what
    everybody did as well. Ends with 2 for a name that is taken, or a password that is too easily guessed.
    """
    command = "staff add"
    from vetbridge.desk import staff  # noqa: PLC0415 - keeps --help quick

    with _opened(ctx, command, as_json=as_json) as ledger:
        if sum((generate, password_file is not None, no_password)) > 1:
            _usage(command, "--generate, --password-file and --no-password do not go together", as_json=as_json)
        fit = staff.fit_name(name)
        staff.must_be_spoken(language or "")
        with ledger.read() as tx:
            staff.must_be_free(tx, fit)
        password = None
        if not plan:
            password = None if no_password else _password(command, fit, password_file, generate, as_json=as_json)
            kept = None if password is None else staff.hashed(password)
            with ledger.write() as tx:
                staff.add(tx, fit, role, password_hash=kept, by=signed(by), language=language or "")
    shown = password if generate else None
    if as_json:
        emit_json(command, {"name": fit, "role": role, "planned": plan, "password": shown})
    elif plan:
        say_wrapped(f"{one_line(fit)} would be added with the role {role}. Nothing was done.")
    else:
        say_wrapped(f"{one_line(fit)} is added with the role {role}.")
        _show_password(shown)


@app.command(name="list", epilog="Example: vetbridge staff list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List who may use the page and the API."""
    from vetbridge.desk import staff  # noqa: PLC0415 - keeps --help quick

    with _opened(ctx, "staff list", as_json=as_json) as ledger, ledger.read() as tx:
        found = staff.members(tx)
    if as_json:
        emit_json("staff list", as_data(found))
        return
    for member in found:
        marks = [] if member.password else ["no password"]
        marks += ["token"] if member.token else []
        marks += [member.language] if member.language else []
        more = f"  ({', '.join(marks)})" if marks else ""
        say_wrapped(f"{member.role:<10} {one_line(member.name, 60)}{more}", margin=" " * 11)
    if not found:
        say("Nobody may use the page yet: vetbridge staff add NAME --role admin --generate")


@app.command(epilog="Example: vetbridge staff remove Ann")
def remove(
    ctx: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Also the last admin.")] = False,
    by: By = None,
    plan: Plan = False,
    as_json: AsJson = False,
) -> None:
    """Remove somebody: they are signed out at once, and their token ends. What they have done stays in the audit.

    Ends with 2 for a name that nobody has, and for the last admin without --yes.
    """
    command = "staff remove"
    from vetbridge.desk import staff  # noqa: PLC0415 - keeps --help quick

    with _opened(ctx, command, as_json=as_json) as ledger:
        with ledger.read() as tx:
            found = staff.member(tx, name)
            _must_not_be_last(command, tx, found.name, yes=yes, as_json=as_json)
        if not plan:
            with ledger.write() as tx:
                staff.remove(tx, found.name, by=signed(by))
    _tell(command, found.name, "would be removed", "is removed", {}, plan=plan, as_json=as_json)


@app.command(epilog="Example: vetbridge staff change Ann --role support")
def change(
    ctx: typer.Context,
    name: Name,
    role: Annotated[Role | None, typer.Option(help="What they may do from now on.")] = None,
    language: Language = None,
    yes: Annotated[bool, typer.Option("--yes", help="Also the last admin's role.")] = False,
    by: By = None,
    plan: Plan = False,
    as_json: AsJson = False,
) -> None:
    """Change what somebody may do, which signs them out, or the language of their page."""
    command = "staff change"
    from vetbridge.desk import staff  # noqa: PLC0415 - keeps --help quick

    with _opened(ctx, command, as_json=as_json) as ledger:
        if role is None and language is None:
            _usage(command, "say what is to change: --role or --language", as_json=as_json)
        staff.must_be_spoken(language or "")
        with ledger.read() as tx:
            found = staff.member(tx, name)
            if role is not None and role is not Role.ADMIN:
                _must_not_be_last(command, tx, found.name, yes=yes, as_json=as_json)
        if not plan:
            with ledger.write() as tx:
                staff.change(tx, found.name, role=role, language=language, by=signed(by))
    data = {"role": role or found.role, "language": found.language if language is None else language}
    _tell(command, found.name, "would be changed", "is changed", data, plan=plan, as_json=as_json)


@app.command(epilog="Example: vetbridge staff password Ann --generate")
def password(
    ctx: typer.Context,
    name: Name,
    password_file: PasswordFile = None,
    generate: Generate = False,
    by: By = None,
    plan: Plan = False,
    as_json: AsJson = False,
) -> None:
    """Set somebody's password, and sign them out. Asks for it, unless --generate or --password-file gives one."""
    command = "staff password"
    from vetbridge.desk import staff  # noqa: PLC0415 - keeps --help quick

    with _opened(ctx, command, as_json=as_json) as ledger:
        if generate and password_file is not None:
            _usage(command, "--generate and --password-file do not go together", as_json=as_json)
        with ledger.read() as tx:
            found = staff.member(tx, name)
        shown = None
        if not plan:
            text = _password(command, found.name, password_file, generate, as_json=as_json)
            shown = text if generate else None
            kept = staff.hashed(text)
            with ledger.write() as tx:
                staff.set_password(tx, found.name, kept, by=signed(by))
    words = "would have a new password", "has a new password"
    _tell(command, found.name, *words, {"password": shown}, plan=plan, as_json=as_json)
    if not as_json:
        _show_password(shown)


@app.command(epilog="Example: vetbridge staff token dashboard")
def token(
    ctx: typer.Context,
    name: Name,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take the token away, and make no new one.")] = False,
    by: By = None,
    plan: Plan = False,
    as_json: AsJson = False,
) -> None:
    """Make a token for the API, and print it this once. It may what its owner may; the one before it ends."""
    command = "staff token"
    from vetbridge.desk import staff  # noqa: PLC0415 - keeps --help quick

    made = None
    with _opened(ctx, command, as_json=as_json) as ledger:
        with ledger.read() as tx:
            found = staff.member(tx, name)
        if not plan:
            with ledger.write() as tx:
                if revoke:
                    staff.revoke_token(tx, found.name, by=signed(by))
                else:
                    made = staff.new_token(tx, found.name, by=signed(by))
    words = (
        ("would have no token any more", "has no token any more") if revoke else ("would have a token", "has a token")
    )
    _tell(command, found.name, *words, {"token": made}, plan=plan, as_json=as_json, quiet=made is not None)
    if made is not None and not as_json:
        say(made)
        talk("This token is shown this once. Whoever has it may what its owner may.")


@contextmanager
def _opened(ctx: typer.Context, command: str, *, as_json: bool) -> Iterator[Ledger]:
    """The ledger; what cannot be is said in words."""
    from vetbridge.desk.staff import CannotChangeStaff  # noqa: PLC0415 - keeps --help quick

    with told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        try:
            with ledger_beside(loaded) as ledger:
                yield ledger
        except CannotChangeStaff as refusal:
            advice = "`vetbridge staff list` shows who there is." if refusal.code == "unknown-staff" else ""
            give_up(command, refusal.message, advice=advice, code=refusal.code, as_json=as_json, exit_code=USAGE)


def _usage(command: str, text: str, *, as_json: bool) -> NoReturn:
    give_up(command, text, advice="", code="usage", as_json=as_json, exit_code=USAGE)


def _must_not_be_last(command: str, tx: Transaction, name: str, *, yes: bool, as_json: bool) -> None:
    from vetbridge.desk import staff  # noqa: PLC0415 - keeps --help quick

    if not yes and staff.is_last_admin(tx, name):
        text = f"{one_line(name)} is the last admin: nobody could read the audit on the page any more"
        give_up(command, text, advice="With --yes it is done.", code="last-admin", as_json=as_json, exit_code=USAGE)


def _password(command: str, name: str, file: Path | None, generate: bool, *, as_json: bool) -> str:
    """The password that is meant. Raises ``CannotChangeStaff`` where it is too easily guessed."""
    from vetbridge.desk import staff  # noqa: PLC0415 - keeps --help quick

    if generate:
        return staff.new_password()
    if file is not None:
        try:
            with file.open("rb") as stream:
                text = stream.read(LONGEST_FILE).decode("utf-8").split("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8 text"
            _usage(command, f"the password file {one_line(str(file), 200)} cannot be read: {why}", as_json=as_json)
    elif sys.stdin.isatty():
        text = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        _usage(command, "there is no terminal to ask at: use --generate or --password-file", as_json=as_json)
    staff.must_be_fit(name, text)
    return text


def _tell(
    command: str,
    name: str,
    would: str,
    done: str,
    data: dict[str, Any],
    *,
    plan: bool,
    as_json: bool,
    quiet: bool = False,
) -> None:
    if as_json:
        emit_json(command, {"name": name, "planned": plan, **data})
    elif not quiet:
        say_wrapped(f"{one_line(name)} {f'{would}. Nothing was done.' if plan else f'{done}.'}")


def _show_password(shown: str | None) -> None:
    if shown is not None:
        say(f"Password: {shown}")
        talk("It is shown this once. Give it to them in person.")
