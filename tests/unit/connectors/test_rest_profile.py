"""Profiles of `rest`: what they may say, all that is wrong with one at once, and the shipped one, made up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.animana import system
from connectors.rest import plugin, template
from connectors.rest.options import RestOptions
from connectors.rest.profile import (
    Changed,
    Grant,
    Listing,
    Meaning,
    RestKind,
    RestProfile,
    Send,
    Times,
    Version,
    Window,
)
from tests.unit.connectors.rest_api import PROFILE, changed, connected
from vetbridge.connector.interface import Operation
from vetbridge.connector.profiles import load_profile
from vetbridge.core.records import Kind

ROOT = Path(__file__).parents[3]


def problems(folder: Path, **more: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        connected(folder, changed(PROFILE, **more))
    return str(caught.value)


def test_the_shipped_profile_says_first_that_it_is_made_up() -> None:
    lines = (ROOT / "connectors" / "animana" / "rest.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# FICTIONAL.")
    profile = load_profile(RestProfile, "animana", "rest")
    assert profile.proven == "fictional profile for rehearsal"
    assert profile.needs_vendor
    way = system.way("rest")
    assert way is not None
    assert way.proven == "needs the vendor's partner papers"
    assert plugin.mapping == "neutral"


def test_a_profile_cannot_hold_a_secret_or_an_address(tmp_path: Path) -> None:
    assert "unknown key" in problems(tmp_path, base_url="https://api.example")
    for path in ("https://api.example/clients", "//api.example/clients?x=1", "clients"):
        assert "kinds.client.list" in problems(tmp_path, kinds__client__list__path=path)
    assert "auth" in problems(tmp_path, auth={"kind": "bearer", "token": "S3CRET-of-the-vendor"})


def test_all_that_does_not_hold_together_is_named_at_once(tmp_path: Path) -> None:
    told = problems(
        tmp_path,
        values=["start"],
        headers={"X-Practice": "{practice}", "Authorization": "Bearer s3cret"},
        kinds__client__loss={"shoe_size": "none"},
        kinds__client__get="/clients",
        kinds__client__search={"colour": {"query": {"c": "{colour}"}}, "phone": {"query": {"p": "x"}}},
        kinds__client__create="handed",
        kinds__appointment__relink="yes",
        kinds__appointment__deletions_visible=True,
        kinds__appointment__create={"method": "POST", "path": "/visits", "body": {"who": "{whom}"}},
        kinds__appointment__update={"method": "PATCH", "path": "/visits", "body": {"at": "{start}"}},
    )
    for words in (
        "values: start already means something",
        "headers.Authorization: stands in no profile",
        "client has no field shoe_size",
        "headers.X-Practice: there is no placeholder {practice}",
        "client: get: {id} stands neither in its path nor in its query",
        "client: search: client is not searched by colour",
        "search.phone: its query does not hold {phone}",
        "only writes of visits are handed to people",
        "relink: the body of update does not hold {client_id}",
        "deletions_visible needs deleted_when",
        "create.body: there is no placeholder {whom}",
        "create: its body holds no field",
        "update: {id} does not stand in it",
    ):
        assert words in told


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"means": "taken"}, "needs a status, a path, or both"),
        ({"status": [429], "means": "limit"}, "429 needs no rule"),
        ({"status": [409], "values": ["x"], "means": "taken"}, "values need the path"),
        ({"status": [500], "means": "retry"}, "errors[0].status"),
    ],
)
def test_rules_that_never_fit_are_refused(tmp_path: Path, rule: dict[str, Any], words: str) -> None:
    assert words in problems(tmp_path, errors=[rule])


def test_a_path_takes_a_value_as_one_part() -> None:
    for value, path in (("7", "/a/7/b"), ("a/b?c#d", "/a/a%2Fb%3Fc%23d/b"), (12, "/a/12/b")):
        assert template.path("/a/{id}/b", {"id": value}) == path
    for other in ("", ".", "..", "a\x00", None):
        assert template.path("/a/{id}/b", {"id": other}) is None


def test_a_body_leaves_out_what_it_has_no_value_for() -> None:
    body = {"a": "{x}", "b": {"c": "{y}", "d": ["{y}", 1]}, "e": {"f": "{y}"}, "g": "is {x}", "h": {}, "i": "{z}"}
    assert template.body(body, {"x": 1, "z": None}) == {"a": 1, "b": {"d": [1]}, "g": "is 1", "h": {}, "i": None}


def test_the_fields_of_a_body_are_known() -> None:
    body = {"at": "{start}", "until": "{end}", "tel": ["{phone}"], "note": "from {stamp}", "no": "{id}"}
    assert template.changed(body) == {"start", "duration", "phones"}
    assert template.sources(body, frozenset({"start"})) == {"start", "duration"}
    assert template.writable(Kind.APPOINTMENT, Operation.CANCEL) == {"by", "reason"}


# -- the page

PAGE = (ROOT / "docs" / "connectors" / "rest.md").read_text(encoding="utf-8")


def test_the_pages_profile_is_one(tmp_path: Path) -> None:
    [text] = [each for each in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if each.startswith("title:")]
    (tmp_path / "page.yaml").write_text(text, encoding="utf-8")
    assert load_profile(RestProfile, tmp_path / "page.yaml", "rest").title == "Our vendor"


def test_the_page_names_every_key_option_and_placeholder() -> None:
    keys = {
        name: model
        for model in (RestProfile, RestKind, Grant, Listing, Changed, Window, Send, Version, Times, RestOptions)
        for name in model.model_fields
    }
    assert [name for name in keys if not re.search(rf"[`{{ ]{name}[`:,}}]", PAGE)] == []
    holes = template.BODIES | template.SEARCHED
    assert [name for name in sorted(holes) if f"{{{name}}}" not in PAGE and f"`{name}`" not in PAGE] == []
    assert [meaning for meaning in Meaning if f"| `{meaning}` |" not in PAGE] == []
