"""Who owns which field by default."""

from __future__ import annotations

from vetbridge.core import policy
from vetbridge.core.planning import FieldOwner
from vetbridge.core.records import Kind, Side


def test_owners_turn_with_the_direction() -> None:
    assert policy.owners(Kind.APPOINTMENT, Side.BOOKING)["notes"] is FieldOwner.HERE
    assert policy.owners(Kind.APPOINTMENT, Side.PIMS)["notes"] is FieldOwner.THERE
    assert "start" not in policy.owners(Kind.APPOINTMENT, Side.BOOKING)
    assert policy.owners(Kind.PET, Side.BOOKING)["species"] is FieldOwner.THERE
    assert "phones" not in policy.owners(Kind.CLIENT, Side.BOOKING)
    assert policy.owners(Kind.REMINDER, Side.PIMS) == {}


def test_a_booking_never_overwrites_contact_data_or_signalment_in_the_pims() -> None:
    fields = frozenset({"phones", "given_name"})
    assert policy.writable(Kind.CLIENT, Side.BOOKING, fields) == frozenset()
    assert policy.writable(Kind.CLIENT, Side.PIMS, fields) == fields
    assert policy.writable(Kind.PET, Side.BOOKING, frozenset({"species"})) == frozenset()
    slot = frozenset({"start", "resource"})
    assert policy.writable(Kind.APPOINTMENT, Side.BOOKING, slot) == slot
