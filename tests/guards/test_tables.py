"""What goes how far, as README.md and docs/connectors/README.md say it, is what the connectors declare."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "docs" / "connectors" / "README.md")


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs" / "make_tables.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_says_what_the_connectors_declare(script: dict[str, Any], page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert script["made"](page, text) == text, "python docs/make_tables.py writes it anew"


def test_a_page_without_its_marks_is_told(script: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="lacks the marks"):
        script["made"](PAGES[0], "# VetBridge")


def test_every_practice_system_has_its_guide(script: dict[str, Any]) -> None:
    for route in script["routes"]():
        assert (ROOT / "docs" / "connectors" / f"{route.name}.md").is_file()
