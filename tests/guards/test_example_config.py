"""The example config and its page say everything that the models know, and the example loads."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from vetbridge.config import models
from vetbridge.config.document import read
from vetbridge.config.loader import load
from vetbridge.config.models import Config
from vetbridge.config.shape import Shape
from vetbridge.connector.plugin import plugin

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.yaml"
PAGE = ROOT / "docs" / "configuration.md"

MODELS = [
    model
    for model in vars(models).values()
    if isinstance(model, type) and issubclass(model, models.Part) and model is not models.Part
]
PARTS = ("door", "watch", "retention", "daemon", "timings", "log")
SHOWN = {name: Config.model_fields[name].default for name in PARTS}
SHOWN["pages"] = models.Pages()
"""The parts whose defaults the example and the page show."""
ENV = {"ALTEGIO_PARTNER_TOKEN": "dummy", "ALTEGIO_USER_TOKEN": "dummy", "EZYVET_CLIENT_SECRET": "dummy"}


def keys_in(node: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(node, dict):
        for key, inner in node.items():
            yield (*place, key)
            yield from keys_in(inner, (*place, key))


def test_the_example_loads_without_problems(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    shutil.copy(EXAMPLE, path)
    for name in ("ledger.key", "hook.secret"):
        (tmp_path / name).write_text("dummy\n", encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    loaded = load(path, options=lambda name: plugin(name).options, env=ENV)
    assert [str(problem) for problem in (*loaded.warnings, *loaded.check_secrets())] == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_stands_in_the_example(model: type[BaseModel]) -> None:
    shape = Shape({})
    data = read(EXAMPLE).data
    # A key that stands in another's place is shown as a comment.
    given = set(re.findall(r"^ *# ([a-z_]+):", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE))
    for place in ((), *keys_in(data)):
        if model in shape.types(place):
            given |= set(_at(data, place))
    assert set(model.model_fields) - given == set()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_stands_on_the_page(model: type[BaseModel]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    described = {key.rsplit(".", 1)[-1] for key in re.findall(r"^\| `([a-z_.]+)` \|", page, re.MULTILINE)}
    described |= set(Config.model_fields) & set(re.findall(r"^### `([a-z]+)", page, re.MULTILINE))
    assert set(model.model_fields) - described == set()


def test_the_defaults_that_the_example_shows_are_the_defaults() -> None:
    data = read(EXAMPLE).data
    for name, part in SHOWN.items():
        assert {key: getattr(part, key) for key in data[name]} == data[name]


def test_the_page_shows_the_defaults() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for part in SHOWN.values():
        for key in type(part).model_fields:
            value = getattr(part, key)
            if value is None:
                continue
            text = str(int(value)) if isinstance(value, float) else str(value)
            assert f"| `{key}` | `{text}` |" in page


def _at(data: Any, place: tuple[str | int, ...]) -> Any:
    for part in place:
        data = data[part]
    return data
