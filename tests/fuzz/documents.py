"""The doors of what an admin writes: the config, a site's mapping table, trained weights."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.fuzz.door import Door
from tests.fuzz.mutation import altered, as_json, crossed, spoiled
from tests.unit.desk.practice import KEY, Desk
from vetbridge.cli.config import load_config
from vetbridge.desk.training import read_weights_file
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import FakeClock

ROOT = Path(__file__).parents[2]


class _Text(Door):
    """A file of text, spoiled as data where ``samples`` are that, and as bytes."""

    file = ""

    def open(self) -> None:
        """Reads the samples."""
        self.trees, self.texts = self.samples()

    def samples(self) -> tuple[list[Any], list[bytes]]:
        """Sound data, and sound files."""
        raise NotImplementedError

    def make(self, rng: Random) -> bytes:
        """A file's bytes."""
        how = rng.random()
        if self.trees and how < 0.55:
            tree = spoiled(rng, rng.choice(self.trees))
            with suppress(UnicodeEncodeError):  # half a character: JSON has a form for it
                if rng.random() < 0.9:
                    return yaml.dump(tree, Dumper=_DUMPER, allow_unicode=True).encode()
            plain = json.dumps(tree)
            # A secret whose bytes are strewn over other keys is none that VetBridge could know.
            return plain.encode() if any(word in plain for word in self.planted) else as_json(rng, tree)
        if how < 0.65:
            return crossed(rng, self.texts)
        return altered(rng, rng.choice(self.texts))

    def path(self, given: bytes) -> Path:
        """The input as a file."""
        path = self.folder / self.file
        path.write_bytes(given)
        return path


_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Config(_Text):
    """`vetbridge config check`: every problem is told with its place, and no secret with it."""

    name = "config"
    file = "clinic.yaml"
    planted = (KEY, "a-secret-that-was-pasted")

    def samples(self) -> tuple[list[Any], list[bytes]]:
        """A clinic's config, one with a secret in it, and the sample that comes along."""
        desk = Desk(self.folder, FakeClock())
        desk.write_config()
        sound = desk.config()
        pasted = desk.config()
        pasted["ledger"]["key"] = "a-secret-that-was-pasted"
        pasted["accounts"]["altegio-city"]["hook_secret"] = "a-secret-that-was-pasted"
        lines = (ROOT / "config.example.yaml").read_bytes().splitlines(keepends=True)
        sample = b"".join(line for line in lines if not line.lstrip().startswith(b"#"))
        return [sound, pasted], [desk.config_path.read_bytes(), sample]

    def hand_in(self, given: bytes) -> tuple[bool, str]:
        """Loads it."""
        loaded = load_config(self.path(given))
        return True, " ".join(map(str, [*loaded.warnings, *loaded.check_secrets()]))


class Table(_Text):
    """A site's own mapping table."""

    name = "mapping"
    planted = ()  # it holds no secret and no person: what is wrong in it is shown
    file = "own.yaml"

    def samples(self) -> tuple[list[Any], list[bytes]]:
        """The tables that come along, and one that extends another."""
        texts = [path.read_bytes() for path in sorted((ROOT / "mappings").glob("*.yaml"))]
        texts.append(b"mapping: mine\nkinds:\n  client: &a {city: {path: custom.city, codec: text}}\n  pet: *a\n")
        own = {"mapping": 1, "extends": "altegio", "kinds": {"client": {"city": {"path": "custom.city"}}}}
        return [*map(yaml.safe_load, texts), own], texts

    def hand_in(self, given: bytes) -> tuple[bool, str]:
        """Loads it, and puts a mapper on it."""
        Mapper(load_table(self.path(given)), zone="Europe/London", country="GB", codes={})
        assert not any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(given)), "an alias was taken"
        return True, ""


class Weights(_Text):
    """Weights of the matcher in TOML, as `match train` writes them."""

    name = "weights"
    file = "weights.toml"

    def samples(self) -> tuple[list[Any], list[bytes]]:
        """Those that come along."""
        return [], [(ROOT / "vetbridge" / "core" / "matching" / "weights.toml").read_bytes()]

    def hand_in(self, given: bytes) -> tuple[bool, str]:
        """Reads them."""
        read_weights_file(self.path(given))
        return True, ""
