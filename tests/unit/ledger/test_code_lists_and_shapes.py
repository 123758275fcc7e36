"""What the ledger keeps of vendors' code lists and of the shape of their records."""

from __future__ import annotations

from vetbridge.core.records import Kind
from vetbridge.ledger import codelists, shapes
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.shapes import Known


def test_a_list_is_kept_in_place_of_the_one_before_and_forgotten_by_account(ledger: Ledger) -> None:
    for titles in ({"1": "Check-up", "2": "Zahnreinigung für Äffchen"}, {"2": "Zahnreinigung für Äffchen"}):
        with ledger.write() as tx:
            codelists.keep(tx, "pims", "appointment_type", titles)
            codelists.keep(tx, "booking", "resource", {"501": "Dr Ash"})
    with ledger.read() as tx:
        assert codelists.kept(tx, "pims") == {"appointment_type": {"2": "Zahnreinigung für Äffchen"}}
    with ledger.write() as tx:
        codelists.forget(tx, "pims")
        assert codelists.kept(tx, "pims") == {}
        codelists.keep(tx, "pims", "resource", {})
    with ledger.read() as tx:
        assert codelists.kept(tx, "pims") == {"resource": {}}
        assert codelists.kept(tx, "booking") == {"resource": {"501": "Dr Ash"}}


def test_a_shape_is_kept_by_kind_and_losses_are_told_by_account(ledger: Ledger) -> None:
    known = Known(filled=frozenset({"start", "notes"}), sparse=frozenset({"ref"}), lost=frozenset({"notes"}))
    with ledger.write() as tx:
        assert shapes.known(tx, "pims", Kind.APPOINTMENT) == Known()
        shapes.keep(tx, "pims", Kind.APPOINTMENT, Known())
        shapes.keep(tx, "pims", Kind.APPOINTMENT, known)
        shapes.keep(tx, "pims", Kind.PET, Known(filled=frozenset({"name"})))
    with ledger.read() as tx:
        assert shapes.known(tx, "pims", Kind.APPOINTMENT) == known
        assert shapes.losses(tx, "pims") == {"appointment": {"notes"}}
        assert shapes.losses(tx, "booking") == {}
    with ledger.write() as tx:
        shapes.forget(tx, "pims")
    with ledger.read() as tx:
        assert shapes.known(tx, "pims", Kind.PET) == Known()
