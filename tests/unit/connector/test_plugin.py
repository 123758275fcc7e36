"""How connectors are found, and what is said when they are not."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints

import pytest
from pydantic import ValidationError

from vetbridge.connector import plugin as module
from vetbridge.connector.plugin import GROUP, Options, Plugin, plugin, plugins
from vetbridge.core.errors import ConfigError
from vetbridge.mapping import load_table


def test_the_shipped_connectors_are_found_and_complete() -> None:
    found = plugins()
    assert {"altegio", "ezyvet"} <= set(found)
    for name in ("altegio", "ezyvet"):
        assert isinstance(found[name], Plugin)
        assert found[name].name == name
        assert issubclass(found[name].options, Options)
        assert load_table(found[name].mapping).name == name
        assert plugin(name) is found[name]


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no connector is called 'ezivet'; did you mean 'ezyvet'\?"):
        plugin("ezivet")


def test_a_name_like_no_other_gets_all() -> None:
    with pytest.raises(ConfigError, match=r"no connector is called 'zzz'; known are .*altegio.*ezyvet"):
        plugin("zzz")


def test_an_entry_point_that_is_no_plugin_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint(name="broken", value="vetbridge.core.records:Kind", group=GROUP)
    monkeypatch.setattr(module, "entry_points", lambda group: EntryPoints([point]))
    with pytest.raises(ConfigError, match="'broken' does not name a connector plugin"):
        plugin("broken")


def test_options_refuse_unknown_keys_and_never_change() -> None:
    class Mine(Options):
        page: int = 1

    with pytest.raises(ValidationError, match="pgae"):
        Mine.model_validate({"pgae": 2})
    options = Mine(page=2)
    with pytest.raises(ValidationError, match="frozen"):
        options.page = 3  # type: ignore[misc]
