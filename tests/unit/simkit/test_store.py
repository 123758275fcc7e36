"""The simulators' store: what is written is read, found, rolled back, and there again after a restart."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from vetbridge.testing.simkit import STORE_FILE, Store, open_store


def test_rows_are_found_by_every_field_and_follow_changes() -> None:
    store = Store()
    first = store.insert("client", {"phone": "+1", "tags": ["a"]})
    second = store.insert("client", {"phone": "+2", "tags": []}, id=40)
    assert (first, second) == (1, 40)
    assert store.insert("client", {"phone": "+1", "tags": ["a"]}) == 41
    assert [row["id"] for row in store.find("client", phone="+1")] == [1, 41]
    assert [row["id"] for row in store.find("client", phone="+1", tags=["a"])] == [1, 41]
    store.put("client", 1, {"phone": "+2", "tags": []})
    assert [row["id"] for row in store.find("client", phone="+2")] == [1, 40]
    store.delete("client", 40)
    assert [row["id"] for row in store.find("client", phone="+2")] == [1]
    assert [row["id"] for row in store.all("client")] == [1, 41]
    assert store.get("client", 40) is None


def test_a_row_that_was_fetched_is_a_copy() -> None:
    store = Store()
    store.insert("client", {"tags": ["a"]})
    fetched = store.get("client", 1)
    assert fetched is not None
    fetched["tags"].append("b")
    assert store.get("client", 1) == {"id": 1, "tags": ["a"]}


def test_ids_are_never_given_twice(tmp_path: Path) -> None:
    store = Store(tmp_path / STORE_FILE)
    store.number_from("record", 500)
    assert store.insert("record", {}) == 500
    store.delete("record", 500)
    assert store.insert("record", {}) == 501
    store.delete("record", 501)
    store.close()
    assert Store(tmp_path / STORE_FILE).insert("record", {}) == 502


def test_taken_unknown_and_impossible_ids_are_refused() -> None:
    store = Store()
    store.insert("record", {}, id=7)
    with pytest.raises(ValueError, match="record 7 exists"):
        store.insert("record", {}, id=7)
    with pytest.raises(KeyError, match="record 8"):
        store.put("record", 8, {})
    with pytest.raises(KeyError):
        store.delete("record", 8)
    with pytest.raises(ValueError, match="cannot be an id"):
        store.insert("record", {}, id=0)


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / STORE_FILE)
    store.insert("record", {"n": 1})

    def fail() -> None:
        with store.transaction():
            store.insert("record", {"n": 2})
            store.put("record", 1, {"n": 3})
            store.set_meta("name", "x")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        fail()
    assert store.all("record") == [{"id": 1, "n": 1}]
    assert store.get_meta("name") is None
    assert open_store(tmp_path).all("record") == [{"id": 1, "n": 1}]


def test_the_read_only_opener_sees_a_running_store_and_cannot_write(tmp_path: Path) -> None:
    store = Store(tmp_path / STORE_FILE)
    store.insert("record", {"name": "Zoë \ud800 \x1b[31m"})
    seen = open_store(tmp_path)
    assert seen.all("record") == store.all("record")
    with pytest.raises(sqlite3.OperationalError):
        seen.insert("record", {})
    with pytest.raises(FileNotFoundError):
        open_store(tmp_path / "nothing")


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / STORE_FILE).write_bytes(b"not a database" * 100)
    with pytest.raises(ValueError, match=r"store\.sqlite3 cannot be used"):
        Store(tmp_path / STORE_FILE)


def test_a_killed_process_loses_nothing_that_it_wrote(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from vetbridge.testing.simkit import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for n in range(50): store.insert('record', {'n': n})\n"
        "os._exit(9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path / STORE_FILE)], check=False, timeout=60)
    assert ended.returncode == 9
    assert [row["n"] for row in open_store(tmp_path).all("record")] == list(range(50))
