"""A stand-in for a clinic that runs Cornerstone: a service like IDEXX Data Services over its records, and reports.

Written from cornerstone.md. The records stand in tables of VetBridge's invention
(``vetbridge.testing.practice.plain``), and every name that the service shows begins with ``Sim``: nothing of either
is Cornerstone's or IDEXX's. What is known and kept: a client has an ID that can be changed; clients are merged and
purged, and leave no trace; a patient may have several owners with percentages; a client without a patient cannot be
scheduled; columns of the planner are rooms, and a visit has a reason. The values of all lists are made up. The
reports are headed as VetBridge proposes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from connectors.idexx_data_services.simulator import CODE_LISTS, IdexxSimulator
from vetbridge.core.records import Kind
from vetbridge.testing.practice import PlainPractice, Report
from vetbridge.testing.practice.simulator import practice_options


class CornerstonePractice(PlainPractice):
    """The records of a clinic with Cornerstone."""

    system: ClassVar[str] = "cornerstone"
    codes: ClassVar[Mapping[str, Mapping[str, str | int]]] = CODE_LISTS
    needs_pet: ClassVar[bool] = True
    reports: ClassVar[Mapping[Kind, Report]] = {
        Kind.CLIENT: Report(
            name="clients",
            select='SELECT client_id AS "Client ID", first_name AS "First name", last_name AS "Last name",'
            ' phone_1 AS "Phone 1", phone_2 AS "Phone 2", phone_3 AS "Phone 3", email AS "E-mail",'
            " trim(coalesce(partner_first_name, '') || ' ' || coalesce(partner_last_name, '')) AS \"Partners\","
            " CASE active WHEN 1 THEN 'Active' ELSE 'Inactive' END AS \"Status\", no_reminders AS \"No reminders\""
            " FROM sim_client WHERE removed_at IS NULL ORDER BY last_name, 1",
        ),
        Kind.PET: Report(
            name="patients",
            select='SELECT p.patient_id AS "Patient ID", o.client_id AS "Client ID",'
            " (SELECT group_concat(client_id, ';') FROM (SELECT client_id FROM sim_owner s"
            " WHERE s.patient_id = p.patient_id AND s.ends IS NULL AND NOT s.is_primary"
            ' ORDER BY s.percent DESC, s.row_id)) AS "Other owners",'
            ' p.name AS "Name", p.species AS "Species", p.breed AS "Breed",'
            ' p.sex AS "Sex", p.birth_date AS "Birth date",'
            " CASE WHEN p.died_on IS NULL THEN '' ELSE 'D' END AS \"Deceased\","
            " CASE p.active WHEN 1 THEN '' ELSE 'I' END AS \"Inactive\" FROM sim_patient p"
            " JOIN sim_owner o ON o.patient_id = p.patient_id AND o.is_primary AND o.ends IS NULL"
            " WHERE p.removed_at IS NULL ORDER BY p.name, 1",
        ),
        Kind.APPOINTMENT: Report(
            name="appointments",
            select='SELECT appointment_id AS "Appointment ID", client_id AS "Client ID", patient_id AS "Patient ID",'
            ' starts AS "Start", ends AS "End", resource AS "Room", appointment_type AS "Reason for visit",'
            ' status AS "Status", notes AS "Notes" FROM sim_appointment'
            " WHERE removed_at IS NULL AND starts >= ? AND starts < ? ORDER BY starts, 1",
            windowed=True,
        ),
        Kind.REMINDER: Report(
            name="reminders",
            select='SELECT reminder_id AS "Reminder ID", patient_id AS "Patient ID", code AS "Code",'
            ' description AS "Description", due_on AS "Due" FROM sim_reminder'
            " WHERE removed_at IS NULL AND NOT completed ORDER BY due_on, 1",
        ),
    }


class CornerstoneSimulator(IdexxSimulator):
    """A clinic with Cornerstone, which other programs reach by the service and by its reports."""

    vendor: ClassVar[str] = "cornerstone"
    practice_class: ClassVar[type[PlainPractice]] = CornerstonePractice


def build(shown_after: float = 0.0, **options: Any) -> CornerstoneSimulator:
    """The simulator, not yet serving. Raises ``TypeError`` for an option that it does not take, ``ValueError``."""
    return CornerstoneSimulator(shown_after=shown_after, **practice_options(options))


PRACTICE = CornerstonePractice
"""The practice, for whoever opens its database beside the simulator."""
