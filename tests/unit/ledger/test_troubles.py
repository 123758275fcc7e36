"""A ledger that takes no transaction now says so in one way, and works again, without a restart, once it can."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from tests.ledgers import ledger_place, rows
from vetbridge.core.errors import LedgerError
from vetbridge.ledger.database import LEDGER_BUSY, open_ledger
from vetbridge.ledger.tables import Meta
from vetbridge.testing.clock import FakeClock

KEY = "a ledger key for tests, long enough to be taken"

FILLED = """
import resource, sys
from pathlib import Path
from vetbridge.core.errors import LedgerError
from vetbridge.ledger.database import open_ledger
from vetbridge.ledger.tables import Meta
from vetbridge.testing.clock import FakeClock

path = Path(sys.argv[1])
ledger = open_ledger(path, sys.argv[2], FakeClock())

def put(key, size):
    with ledger.write() as tx:
        tx.session.add(Meta(key=key, value="x" * size))

put("before", 10)
least = max(each.stat().st_size for each in path.parent.iterdir())
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (least + 20_000, hard))
for _ in range(3):
    try:
        put("full", 1_000_000)
    except LedgerError as error:
        print(error.code)
with ledger.read() as tx:
    print(tx.session.get(Meta, "before") is not None, tx.session.get(Meta, "full"))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
put("after", 1_000_000)
with ledger.read() as tx:
    print(len(tx.session.get_one(Meta, "after").value))
"""


@pytest.mark.skipif(os.name != "posix", reason="the size of files is limited for one process on POSIX only")
def test_a_full_file_system_passes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILLED, str(tmp_path / "vetbridge.db"), KEY],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.split() == [LEDGER_BUSY] * 3 + ["True", "None", "1000000"]


def test_a_full_file_passes(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "vetbridge.db", KEY, FakeClock())
    with ledger._writer.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(LedgerError, match="full") as caught, ledger.write() as tx:
        tx.session.add(Meta(key="big", value="x" * 100_000))
    assert caught.value.code == LEDGER_BUSY
    with ledger._writer.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    with ledger.write() as tx:
        tx.session.add(Meta(key="big", value="x" * 100_000))
    ledger.close()


def test_an_error_tells_no_value_of_its_statement(tmp_path: Path) -> None:
    ledger = open_ledger(ledger_place(tmp_path), KEY, FakeClock())
    with pytest.raises(Exception, match=r"(?i)unique") as caught, ledger.write() as tx:
        tx.session.add(Meta(key="key_check", value="Zebulonia Quimbleton"))
    assert "Quimbleton" not in "".join(traceback.format_exception(caught.value))
    ledger.close()


def test_two_that_open_a_new_ledger_at_once_have_the_same(tmp_path: Path) -> None:
    place = ledger_place(tmp_path)
    opener = (
        "import sys; from tests.ledgers import ledger_place; from pathlib import Path\n"
        "from vetbridge.ledger.database import open_ledger; from vetbridge.testing.clock import FakeClock\n"
        "open_ledger(ledger_place(Path(sys.argv[1])), sys.argv[2], FakeClock()).close()"
    )
    command = [sys.executable, "-c", opener, str(tmp_path), KEY]
    children = [
        subprocess.Popen(command, cwd=Path(__file__).parents[3], stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [(child.communicate()[1], child.returncode) for child in children] == [("", 0)] * 3
    assert rows(place, "SELECT count(*) FROM meta") == [(1,)]
