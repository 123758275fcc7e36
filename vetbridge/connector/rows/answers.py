"""Records out of a vendor's answers: of a page, of a read by id, and of a write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from vetbridge.connector.interface import Found, Native, Operation, Receipt, Write
from vetbridge.connector.rows.reading import BadRow
from vetbridge.core.errors import BadAnswer, OutcomeUnknown

SEVERAL = 5
"""Records of one page: where none of so many can be read, the vendor shows another form, and the list is an error."""


class Reader(Protocol):
    """Reads records of one kind."""

    def id(self, item: Any, /) -> str | None:
        """The record's id; None where it has none that can be one."""
        ...

    def native(self, item: Any, /) -> Native:
        """The flat record. Raises ``BadRow`` or ``ValueError``."""
        ...


def found(items: Iterable[Any], reader: Reader, what: str) -> tuple[Found, ...]:
    """Records of a page, which ``what`` asked for; of one that cannot be read, the id alone. Raises ``BadAnswer``
    where none of several can."""
    told, wrong = [], ""
    for item in items:
        id_ = reader.id(item) or ""
        try:
            told.append(Found(id=id_, native=reader.native(item)))
        except (BadRow, ValueError) as error:
            wrong = str(error)
            told.append(Found(id=id_))
    if len(told) >= SEVERAL and not any(each.native for each in told):
        raise BadAnswer(f"{what}: no record can be read: {wrong}")
    return tuple(told)


def readable(item: Any, reader: Reader, what: str) -> Native:
    """The flat record that ``what`` asked for. Raises ``BadAnswer`` naming what it lacks, or what cannot be read."""
    try:
        return reader.native(item)
    except (BadRow, ValueError) as wrong:
        raise BadAnswer(f"{what}: the record cannot be read: {wrong}") from None


def receipt(write: Write, item: Any, told: str | None, reader: Reader, account: str) -> Receipt:
    """The receipt of a write, of which the answer holds ``item`` and the id ``told``. The write is done, so nothing
    here may make it look undone.

    A create's answer without an id raises ``OutcomeUnknown``: the record is found by looking.
    """
    if write.operation is Operation.CREATE and told is None:
        what = f"{account}: {write.operation} {write.kind}"
        raise OutcomeUnknown(f"{what}: taken, and answered without the new record's id")
    try:
        native = reader.native(item)
    except (BadRow, ValueError):
        return Receipt(id=write.id or told or "")  # a short answer is no record: None says "read it"
    id_ = write.id or told or ""
    return Receipt(id=id_, native=native if native.get("id") == id_ else None)
