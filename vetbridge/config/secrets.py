"""Secrets: the config says where a secret stands, never what it is.

Four places are known: an environment variable, a file, the output of a command, and the system's keyring. A secret
is fetched when it is first needed, kept in memory, and shown nowhere.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from vetbridge.core.errors import ConfigError

LONGEST = 64 * 1024
"""Longest secret, in bytes; a longer file is not a secret but a mistake."""

COMMAND_TIMEOUT = 30.0
"""Seconds that a command may take to print a secret."""

ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

RIGHT_FORM = "{env: NAME}, {file: PATH}, {command: [PROGRAM, ARGUMENT]} or {keyring: {service: NAME, user: NAME}}"


class Secret:
    """Where a secret stands: ``{env: ...}``, ``{file: ...}``, ``{command: [...]}`` or ``{keyring: {service, user}}``.

    A relative file and a command's working folder start at the config's folder. The value never shows in ``repr``,
    ``str``, an error or a dump; pickling and JSON are refused. As a pydantic field it takes a reference or a
    ``Secret``; the validation context may carry ``folder`` and ``env``.
    """

    __slots__ = ("_env", "_folder", "_lock", "_place", "_value", "kind")

    def __init__(
        self, kind: str, place: Any, *, folder: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self.kind = kind
        """``env``, ``file``, ``command``, ``keyring``, or ``given`` for one that was made by ``of``."""
        self._place = place
        self._folder = folder or Path()
        self._env: Mapping[str, str] = os.environ if env is None else env
        self._value: str | None = None
        self._lock = threading.Lock()

    @classmethod
    def of(cls, text: str) -> Secret:
        """A secret that is already known: for tests, and for a program that made it itself."""
        secret = cls("given", None)
        secret._value = text
        return secret

    @classmethod
    def refer(cls, reference: object, *, folder: Path | None = None, env: Mapping[str, str] | None = None) -> Secret:
        """A secret by its reference as it stands in the config. Raises ``ValueError`` that shows the right form."""
        if not isinstance(reference, Mapping):
            raise ValueError(f"a secret never stands in the config itself; say where it stands: {RIGHT_FORM}")
        if len(reference) != 1:
            raise ValueError(f"a secret stands in exactly one place: {RIGHT_FORM}")
        [(kind, place)] = reference.items()
        if kind in ("env", "file"):
            if not isinstance(place, str) or not place or "\0" in place:
                raise ValueError(f"{kind!r} needs a {'name' if kind == 'env' else 'path'} in text: {RIGHT_FORM}")
            if kind == "env" and not ENV_NAME.fullmatch(place):
                # Somebody may have put the secret itself here: it is not repeated.
                raise ValueError("'env' needs the name of an environment variable: letters, digits and _ only")
        elif kind == "command":
            if not _is_command(place):
                raise ValueError("'command' needs a list of texts, the program first: {command: [PROGRAM, ARGUMENT]}")
            place = tuple(place)
        elif kind == "keyring":
            if not _is_keyring(place):
                raise ValueError("'keyring' needs two texts: {keyring: {service: NAME, user: NAME}}")
            place = (place["service"], place["user"])
        else:
            raise ValueError(f"no place for secrets is called so; write {RIGHT_FORM}")
        return cls(kind, place, folder=folder, env=env)

    @property
    def where(self) -> str:
        """Where it stands, in words that may be shown. Of a command only the program: arguments may be private."""
        if self.kind == "command":
            return f"command {self._place[0]}"
        if self.kind == "keyring":
            return f"keyring {self._place[0]}"
        return self.kind if self._place is None else f"{self.kind} {self._place}"

    @property
    def path(self) -> Path | None:
        """The file it stands in; None where it stands elsewhere."""
        return self._folder / _home(self._place) if self.kind == "file" else None

    def reveal(self) -> str:
        """The secret itself, without one trailing line end. Raises ``ConfigError`` that says what to do."""
        with self._lock:
            if self._value is None:
                self._value = self._fetch()
            return self._value

    def renew(self) -> bool:
        """Fetches it again; whether it is another one than before. One that cannot be read now stays as it was.

        A variable of the environment stays for as long as the process runs, and is not looked at.
        """
        if self.kind not in ("file", "command", "keyring"):
            return False
        with self._lock:
            if self._value is None:
                return False
            try:
                value = self._fetch()
            except ConfigError:
                return False
            changed, self._value = value != self._value, value
            return changed

    def problem(self) -> str:
        """What is wrong with the place, or "". Looks at variables and files, and runs no command: that may ask."""
        if self.kind in ("env", "file"):
            try:
                self.reveal()
            except ConfigError as error:
                return error.message
        elif self.kind == "command" and shutil.which(self._program()) is None:
            return f"the program {self._place[0]!r} is not found; install it, or give its full path"
        return ""

    def warning(self) -> str:
        """What is not wrong but unwise about the place, or "": a file that every user of the machine may read."""
        path = self.path
        if path is None or os.name != "posix":
            return ""
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError):  # a name that no file can have
            return ""
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            return f"every user of this machine may read or change {path}; run: chmod o-rwx {path}"
        return ""

    def _program(self) -> str:
        """The command's program: a name is searched for as usual, a path starts at the config's folder."""
        given = self._place[0]
        program = _home(given)
        return str((self._folder / program).absolute()) if {"/", os.sep} & set(given) else str(program)

    def _fetch(self) -> str:
        match self.kind:
            case "env":
                text = self._from_env()
            case "file":
                text = self._from_file()
            case "command":
                text = self._from_command()
            case _:
                text = self._from_keyring()
        text = text.removesuffix("\n").removesuffix("\r")
        if not text.strip():
            raise ConfigError(f"the secret ({self.where}) is empty; put the secret there")
        return text

    def _from_env(self) -> str:
        value = self._env.get(self._place)
        if value is None:
            raise ConfigError(f"the environment variable {self._place} is not set; set it for VetBridge's user")
        return value

    def _from_file(self) -> str:
        path = self._folder / _home(self._place)
        try:
            if path.exists() and not path.is_file():
                # Whoever reads from a pipe or a device may wait for ever.
                raise ConfigError(
                    f"the secret's file {path} cannot be read (it is no file); name the file that holds the secret"
                )
            with path.open("rb") as file:
                data = file.read(LONGEST + 1)
        except ValueError:
            raise ConfigError(f"the secret's file {str(path)!a} has a name that no file can have") from None
        except FileNotFoundError:
            raise ConfigError(f"the secret's file {path} does not exist; create it, readable by its owner") from None
        except OSError as error:
            raise ConfigError(
                f"the secret's file {path} cannot be read ({error.strerror}); mend its rights"
            ) from None
        return self._text(data)

    def _from_command(self) -> str:
        program = self._place[0]
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own config names the program; no shell
                [self._program(), *self._place[1:]],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=COMMAND_TIMEOUT,
                check=False,
            )
        except ValueError:
            raise ConfigError(
                f"the secret's command {program!a} holds a character that no command can have"
            ) from None
        except subprocess.TimeoutExpired:
            raise ConfigError(
                f"the secret's command {program} took longer than {COMMAND_TIMEOUT:g} s; it must not ask anything"
            ) from None
        except OSError as error:
            raise ConfigError(f"the secret's command {program} cannot be run ({error.strerror})") from None
        if done.returncode != 0:
            # What it printed stays unsaid: it may hold the secret.
            raise ConfigError(
                f"the secret's command {program} ended with {done.returncode}; run it by hand to see why"
            )
        return self._text(done.stdout)

    def _from_keyring(self) -> str:
        service, user = self._place
        try:
            # An optional library: only sites that keep secrets in the system's keyring need it.
            import keyring  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415
            import keyring.errors  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415
        except ImportError:
            raise ConfigError(
                "a secret stands in the keyring, and the keyring library is not installed; run: pip install keyring"
            ) from None
        try:
            value = keyring.get_password(service, user)
        except keyring.errors.KeyringError:
            raise ConfigError(f"the system's keyring cannot be read for service {service}; unlock it") from None
        if value is None:
            raise ConfigError(f"the keyring holds nothing for service {service}; run: keyring set {service} {user}")
        return str(value)

    def _text(self, data: bytes) -> str:
        if len(data) > LONGEST:
            raise ConfigError(f"the secret ({self.where}) is longer than {LONGEST} bytes; is that the right place?")
        try:
            # Editors on Windows put a byte order mark before the text.
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ConfigError(f"the secret ({self.where}) is not UTF-8 text; save it as UTF-8") from None

    def __repr__(self) -> str:
        return f"Secret({self.where})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        if self.kind == "given":
            return other.kind == "given" and self._value == other._value
        return (self.kind, self._place, self._folder) == (other.kind, other._place, other._folder)

    def __hash__(self) -> int:
        return hash((self.kind, self._place, self._folder))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is never pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(_refuse_json, when_used="json"),
        )

    @classmethod
    def _validate(cls, value: object, info: ValidationInfo) -> Secret:
        if isinstance(value, Secret):
            return value
        context = info.context if isinstance(info.context, Mapping) else {}
        try:
            return cls.refer(value, folder=context.get("folder"), env=context.get("env"))
        except ValueError as error:
            # The value itself is no part of the words: it may be the secret that should not stand here. The words
            # go in as a parameter: braces in a template would be taken for one.
            raise PydanticCustomError("secret", "{words}", {"words": str(error)}) from None


def secrets_in(part: object) -> Iterator[Secret]:
    """Every secret that a part of the config names, however deep."""
    if isinstance(part, Secret):
        yield part
    elif isinstance(part, BaseModel):
        for name in type(part).model_fields:
            yield from secrets_in(getattr(part, name))
    elif isinstance(part, Mapping):
        for value in part.values():
            yield from secrets_in(value)
    elif isinstance(part, (list, tuple)):
        for value in part:
            yield from secrets_in(value)


def _home(text: str) -> Path:
    """A path with ``~`` put in full; as it stands where there is no such home."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def _refuse_json(value: Secret) -> NoReturn:
    raise TypeError("a secret is never written as JSON")


def _is_command(place: object) -> bool:
    return (
        isinstance(place, (list, tuple))
        and bool(place)
        and all(isinstance(part, str) and "\0" not in part for part in place)
        and bool(place[0])
    )


def _is_keyring(place: object) -> bool:
    return (
        isinstance(place, Mapping)
        and set(place) == {"service", "user"}
        and all(isinstance(part, str) and part for part in place.values())
    )
