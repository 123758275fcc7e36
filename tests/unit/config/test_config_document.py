"""YAML is read strictly, with lines, and hostile files end in a clear error."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetbridge.config.document import LARGEST, Document, parse, read
from vetbridge.config.problems import ConfigProblems


def texts(document: Document) -> list[str]:
    return [str(problem) for problem in document.problems]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("702", 702),
        ("-5", -5),
        ("0", 0),
        ("1.5", 1.5),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("Europe/London", "Europe/London"),
        ("127.0.0.1", "127.0.0.1"),
        ("y", "y"),
        ("'12:30'", "12:30"),
        ('"+44 20 7946 0000"', "+44 20 7946 0000"),
        ("'007'", "007"),
        ('"NO"', "NO"),
    ],
)
def test_a_word_is_what_it_looks_like(word: str, value: object) -> None:
    document = parse(f"key: {word}", "config.yaml")
    assert document.data == {"key": value}
    assert type(document.data["key"]) is type(value)
    assert not document.problems


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("12:30", "a time must stand in quotes"),
        ("09:30", "a time must stand in quotes"),
        ("12:30:15", "a time must stand in quotes"),
        ("2026-01-02", "a date must stand in quotes"),
        ("+442079460000", "a phone number must stand in quotes"),
        ("+44 20 7946 0000", "a phone number must stand in quotes"),
        ("02079460000", "a phone number or an id must stand in quotes"),
        ("0x1F", "must stand in quotes"),
        ("0o17", "must stand in quotes"),
        ("1_000", "must stand in quotes"),
        ("1e5", "must stand in quotes"),
        (".inf", "must stand in quotes"),
        ("9" * 19, "an id this long must stand in quotes"),
        ("9" * 5000, "an id this long must stand in quotes"),
        ("NO", 'write true or false, or "NO" in quotes'),
        ("yes", "write true or false"),
    ],
)
def test_a_word_that_readers_disagree_about_must_stand_in_quotes(word: str, words: str) -> None:
    document = parse(f"first: 1\nkey: {word}\n", "config.yaml")
    [problem] = document.problems
    assert str(problem).startswith("config.yaml:2: key: ")
    assert words in problem.text


def test_a_phone_number_is_not_repeated() -> None:
    document = parse("key: +442079460123", "config.yaml")
    assert "7946" not in "".join(texts(document))


def test_a_second_key_names_the_first_and_keeps_it() -> None:
    document = parse("a:\n  b: 1\n  c: 2\n  b: {d: 12:30}\n", "config.yaml")
    assert document.data == {"a": {"b": 1, "c": 2}}
    assert texts(document)[0] == "config.yaml:4: a.b: stands here a second time, first in line 2; keep one"


def test_every_problem_of_a_file_is_told_at_once() -> None:
    document = parse("a: 12:30\nb: [1, 007, {c: yes}]\na: 2\n", "config.yaml")
    assert [(problem.line, problem.place) for problem in document.problems] == [
        (1, ("a",)),
        (2, ("b", 1)),
        (2, ("b", 2, "c")),
        (3, ("a",)),
    ]


def test_lines_are_those_of_the_keys() -> None:
    document = parse("a:\n  - x\n  - {b: 1,\n     c: 2}\n", "config.yaml")
    assert document.line_of(("a", 1, "c")) == 4
    assert document.line_of(("a", 0)) == 2
    assert document.line_of(("a", 1, "unknown")) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x [1]\nb: *x", "aliases"),
        ("a: *x", "aliases"),
        ("a: !!python/object/apply:os.system [id]", "tags"),
        ("a: !secret x", "tags"),
        ("a: 1\n---\nb: 2", "second document"),
        ("? [a]\n: b", "a key must be one plain word"),
        ("? {a: b}\n: b", "a key must be one plain word"),
    ],
)
def test_what_no_config_needs_is_refused(text: str, words: str) -> None:
    assert any(words in problem.text for problem in parse(text, "config.yaml").problems)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a:\n\tb: 1", 2, "a tab stands here"),
        ("a: b: c", 1, "second colon"),
        ("a: 1\n{b", 2, "is no YAML here"),
        ("[" * 10_000, 1, "levels deep"),
        ("- " * 10_000, 1, "levels deep"),
        ("{a: " * 10_000, 1, "levels deep"),
        ("\n".join(" " * depth + "a:" for depth in range(1000)), 34, "levels deep"),
        ("a: '\x85b", None, "is no YAML"),
        ('a: "\\UFFFFFFFF"', None, "is no YAML"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text: str, line: int | None, words: str) -> None:
    with pytest.raises(ConfigProblems) as caught:
        parse(text, "config.yaml")
    problem = caught.value.problems[-1]
    assert words in problem.text
    if line is not None:
        assert problem.line == line


def test_a_bomb_of_aliases_does_not_grow() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    document = parse("\n".join(lines), "config.yaml")
    assert len(document.problems) == 12 + 11 * 10


@pytest.mark.parametrize(
    ("raw", "line", "words"),
    [
        ("a: ü\n".encode("utf-16"), None, "UTF-16"),
        (b"a: 1\nb: 2\nname: M\xfcller\n", 3, "not UTF-8"),
        (b"a: 1\nb: \x1b[31mred\n", 2, "control character (\\x1b)"),
        (b"a: \x00\n", 1, "control character (\\x00)"),
        (b"#" * (LARGEST + 1), None, "larger than"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, raw: bytes, line: int | None, words: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(raw)
    with pytest.raises(ConfigProblems) as caught:
        read(path)
    [problem] = caught.value.problems
    assert words in problem.text
    assert problem.line == line


def test_a_very_large_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    with path.open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    with pytest.raises(ConfigProblems, match="larger than 1024 KiB"):
        read(path)


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbfversion: 1\n")
    assert read(path).data == {"version": 1}


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigProblems, match=r"no such file|cannot be read"):
        read(tmp_path / name)


def test_a_hostile_key_steers_no_terminal() -> None:
    document = parse('"k\\x1b[31m": 12:30\n', "config.yaml")
    assert "\x1b" not in str(document.problems[0])
    long = parse(f"{'k' * 900}: 12:30\n", "config.yaml")
    assert len(str(long.problems[0])) < 1100


@given(st.text(max_size=200) | st.text(alphabet="a:-[]{}&*!|>'\"%@?, \n\t#01", max_size=80))
def test_no_text_makes_it_crash(text: str) -> None:
    with contextlib.suppress(ConfigProblems):
        assert isinstance(parse(text, "config.yaml"), Document)
