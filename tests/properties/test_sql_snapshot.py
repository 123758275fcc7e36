"""However readings of a table go on beside each other, each reader knows in the end what stands there."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from connectors.sql.snapshot import Mark, Snapshot, Walk

KEYS = "abcdef"
READERS = 3


class Reader:
    """Reads a table page by page, one key each, and keeps what it is told."""

    def __init__(self, snapshot: Snapshot, table: dict[str, str]) -> None:
        self._snapshot = snapshot
        self._table = table
        self._cursor: str | None = None
        self._steps: Iterator[None] | None = None
        self.known: dict[str, str] = {}

    def step(self) -> None:
        """Goes on with the reading that is under way, or begins one."""
        if self._steps is None:
            self._steps = self._read()
        if next(self._steps, "end") == "end":
            self._steps = None

    def finish(self) -> None:
        """Ends the reading that is under way."""
        while self._steps is not None:
            self.step()

    def break_off(self) -> None:
        """The reading ends without its cursor."""
        self._steps = None

    def _read(self) -> Iterator[None]:
        if self._cursor is None:
            self.known.clear()  # whoever reads everything starts from nothing
        walk = self._snapshot.begin(self._cursor, Mark())
        yield
        for key in KEYS:
            value = self._table.get(key)
            if value is not None:
                told = self._snapshot.saw(walk, {key: value})
                self.known |= dict.fromkeys(told, value)
            yield
        self._forget(walk)
        self._cursor = self._snapshot.cursor(walk)

    def _forget(self, walk: Walk) -> None:
        """What was not listed is looked up: it may have come meanwhile."""
        missing = self._snapshot.missing(walk)
        still = {key: self._table[key] for key in missing if key in self._table}
        gone = missing - still.keys()
        before = self._snapshot.told_gone(walk)
        self.known |= {key: still[key] for key in self._snapshot.saw(walk, still)}
        self._snapshot.drop(walk, still, gone=False)
        self._snapshot.drop(walk, gone, gone=True)
        for key in {*before, *gone}:
            self.known.pop(key, None)


EDIT = st.tuples(st.sampled_from(KEYS), st.sampled_from(["x", "y", None]))
DO = st.one_of(st.integers(0, READERS - 1), EDIT, st.tuples(st.just("break"), st.integers(0, READERS - 1)))


@given(st.lists(DO, max_size=80))
def test_every_reader_knows_the_table_in_the_end(history: list[int | tuple[str, str | int | None]]) -> None:
    table = {"a": "x"}
    snapshot = Snapshot()
    readers = [Reader(snapshot, table) for _ in range(READERS)]
    for do in history:
        match do:
            case int(number):
                readers[number].step()
            case ("break", int(number)):
                readers[number].break_off()
            case (str(key), None):
                table.pop(key, None)
            case (str(key), str(value)):
                table[key] = value
    for reader in readers * 2:
        reader.finish()
        reader.step()
        reader.finish()
    for reader in readers:
        assert reader.known == table


def test_what_was_told_is_not_told_again() -> None:
    snapshot = Snapshot()
    table = dict.fromkeys(KEYS, "x")
    first = snapshot.begin(None, Mark())
    assert snapshot.saw(first, table) == set(KEYS)
    second = snapshot.begin(snapshot.cursor(first), Mark())
    assert snapshot.saw(second, table) == set()
    assert Snapshot().begin(snapshot.cursor(second), Mark()).since is None, "a cursor of another process"


def test_a_row_that_comes_back_as_it_was_is_told() -> None:
    snapshot = Snapshot()
    first = snapshot.begin(None, Mark())
    snapshot.saw(first, {"a": "x"})
    second = snapshot.begin(snapshot.cursor(first), Mark())
    assert snapshot.missing(second) == {"a"}
    snapshot.drop(second, {"a"}, gone=True)
    third = snapshot.begin(snapshot.cursor(second), Mark())
    assert (snapshot.known, snapshot.told_gone(third)) == (0, [])
    assert snapshot.saw(third, {"a": "x"}) == {"a"}
    assert snapshot.known == 1
