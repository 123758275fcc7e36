"""Who owns which field, and what a flow may write: the defaults, as data (architecture, section 7).

The planner knows no kinds and no sides; this module tells it what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from types import MappingProxyType

from vetbridge.core.planning import FieldOwner
from vetbridge.core.records import Kind, Side

OWNERS: Mapping[Kind, Mapping[str, Side]] = MappingProxyType(
    {
        # What a client typed about itself has no owner: where both sides changed it, a person decides.
        Kind.CLIENT: MappingProxyType({"active": Side.PIMS}),
        Kind.PET: MappingProxyType(
            {
                "client_id": Side.PIMS,
                "name": Side.PIMS,
                "species": Side.PIMS,
                "breed": Side.PIMS,
                "sex": Side.PIMS,
                "birth_date": Side.PIMS,
                "deceased": Side.PIMS,
                "active": Side.PIMS,
            }
        ),
        Kind.APPOINTMENT: MappingProxyType(
            {
                # Nobody owns the slot: an owner who moved a visit online and a desk that moved it on the telephone
                # both gave somebody a time. Where both did, a person decides; a site's config may name an owner.
                # The text inside VetBridge's block. Staff's text around it is never compared or written.
                "notes": Side.BOOKING,
                # Whether the visit is confirmed, begun or over is seen at the practice, and so is whose visit it is.
                # That one side cancelled is no conflict of values: the planner has its own rules for it.
                "status": Side.PIMS,
                "client_id": Side.PIMS,
                "pet_id": Side.PIMS,
            }
        ),
    }
)
"""The side whose value wins where both sides changed a field differently; a person decides on what is not named."""

KEPT_BY_PIMS: Mapping[Kind, frozenset[str]] = MappingProxyType(
    {
        Kind.CLIENT: frozenset({"given_name", "family_name", "phones", "emails", "active", "opted_out"}),
        Kind.PET: frozenset(OWNERS[Kind.PET]),
    }
)
"""Fields that a change on the booking side never overwrites in the PIMS: they are proposed to a person instead."""


def owners(kind: Kind, here: Side) -> dict[str, FieldOwner]:
    """The planner's field owners for a flow that starts at side ``here``."""
    return {
        name: FieldOwner.HERE if side is here else FieldOwner.THERE for name, side in OWNERS.get(kind, {}).items()
    }


def writable(kind: Kind, here: Side, updatable: frozenset[str]) -> frozenset[str]:
    """What a flow from ``here`` may update: what the other side can take (its capabilities), less what is kept."""
    return updatable - KEPT_BY_PIMS.get(kind, frozenset()) if here is Side.BOOKING else updatable


def must_opt_out(now: bool | None, others: Set[int], known: Set[int], by_people: Set[int]) -> bool:
    """Whether a client at a booking side is to be opted out of messages: another one of the same person is.

    ``others``: those that are opted out now; ``by_people``: those of them that people have opted out, and not
    VetBridge. ``known``: those that were so already when this one was last looked at; where it is not opted out all
    the same, people have said so since, and what VetBridge does elsewhere is no new wish.
    """
    new = others - known
    return not now and bool(new & by_people if others & known else new)
