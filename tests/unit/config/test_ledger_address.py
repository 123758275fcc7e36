"""The address of a ledger's database: what is taken, what is shown of it, and what the config says about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from vetbridge.config.address import Address
from vetbridge.config.models import Ledger
from vetbridge.core.errors import ConfigError

PASSWORD = "hunter2hunter2"
KEY = {"file": "ledger.key"}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (f"postgresql://vet:{PASSWORD}@db.example.org/ledger", "postgresql://db.example.org/ledger"),
        (f"postgres://vet:{PASSWORD}@db.example.org:6432/ledger", "postgresql://db.example.org:6432/ledger"),
        (f"postgresql://vet:{PASSWORD}@[2001:db8::1]:5432/ledger", "postgresql://[2001:db8::1]:5432/ledger"),
        (f"postgresql://vet:{PASSWORD}@one:5432,two:5433/ledger", "postgresql://one:5432,two:5433/ledger"),
        (f"postgresql://vet:{PASSWORD}@/ledger?host=/var/run/postgresql", "postgresql:///var/run/postgresql/ledger"),
        (f"postgresql://vet:{PASSWORD}@%2Fvar%2Frun/ledger", "postgresql:///var/run/ledger"),
        (f"postgresql://db.example.org/ledger?user=vet&password={PASSWORD}", "postgresql://db.example.org/ledger"),
        ("postgresql://", "postgresql:///"),
        (f"  postgresql://vet:{PASSWORD}@db/ledger\n", "postgresql://db/ledger"),
    ],
)
def test_host_and_database_are_shown_and_nothing_else(address: str, shown: str) -> None:
    made = Address(address)
    assert str(made) == shown
    assert made.reveal() == address.strip()
    assert PASSWORD not in repr(made)
    assert made == Address(address)


@pytest.mark.parametrize(
    "address",
    [
        f"mysql://vet:{PASSWORD}@db/ledger",
        f"postgresql+psycopg://vet:{PASSWORD}@db/ledger",
        f"host=db password={PASSWORD}",
        PASSWORD,
        "",
        f"postgresql://vet:{PASSWORD}/rest@db/ledger",
        f"postgresql://vet:{PASSWORD}?rest@db/ledger",
        f"postgresql://vet:{PASSWORD}#rest@db/ledger",
        f"postgresql://vet:{PASSWORD}[rest@db/ledger",
        f"postgresql://vet:{PASSWORD} rest@db/ledger",
        f"postgresql://vet:{PASSWORD}@db/led\x1bger",
        f"postgresql://vet:{PASSWORD}/@db/ledger",
        f"postgresql://db/ledger#{PASSWORD}",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(address: str) -> None:
    with pytest.raises(ConfigError, match="postgresql://USER:PASSWORD@HOST/DATABASE") as caught:
        Address(address)
    assert PASSWORD not in str(caught.value)


def settings(folder: Path, **more: Any) -> Ledger:
    return Ledger.model_validate({"key": KEY, **more}, context={"folder": folder, "env": {"ADDRESS": ADDRESS}})


ADDRESS = f"postgresql://vet:{PASSWORD}@db/ledger"


def test_the_ledger_is_in_one_place(tmp_path: Path) -> None:
    assert settings(tmp_path).place == tmp_path / "vetbridge.db"
    assert settings(tmp_path, path="other.db").place == tmp_path / "other.db"
    in_database = settings(tmp_path, database={"env": "ADDRESS"})
    assert in_database.place == Address(ADDRESS)
    assert PASSWORD not in repr(in_database)
    with pytest.raises(ValidationError, match="both path and database"):
        settings(tmp_path, path="other.db", database={"env": "ADDRESS"})


def test_an_address_is_a_secret(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="never stands in the config") as caught:
        settings(tmp_path, database=ADDRESS)
    assert PASSWORD not in caught.value.errors(include_input=False)[0]["msg"]
    with pytest.raises(ConfigError, match="NOWHERE is not set"):
        _ = settings(tmp_path, database={"env": "NOWHERE"}).place
