"""A stand-in for ezyVet's REST API, written from the vendor sheet (ezyvet.md), never compared with a live site.

Served, with the sheet's section in brackets; a trailing or doubled slash does no harm:

- ``POST /v1/oauth/access_token``, ``/v2/oauth/access_token``, ``/oauth/token`` (2): JSON or form; tokens live twelve
  hours of the simulator's clock.
- ``resources``: every list and single read of section 6 in the classic envelope, v1, v2 and, of animals, v2.1. v1 of
  animal ends with its sunset on 13 October 2026. Where the sheet names no fields of a resource, its list is empty or
  has names alone, and takes any filter.
- ``writing``: contact, animal and appointment, in the versions that section 6 names.
- ``json_api``: ``/v4`` of contact, animal, species, breed and user, and ``/v3/siteInformation``.
- ``ezycab``: availability, booking, appointments. ``documents``: attachments.
- Webhooks ``appointment_created`` and ``appointment_updated`` (8), and by the same pattern those of contact and
  animal, which nobody is known to have seen (switch ``hooked``). They tell of every change, whoever made it, to the
  addresses set by ``POST /_sim/webhooks`` with ``{"urls": [...]}``: how one subscribes at the vendor is unknown, so
  that door is the simulator's own, and ``/v1/webhooks`` is an empty list. They are not retried.

Through the control door staff do what the API is not known to do; webhooks tell of it, but of a purge nothing does:

- ``POST /_sim/edit`` with ``{"kind": "appointment", "id": 1, "set": {"active": true}}``: a row's fields as given.
  So a cancelled visit stands again, a contact goes inactive, and a contactdetail gets another ``value``.
- ``POST /_sim/merge_contacts`` with ``{"from": 1001, "into": 1002}``: the first goes inactive, its animals and visits
  go over to the second. Its contact details stay with it: of merges no more is known than that no pointer shows (10).
- ``POST /_sim/purge`` with ``{"kind": "appointment", "id": 1}``, also of a contact or an animal.
- ``POST /_sim/vaccinate``, ``/enrol``, ``/treat`` and ``/attach``: see ``clinical``; the methods of the same names of
  ``EzyVetSimulator`` do the same. The fields of a therapeutic are made up, as the sheet knows none.
- ``POST /_sim/switches`` with ``{"partner_id": "optional"}``: sets switches while the simulator runs, but not those
  of a new store.

What the sheet calls a conflict or unknown is a keyword of ``build``, see ``switches.Switches``. Left alone, they take
the stricter reading, so that a client which pleases the simulator does not rely on luck: a body field that the
sheet's tables do not name is refused (422), also ``active``; a cancellation needs its reason; a visit without owner
or animal is refused, though their belonging together is not checked; an unknown filter is an error. Further choices:
``like`` is SQL's, with ``%`` for anything, and sees case; lists go by ascending id; text has no length limit;
``date_of_birth`` is midnight UTC; creations answer 200, bookings 201; overlapping visits are taken.

Appointments cause no message to an owner, so ``notices`` stays 0.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from connectors.ezyvet.simulator.requests import MERGE_PATCH
from connectors.ezyvet.simulator.seed import (
    BLOCK_TYPE,
    CODE_LISTS,
    DETAIL_TYPES,
    FIRST_ANIMAL,
    FIRST_APPOINTMENT,
    FIRST_CONTACT,
    PLACEHOLDER_ANIMAL,
    PLACEHOLDER_CONTACT,
    REFERRING_CLINIC,
    REFERRING_VET,
    SEPARATION,
)
from connectors.ezyvet.simulator.server import FRESH_USES, TOKEN_SECONDS, EzyVetSimulator
from connectors.ezyvet.simulator.switches import V1_ANIMAL_SUNSET, Switches, changed
from vetbridge.testing.simkit import SimulatorOptions

__all__ = [
    "BLOCK_TYPE",
    "CODE_LISTS",
    "DETAIL_TYPES",
    "FIRST_ANIMAL",
    "FIRST_APPOINTMENT",
    "FIRST_CONTACT",
    "FRESH_USES",
    "MERGE_PATCH",
    "PLACEHOLDER_ANIMAL",
    "PLACEHOLDER_CONTACT",
    "REFERRING_CLINIC",
    "REFERRING_VET",
    "SEPARATION",
    "TOKEN_SECONDS",
    "V1_ANIMAL_SUNSET",
    "EzyVetSimulator",
    "Switches",
    "build",
]


def build(**options: Any) -> EzyVetSimulator:
    """The simulator, not yet serving: with the options of every simulator and the fields of ``Switches``.

    Raises ``TypeError`` for an option that is neither, ``ValueError`` for a switch that cannot stand so.
    """
    names = {field.name for field in fields(Switches)}
    unknown = options.keys() - names - SimulatorOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"the simulator of ezyVet takes no option {', '.join(sorted(unknown))}")
    switches = changed(Switches(), {name: options.pop(name) for name in names & options.keys()})
    return EzyVetSimulator(switches, **options)
