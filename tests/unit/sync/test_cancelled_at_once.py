"""Staff cancel a visit before VetBridge has read back what it wrote: that is news like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rig import Rig, _with_placeholder
from vetbridge.connector.interface import Operation, Receipt, Write
from vetbridge.core.records import Kind
from vetbridge.testing.memory import MemorySide, memory_capabilities

JOHN = ("John", "Smith", "+447912000001", "Bella")


class Quick(MemorySide):
    """A side that answers a create with the id alone, and whose staff cancel what was made before it is read."""

    def apply(self, write: Write) -> Receipt:
        receipt = super().apply(write)
        if (write.kind, write.operation) != (Kind.APPOINTMENT, Operation.CREATE):
            return receipt
        self.edit(Kind.APPOINTMENT, receipt.id, {"state": "cancelled"})
        return Receipt(id=receipt.id)


@pytest.mark.parametrize("booker", [JOHN, ("John", "Nobody", JOHN[2], "Rex")], ids=["known", "on-the-placeholder"])
def test_a_visit_that_is_cancelled_before_it_is_read_back_is_cancelled_at_the_booking_side(
    tmp_path: Path, booker: tuple[str, str, str, str]
) -> None:
    rig = Rig(tmp_path, pims=Quick(_with_placeholder(memory_capabilities())))
    rig.owner(*JOHN)
    rig.book(*booker)
    for _ in range(2):
        rig.run()
    assert [row["state"] for row in rig.visits()] == ["cancelled"]
    assert [row["state"] for row in rig.booking.rows(Kind.APPOINTMENT)] == ["cancelled"]
    assert rig.questions() == ()
