"""Where ezyVet keeps what, and what has a budget of its own (ezyvet.md, section 1)."""

from __future__ import annotations

PATHS = {
    "contact": "/v1/contact",
    "contactdetail": "/v1/contactdetail",
    "contactdetailtype": "/v1/contactdetailtype",
    "address": "/v1/address",
    # v1 of animal can no longer be read since 13 October 2026 (ezyvet.md, section 1).
    "animal": "/v2/animal",
    "animalcolour": "/v1/animalcolour",
    "sex": "/v1/sex",
    "species": "/v1/species",
    "breed": "/v1/breed",
    "appointment": "/v2/appointment",
    "appointmenttype": "/v1/appointmenttype",
    "appointmentstatus": "/v1/appointmentstatus",
    "resource": "/v1/resource",
    "separation": "/v1/separation",
    "systemsetting": "/v1/systemsetting",
    "attachment": "/v1/attachment",
    "consult": "/v1/consult",
    "vaccination": "/v1/vaccination",
    "wellnessplanmembership": "/v1/wellnessplanmembership",
    "therapeutic": "/v1/therapeutic",
}
"""Where each resource is read."""

LISTS = {
    "appointment_type": "appointmenttype",
    "resource": "resource",
    "species": "species",
    "breed": "breed",
    "sex": "sex",
    "status": "appointmentstatus",
}
"""Which resource holds which code list (ezyvet.md, sections 6 and 7)."""

DOWNLOAD_PATH = "/v1/attachment/download"
"""Where the content of an attachment is, by the attachment's id (ezyvet.md, section 7)."""

BESIDE = frozenset({"attachment", "consult", "vaccination", "wellnessplanmembership", "therapeutic"})
"""What serves files and due services: where a site gives none of it, bookings go on."""

BOOKING = "booking"
"""ezyCAB's endpoint of bookings, as it is called among the budgets."""

BOOKING_PATH = "/ezycab/booking"
"""Where ezyCAB takes a booking (ezyvet.md, sections 6 and 7)."""

BOOKING_SCOPE = "create-booking"
"""The right to book through ezyCAB (ezyvet.md, section 2)."""

ENDPOINTS = (*PATHS, BOOKING, "oauth")
"""What has a budget of its own: a resource, whatever its version and method; how ezyVet counts is not documented."""

DATABASE = "database"
"""The budget of everything together."""
