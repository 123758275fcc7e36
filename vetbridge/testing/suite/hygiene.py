"""Nothing leaks: no secret, no person; and webhooks that say nothing useful are told apart."""

# ruff: noqa: S101 - assertions are what these tests are made of, though they stand outside of tests/

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress

import pytest

from vetbridge.connector.interface import HookRequest, Operation, Write
from vetbridge.core.errors import BadHint, VetBridgeError
from vetbridge.core.records import Kind
from vetbridge.testing.suite.base import CANCEL, Group, stamp_of
from vetbridge.testing.suite.subject import Fault, Subject


class Hygiene(Group):
    """See the methods."""

    def test_no_secret_shows(self, subject: Subject) -> None:
        """Neither the connector nor its parts show a secret when they are printed."""
        with suppress(VetBridgeError):
            subject.connector.get(Kind.CLIENT, "1")
        for part in [subject.connector, *vars(subject.connector).values()]:
            for secret in subject.secrets:
                assert secret not in f"{part!r} {part}"

    @pytest.mark.parametrize("fault", [None, *Fault])
    def test_errors_name_no_person(self, subject: Subject, fault: Fault | None) -> None:
        """Errors of writes that hold names, phones and mail addresses repeat none of them, nor a secret."""
        values = self.client_fields(3)
        write = self.write_of(subject, Kind.CLIENT, Operation.CREATE, values)
        if fault is None:
            # A side refuses a change of what is not there, and its words may repeat what it was sent.
            known = subject.connector.capabilities.of(Kind.CLIENT).update
            values = {name: value for name, value in values.items() if name in known}
            write = self.write_of(subject, Kind.CLIENT, Operation.UPDATE, values, id=self.unknown_ids[0])
        if fault is Fault.SHIFT:
            pytest.skip("no write fails by it")
        if fault is not None:
            self.needs_fault(subject, fault)
        subject.fault(fault)
        with pytest.raises(VetBridgeError) as caught:
            subject.connector.apply(write)
        words = f"{caught.value} {caught.value.message} {caught.value!r}"
        private = ("Zoë", "Ångström", "7700900004", "probe3", *subject.secrets)
        assert not [each for each in private if each in words]

    @pytest.mark.parametrize("fault", [None, *Fault])
    def test_nothing_of_a_person_is_told(self, subject: Subject, fault: Fault | None) -> None:
        """No name, phone, mail address, note or secret is logged, printed, told in an error, or shown by its repr.

        That is after a round of all that it does, with and without trouble.
        """
        if fault is not None:
            self.needs_fault(subject, fault)
        with _heard(type(subject.connector).__module__.partition(".")[0]) as heard:
            self._round(subject, fault, heard)
        heard.append(f"{subject.connector!r} {subject.connector}")
        told = "\n".join(heard)
        private = ("Zoë", "Ångström", "7700900004", "probe3", "Bella D", "staff’s own words", *subject.secrets)
        assert not [each for each in private if each in told]

    def _round(self, subject: Subject, fault: Fault | None, heard: list[str]) -> None:
        connector = subject.connector
        person = self.write_of(subject, Kind.CLIENT, Operation.CREATE, self.client_fields(3))
        does: list[Callable[[], object]] = [
            connector.check,
            lambda: list(connector.changes(Kind.CLIENT, None)),
            lambda: list(connector.search(Kind.CLIENT, {"phone": "+447700900004"})),
            lambda: list(connector.search(Kind.CLIENT, {"email": "probe3@example.org"})),
            lambda: connector.get(Kind.CLIENT, "Zoë Ångström"),
            lambda: list(connector.look(person)),
            lambda: connector.apply(person),
        ]
        if connector.capabilities.of(Kind.APPOINTMENT).create:
            does += self._with_a_visit(subject)
        elif self.makes(subject, Kind.CLIENT):
            self.created(subject, Kind.CLIENT, 3)
        subject.fault(fault)
        for do in does:
            try:
                do()
            except VetBridgeError as error:
                heard.append(f"{error} {error!r} {error.message}")
        subject.fault(None)

    def _with_a_visit(self, subject: Subject) -> list[Callable[[], object]]:
        """What can be done with a visit that is made now."""
        connector = subject.connector
        owner, animal = self.anybody(subject)
        visit = self.write_of(
            subject,
            Kind.APPOINTMENT,
            Operation.CREATE,
            self.appointment_fields(subject, owner, animal, 3),
            stamp=stamp_of(3),
        )
        id_ = connector.apply(visit).id
        moved = self.write_of(subject, Kind.APPOINTMENT, Operation.UPDATE, {"notes": "staff’s own words"}, id=id_)
        cancel = Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=id_, native={**CANCEL, "reason": "Zoë"})
        return [
            lambda: connector.apply(moved),
            lambda: connector.apply(cancel),
            lambda: list(connector.look(visit)),
        ]

    def test_import_reaches_no_network(self, subject: Subject) -> None:
        """Importing the connector's module opens no socket, asks no name, and starts no thread."""
        module = type(subject.connector).__module__
        done = subprocess.run(  # noqa: S603 - this interpreter, on a module that is loaded already
            [sys.executable, "-c", _QUIET_IMPORT, module],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]

    def test_closing_twice_does_no_harm(self, subject: Subject) -> None:
        """Whoever ends a program may not know what was closed already."""
        subject.connector.close()
        subject.connector.close()


_QUIET_IMPORT = """
import importlib, sys, threading
def heard(event, args):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "subprocess.Popen"):
        raise SystemExit(f"importing caused {event}")
sys.addaudithook(heard)
importlib.import_module(sys.argv[1])
if threading.active_count() > 1:
    raise SystemExit("importing started a thread")
"""


@contextmanager
def _heard(package: str) -> Iterator[list[str]]:
    """What is printed meanwhile, and what is logged: by a package and VetBridge at any level, by others from warnings
    on, as ``vetbridge.cli.log`` lets pass."""
    lines: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING or record.name.partition(".")[0] in {"vetbridge", package}:
                lines.append(f"{record.getMessage()} {record.exc_info or ''}")

    ear, root = Ear(level=0), logging.getLogger()
    level = root.level
    root.addHandler(ear)
    root.setLevel(0)
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            yield lines
    finally:
        root.removeHandler(ear)
        root.setLevel(level)
        lines.append(printed.getvalue())


class Hints(Group):
    """See the methods."""

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"\xff\xfe", b"null", b"[]", b"{}", b'"x"', b"[1, 2]", b'{"items": 1}', b"[" * 20_000]
    )
    def test_useless_webhooks_say_nothing(self, subject: Subject, body: bytes) -> None:
        """A body that is not what the vendor sends is ``BadHint`` or no hint, and never anything worse."""
        if not subject.connector.capabilities.hints:
            pytest.skip("not declared: hints")
        before = subject.requests()
        with suppress(BadHint):
            assert subject.connector.hints(HookRequest(body=body)) == ()
        assert subject.requests() == before
