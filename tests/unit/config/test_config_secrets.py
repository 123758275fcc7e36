"""Secrets are found where the config says, and show nowhere."""

from __future__ import annotations

import copy
import json
import os
import pickle
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from vetbridge.config.secrets import LONGEST, Secret, secrets_in
from vetbridge.core.errors import ConfigError

VALUE = "s3cr3t-välue"


class Holder(BaseModel):
    model_config = ConfigDict(frozen=True)
    token: Secret
    either: str | Secret = "plain"


def held(reference: object, folder: Path | None = None, env: dict[str, str] | None = None) -> Secret:
    return Holder.model_validate(
        {"token": reference}, context={"folder": folder or Path(), "env": {} if env is None else env}
    ).token


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_file_is_read_from_the_configs_folder_without_its_line_end(tmp_path: Path, ending: str) -> None:
    (tmp_path / "token").write_bytes((VALUE + ending).encode())
    assert held({"file": "token"}, tmp_path).reveal() == VALUE


def test_only_one_line_end_is_dropped_and_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xef\xbb\xbf two words \n\n")
    assert held({"file": "token"}, tmp_path).reveal() == " two words \n"


def test_a_variable_comes_from_the_given_environment() -> None:
    assert held({"env": "TOKEN"}, env={"TOKEN": VALUE}).reveal() == VALUE


def test_a_command_runs_without_a_shell_in_the_configs_folder(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("$HOME", encoding="utf-8")
    program = "import pathlib; print(pathlib.Path('token').read_text())"
    assert held({"command": [sys.executable, "-c", program]}, tmp_path).reveal() == "$HOME"


def test_a_secret_is_fetched_once_and_only_when_needed(tmp_path: Path) -> None:
    env: dict[str, str] = {}
    secret = held({"env": "TOKEN"}, env=env)
    env["TOKEN"] = "first"
    assert secret.reveal() == "first"
    env["TOKEN"] = "second"
    assert secret.reveal() == "first"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (VALUE, "never stands in the config itself"),
        (12, "never stands in the config itself"),
        (None, "never stands in the config itself"),
        ({}, "exactly one place"),
        ({"env": "A", "file": "b"}, "exactly one place"),
        ({"vault": "x"}, "{env: NAME}"),
        ({"env": 5}, "'env' needs a name"),
        ({"env": VALUE}, "letters, digits and _ only"),
        ({"file": ""}, "'file' needs a path"),
        ({"file": "a\0b"}, "'file' needs a path"),
        ({"command": "pass show x"}, "{command: [PROGRAM, ARGUMENT]}"),
        ({"command": []}, "{command: [PROGRAM, ARGUMENT]}"),
        ({"command": ["pass", 5]}, "{command: [PROGRAM, ARGUMENT]}"),
        ({"keyring": {"service": "x"}}, "{keyring: {service: NAME, user: NAME}}"),
    ],
)
def test_a_wrong_reference_is_told_the_right_form_and_never_repeated(reference: object, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        held(reference)
    [detail] = caught.value.errors()
    assert words in detail["msg"]
    assert VALUE not in detail["msg"]


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ({"env": "MISSING"}, "MISSING is not set"),
        ({"env": "BLANK"}, "is empty"),
        ({"file": "missing"}, "does not exist"),
        ({"file": "."}, "cannot be read"),
        ({"file": "n" * 5000}, "cannot be read"),
        ({"file": "~no-such-user-here/token"}, "does not exist"),
        ({"file": "latin"}, "not UTF-8"),
        ({"file": "long"}, "longer than"),
        ({"command": ["./no-such-program"]}, "cannot be run"),
        ({"command": [sys.executable, "-c", f"print('{VALUE}'); raise SystemExit(3)"]}, "ended with 3"),
    ],
)
def test_a_secret_that_cannot_be_fetched_says_what_to_do(
    tmp_path: Path, reference: dict[str, object], words: str
) -> None:
    (tmp_path / "latin").write_bytes(VALUE.encode("latin-1"))
    (tmp_path / "long").write_bytes(b"x" * (LONGEST + 1))
    secret = held(reference, tmp_path, {"BLANK": " \n"})
    with pytest.raises(ConfigError) as caught:
        secret.reveal()
    assert words in caught.value.message
    assert VALUE not in caught.value.message


def test_the_keyring_library_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match="pip install keyring"):
        held({"keyring": {"service": "vetbridge", "user": "city"}}).reveal()


def test_a_secret_shows_its_place_and_never_its_value(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(VALUE, encoding="utf-8")
    secret = held({"file": "token"}, tmp_path)
    holder = Holder(token=secret, either=Secret.of(VALUE))
    assert secret.reveal() == VALUE
    assert repr(secret) == str(secret) == "Secret(file token)"
    for text in (repr(holder), str(holder.model_dump()), f"{holder.either}", repr(vars(holder))):
        assert VALUE not in text
    assert repr(Secret.refer({"command": ["echo", VALUE]})) == "Secret(command echo)"


def test_pickling_and_json_are_refused() -> None:
    holder = Holder(token=Secret.of(VALUE))
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(holder.token)
    with pytest.raises(TypeError):
        json.dumps(holder.token)
    with pytest.raises(Exception, match="never written as JSON") as caught:
        holder.model_dump_json()
    assert VALUE not in str(caught.value)


def test_a_copy_is_the_same_secret() -> None:
    secret = Secret.of(VALUE)
    assert copy.deepcopy(secret) is secret
    assert copy.copy(secret) is secret
    assert Secret.refer({"env": "A"}) == Secret.refer({"env": "A"}) != Secret.refer({"env": "B"})


def test_a_secret_may_stand_beside_plain_text_in_a_field() -> None:
    assert Holder.model_validate({"token": {"env": "A"}, "either": "id"}).either == "id"
    assert Holder.model_validate({"token": {"env": "A"}, "either": {"env": "B"}}).either == Secret.refer({"env": "B"})


@pytest.mark.skipif(os.name != "posix", reason="rights of files are a POSIX matter here")
def test_a_file_that_everybody_may_read_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(VALUE, encoding="utf-8")
    path.chmod(0o600)
    secret = held({"file": "token"}, tmp_path)
    assert secret.warning() == ""
    path.chmod(0o604)
    assert "chmod o-rwx" in secret.warning()


def test_looking_at_a_command_does_not_run_it(tmp_path: Path) -> None:
    program = f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch(); print('x')"
    assert held({"command": [sys.executable, "-c", program]}).problem() == ""
    assert not (tmp_path / "ran").exists()
    assert "is not found" in held({"command": ["no-such-program-here"]}).problem()


def test_a_secret_is_fetched_again_where_it_can_change(tmp_path: Path) -> None:
    place = tmp_path / "token"
    place.write_text("first", encoding="utf-8")
    for reference in ({"file": "token"}, {"command": [sys.executable, "-c", "print(open('token').read())"]}):
        place.write_text("first", encoding="utf-8")
        secret = held(reference, tmp_path)
        assert not secret.renew(), "it was not used yet"
        assert secret.reveal() == "first"
        assert not secret.renew()
        place.write_text("second", encoding="utf-8")
        assert secret.renew()
        assert secret.reveal() == "second"
        place.write_text("", encoding="utf-8")
        assert not secret.renew()
        assert secret.reveal() == "second"


def test_a_variable_is_as_it_was_at_the_start() -> None:
    variables = {"TOKEN": "first"}
    secret = held({"env": "TOKEN"}, env=variables)
    assert secret.reveal() == "first"
    variables["TOKEN"] = "second"
    assert not secret.renew()
    assert secret.reveal() == "first"
    assert not Secret.of("x").renew()


def test_secrets_are_found_however_deep_they_stand(tmp_path: Path) -> None:
    first, second = Secret.of("a"), Secret.of("b")
    holder = Holder(token=first, either=second)
    assert list(secrets_in({"x": [holder, ("y", 1)]})) == [first, second]
