"""What the site's resources are called, which fields they hold, and how each version shows a row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from vetbridge.testing.simkit import Row

Version = Literal["v1", "v2", "v2.1"]
"""A version that speaks in the classic envelope (ezyvet.md, section 3); v3, v4 and ezyCAB stand in ``json_api``."""


class FieldType(StrEnum):
    """What a field holds."""

    WHOLE = "whole"
    FLAG = "flag"
    TEXT = "text"
    LIST = "list"


EMPTY: Mapping[FieldType, Any] = {
    FieldType.WHOLE: None,
    FieldType.FLAG: False,
    FieldType.TEXT: "",
    FieldType.LIST: [],
}
"""What a field without a value holds."""


def fields_of(text: str) -> dict[str, FieldType]:
    """Fields written as ``name:type``, behind those that every resource has."""
    words = f"id:whole active:flag created_at:whole modified_at:whole {text}".split()
    return {name: FieldType(kind) for name, kind in (word.split(":") for word in words)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource: its name is the path, the wrapper key, the scope's second half and the store's kind."""

    name: str
    fields: Mapping[str, FieldType]
    versions: tuple[Version, ...] = ("v1",)
    v2_fields: Mapping[str, FieldType] | None = None
    """Fields that v1 does not show."""
    written: frozenset[str] = frozenset()
    """Fields that a body may carry."""
    known: bool = True
    """Whether the sheet names its fields. Where it does not, a filter by any name is taken."""
    scoped: bool = True
    """Whether a scope for it was seen; without one any token reads it."""
    spellings: tuple[str, ...] = ()
    """Further paths that it answers under."""

    def shown(self, version: Version) -> Mapping[str, FieldType]:
        """The fields of one version."""
        return self.fields if version == "v1" else {**self.fields, **(self.v2_fields or {})}


_UID = {"uid": FieldType.TEXT}

_CONTACT_FIELDS = fields_of(
    "code:text first_name:text last_name:text business_name:text is_business:flag is_customer:flag is_supplier:flag "
    "is_vet:flag is_syndicate:flag is_staff_member:flag stop_credit:text contact_detail_list:list "
    "address_physical:whole address_postal:whole ownership_id:whole"
)
_ANIMAL_FIELDS = fields_of(
    "code:text guid:text name:text contact_id:whole residence_contact_id:whole species_id:whole breed_id:whole "
    "sex_id:whole animalcolour_id:whole date_of_birth:whole is_estimated_date_of_birth:flag date_of_death:whole "
    "death_reason:text is_dead:flag date_of_desex:whole is_hostile:flag microchip_number:text rabies_number:text "
    "date_of_rabies_vaccination:whole weight:text weight_unit:text referring_clinic_id:whole "
    "referring_vet_id:whole resuscitate:text notes:text notes_important:text"
)
_APPOINTMENT_FIELDS = fields_of(
    "start_at:whole duration:whole type_id:whole status_id:whole description:text animal_id:whole contact_id:whole "
    "consult_id:whole sales_resource:whole resources:list event_group:whole cancellation_reason:whole "
    "cancellation_reason_text:text"
)
_KEPT_BY_VENDOR = frozenset({"id", "active", "created_at", "modified_at", "code", "guid"})

CONTACT = Resource(
    name="contact",
    fields=_CONTACT_FIELDS,
    versions=("v1", "v2"),
    v2_fields=_UID,
    written=frozenset(_CONTACT_FIELDS) - _KEPT_BY_VENDOR,
)
DETAIL = Resource(
    name="contactdetail",
    fields=fields_of("contact_id:whole contact_detail_type_id:whole name:text value:text"),
    versions=("v1", "v2"),
    v2_fields={"contact_uid": FieldType.TEXT, "value_cleaned": FieldType.TEXT},
)
ANIMAL = Resource(
    name="animal",
    fields=_ANIMAL_FIELDS,
    versions=("v1", "v2", "v2.1"),
    v2_fields=_UID,
    written=frozenset(_ANIMAL_FIELDS) - _KEPT_BY_VENDOR,
)
APPOINTMENT = Resource(
    name="appointment",
    fields=_APPOINTMENT_FIELDS,
    versions=("v1", "v2"),
    v2_fields=_UID,
    written=frozenset(_APPOINTMENT_FIELDS)
    - _KEPT_BY_VENDOR
    - {"consult_id", "event_group", "cancellation_reason", "cancellation_reason_text"},
)
"""Version 1 has a shape of its own, see ``v1_appointment``."""
ADDRESS = Resource(
    name="address",
    fields=fields_of(
        "name:text street_1:text street_2:text suburb:text city:text region:text post_code:text country_id:whole "
        "state:text longitude:text latitude:text for_resource:text"
    ),
)
ATTACHMENT = Resource(
    name="attachment",
    fields=fields_of(
        "file_id:whole file_download_url:text record_type:text record_id:whole mime_type:text name:text "
        "primary_image:flag notes:text"
    ),
)
FILE = Resource(name="file", fields=fields_of("name:text mime_type:text"), known=False, scoped=False)
CONSULT = Resource(name="consult", fields=fields_of("date:whole animal_id:whole description:text vet_id:whole"))
VACCINATION = Resource(
    name="vaccination",
    fields=fields_of(
        "consult_id:whole product_id:whole qty:text date_of_administration:whole "
        "date_of_next_administration:whole vet_id:whole description:text notes:text"
    ),
)
MEMBERSHIP = Resource(
    name="wellnessplanmembership",
    fields=fields_of(
        "wellness_plan:whole animal_id:whole renew_when_expired:flag start_date:whole end_date:whole status:text "
        "billing_interval:text resource_id:whole previous_wellness_plan_membership:whole "
        "next_wellness_plan:whole reference:text ownership_id:whole"
    ),
)
THERAPEUTIC = Resource(
    name="therapeutic",
    fields=fields_of("made_up_consult:whole made_up_product:whole made_up_name:text made_up_due:whole"),
    known=False,
)
"""The sheet knows no field of it: these are made up, so that the connector's options for it can be tried."""
RESOURCES = (
    CONTACT,
    DETAIL,
    ANIMAL,
    APPOINTMENT,
    ADDRESS,
    ATTACHMENT,
    FILE,
    CONSULT,
    Resource(name="contactdetailtype", fields=fields_of("name:text")),
    Resource(name="contactassociation", fields=fields_of(""), known=False),
    Resource(name="country", fields=fields_of("name:text")),
    Resource(name="species", fields=fields_of("name:text icon:text")),
    Resource(name="breed", fields=fields_of("name:text species_id:whole")),
    Resource(name="sex", fields=fields_of("name:text abbreviation:text is_desexed:flag")),
    # One known client spells it the American way (ezyvet.md, section 6).
    Resource(name="animalcolour", fields=fields_of("name:text"), spellings=("animalcolor",)),
    Resource(
        name="appointmenttype",
        fields=fields_of("name:text default_duration:whole"),
        versions=("v1", "v2"),
        v2_fields=_UID,
    ),
    Resource(name="appointmentstatus", fields=fields_of("name:text")),
    Resource(
        name="resource",
        fields=fields_of("name:text type:text access:text ownership_id:whole"),
        versions=("v1", "v2"),
        v2_fields=_UID,
    ),
    Resource(name="user", fields=fields_of("name:text"), known=False),
    Resource(name="separation", fields=fields_of("name:text type:text parent:whole contact_id:whole")),
    VACCINATION,
    Resource(
        name="history",
        fields=fields_of(
            "animal_id:whole consult_id:whole comments:text history_system:text chain:text timestamp:whole "
            "vet_id:whole"
        ),
    ),
    MEMBERSHIP,
    THERAPEUTIC,
    Resource(name="tag", fields=fields_of("name:text associated_id:whole associated_type:text category_id:whole")),
    Resource(name="webhookevents", fields=fields_of("name:text"), known=False),
    Resource(name="product", fields=fields_of(""), versions=("v1", "v2"), known=False),
    Resource(name="communication", fields=fields_of(""), versions=("v1", "v2"), known=False),
    *(
        Resource(name=name, fields=fields_of(""), known=False)
        for name in (
            "diagnostic",
            "diagnosticrequest",
            "diagnosticresult",
            "diagnosticresultitem",
            "healthstatus",
            "prescription",
            "prescriptionitem",
            "wellnessplan",
            "wellnessplanmembershipoption",
            "wellnessplanmembershipstatusperiod",
            "wellnessplanbenefit",
            "wellnessplanbenefititem",
            "webhooks",
            "tagname",
            "tagcategory",
            # Not in section 6, but among the scopes and paths of two clients that the sheet names (CBC, CLI).
            "assessment",
            "batch",
            "billingcredit",
            "integrateddiagnostic",
            "invoiceline",
            "jobqueue",
            "ledgeraccount",
            "operation",
            "payment",
            "paymentallocation",
            "paymentmethod",
            "physicalexam",
            "plan",
            "presentingproblem",
            "presentingproblemlink",
            "priceadjustment",
            "productgroup",
            "productminimumstock",
            "productpricing",
            "productsupplier",
            "purchaseorder",
            "purchaseorderitem",
            "receiveinvoice",
            "receiveinvoiceitem",
            "stockadjustment",
            "stockadjustmentitem",
            "stocktransaction",
            "taxrate",
            "transaction",
        )
    ),
    Resource(name="invoice", fields=fields_of(""), versions=("v1", "v2"), known=False),
    Resource(name="diagnosticrequestitem", fields=fields_of(""), known=False, scoped=False),
    Resource(name="shelteranimalbooking", fields=fields_of(""), versions=("v1", "v2"), known=False),
)
"""All that is read in the classic envelope (ezyvet.md, sections 6 and 7)."""

POINTS_AT: Mapping[str, str] = {
    "contact_id": "contact",
    "residence_contact_id": "contact",
    "species_id": "species",
    "breed_id": "breed",
    "sex_id": "sex",
    "animalcolour_id": "animalcolour",
    "animal_id": "animal",
    "type_id": "appointmenttype",
    "status_id": "appointmentstatus",
    "sales_resource": "resource",
    "ownership_id": "separation",
    "contact_detail_type_id": "contactdetailtype",
    "address_physical": "address",
    "address_postal": "address",
    "referring_clinic_id": "contact",
    "referring_vet_id": "contact",
}
"""Fields that hold the id of another resource's row."""

V1_APPOINTMENT: Mapping[str, str] = {
    "start_time": "start_at",
    "appointment_type_id": "type_id",
    "appointment_status_id": "status_id",
    "animal_id": "animal_id",
    "contact_id": "contact_id",
    "consult_id": "consult_id",
    "description": "description",
    "resource_list": "resources",
}
"""Version 1's names of an appointment's fields, and the store's (ezyvet.md, section 7)."""


def blank(resource: Resource) -> dict[str, Any]:
    """A row without values."""
    return {name: EMPTY[kind] for name, kind in resource.fields.items() if name != "id"}


def named(resource: Resource, number: int, row: Row) -> dict[str, Any]:
    """The row with the names that follow from its id."""
    with_names = dict(row)
    if resource.v2_fields is not None and "uid" in resource.v2_fields:
        with_names["uid"] = uid_of(resource.name, number)
    if "code" in resource.fields:
        with_names["code"] = str(number)
    if "guid" in resource.fields:
        with_names["guid"] = str(UUID(bytes=hashlib.sha256(f"{resource.name}:{number}".encode()).digest()[:16]))
    return with_names


def uid_of(name: str, number: int) -> str:
    """``<resourceName>_<21 url-safe characters>`` (ezyvet.md, section 3); all of them letters and digits."""
    digest = int.from_bytes(hashlib.sha256(f"{name}:{number}".encode()).digest())
    letters = []
    for _ in range(21):
        digest, place = divmod(digest, len(_UID_LETTERS))
        letters.append(_UID_LETTERS[place])
    return f"{_UID_NAMES.get(name, name)}_{''.join(letters)}"


_UID_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_UID_NAMES = {"appointmenttype": "appointmentType"}


def shown(resource: Resource, version: Version, row: Row) -> dict[str, Any]:
    """The row as this version shows it."""
    values = {name: row.get(name) for name in resource.shown(version)}
    return {name: as_v1(value) for name, value in values.items()} if version == "v1" else values


def v1_appointment(row: Row) -> dict[str, Any]:
    """An appointment in version 1: ids in ``details`` are numbers, all else is text (ezyvet.md, 3 and 7).

    So is the status there: a live clinic's program compares it as text, and the owner, the animal and the consult as
    numbers (UA-Whitebord.gs). It also reads ``description`` there.
    """
    outside = ("id", "active", "created_at", "modified_at")
    details = {name: row.get(kept) for name, kept in V1_APPOINTMENT.items() if name != "start_time"}
    details["appointment_status_id"] = as_v1(row.get("status_id"))
    details["resource_list"] = [element["id"] for element in row["resources"]]
    return {
        **{name: as_v1(row[name]) for name in outside},
        "start_time": as_v1(row["start_at"]),
        "details": details,
    }


def as_v1(value: Any) -> Any:
    """v1 speaks text: flags as "1" and "0", numbers in quotes, no value as empty text."""
    if isinstance(value, list):
        return [as_v1(element) for element in value]
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)
