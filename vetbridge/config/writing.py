"""Writes config text that VetBridge reads as it was meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

_PLAIN = re.compile(r"[^\W\d_]\w*")
_MEANT_OTHERWISE = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_ENDLESS = 1 << 30
"""Columns: a text is never folded."""


def config_text(config: Mapping[str, Any]) -> str:
    """A config as YAML that VetBridge reads as it was: plain data whose keys are text.

    Every text that is a value stands in quotes. A library quotes only what it would itself take for something else,
    and VetBridge refuses more: an id of hexadecimal digits such as 12e45678 is a number to other readers.
    """
    return yaml.dump(config, Dumper=_Quoting, sort_keys=False, allow_unicode=True)


def on_one_line(value: Any) -> str:
    """One value, or one key with its value as ``{key: value}``, as it stands within a line of a config."""
    text = yaml.dump(
        value, Dumper=_Quoting, sort_keys=False, allow_unicode=True, default_flow_style=True, width=_ENDLESS
    )
    return text.removesuffix("...\n").strip()


def as_key(word: str) -> str:
    """A word as a key of a config: in quotes wherever some reader might take it for something else."""
    plain = _PLAIN.fullmatch(word) and word.casefold() not in _MEANT_OTHERWISE
    return word if plain else on_one_line(word)


class _Quoting(yaml.SafeDumper):
    """Text in quotes; nothing stands as a reference to where it stood before."""

    def ignore_aliases(self, data: Any) -> bool:
        """VetBridge takes no aliases: what is meant twice is written twice."""
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        """A key is text in any case: it stands in quotes only where YAML demands it."""
        node = super().represent_mapping(tag, mapping, flow_style)
        for key, _ in node.value:
            key.style = None
        return node


_Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))
