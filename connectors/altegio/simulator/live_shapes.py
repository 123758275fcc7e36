"""Fields of a team member and of a service that the sheet's tables do not name.

They are those that the models of a public client demand (poor-yclientsapi, the sheet's POOR), whose tests run against
the live API. What their values mean is not known: here they are neutral, and nobody else reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vetbridge.testing.simkit import Row

_NOT_OF_THE_LIST = ("votes_count", "comments_count", "show_rating", "image_group")
"""Fields of the older ``/staff`` that ``/company/{id}/staff`` does not have."""
_LAST_SECOND = 24 * 3600 - 1
_SEARCH = {"seance_search_start": 0, "seance_search_finish": _LAST_SECOND, "seance_search_step": 0}
"""When a widget looks for times, in seconds of the day."""


def team_member(shown: Row, services: Iterable[Row], till: str) -> dict[str, Any]:
    """A team member as ``/company/{id}/staff`` answers it; ``shown``: the older form, ``till``: a day."""
    kept = {name: value for name, value in shown.items() if name not in _NOT_OF_THE_LIST}
    return {
        **kept,
        **_SEARCH,
        "seance_step": 0,
        "is_fired": bool(shown["fired"]),
        "dismissal_date": None,
        "dismissal_reason": None,
        "is_online": not shown["hidden"],
        "is_deleted": bool(shown["status"]),
        "user_id": None,
        "user": None,
        "is_chain": False,
        "chain": None,
        "is_rating_shown": False,
        "is_online_random_choice_allowed": True,
        "is_timetable_off": False,
        "is_fullness_accounting": True,
        "google_clients": False,
        "google_link": "",
        "timetable_markup_divider_interval": None,
        "position": {
            **shown["position"],
            "chain_id": 0,
            "description": "",
            "rules_required_fields": [],
            "only_chain_appointment": False,
        },
        "is_bookable": not (shown["hidden"] or shown["fired"] or shown["status"]),
        "services_links": [_service_link(service, shown["id"]) for service in services],
        "schedule_till": till,
        "employee": _employee(shown),
        "grid_settings": {"is_enabled": False, "weekdays_settings": [], "dates_settings": []},
        "domain": None,
    }


def _service_link(service: Row, member: int) -> dict[str, Any]:
    return {
        "service_id": service["id"],
        "master_id": member,
        "length": service["seconds"],
        "technological_card_id": 0,
        "api_id": "",
        "is_online": True,
        "is_offline_records_allowed": True,
        "price": None,
    }


def _employee(shown: Row) -> dict[str, Any]:
    names = ("phone", "firstname", "surname", "patronymic", "date_admission", "date_registration_end", "citizenship")
    numbers = ("passport_data", "personal_tax_reference_number", "number_insurance_certificates")
    return {
        "id": shown["id"],
        "name": shown["name"],
        **dict.fromkeys((*names, "sex", *numbers), ""),
        "gender": 0,
    }


def service(shown: Row, seconds: int) -> dict[str, Any]:
    """A service with its further fields; ``shown``: as the sheet has it."""
    return {
        **shown,
        **_SEARCH,
        "staff": [
            {**link, "technological_card_id": 0, "image_url": "", "price": None, "name": ""}
            for link in shown["staff"]
        ],
        "duration": seconds,
        "is_online": bool(shown["active"]),
        "print_title": shown["title"],
        "api_service_id": 0,
        "tax_variant": None,
        "vat_id": None,
        "repeat_visit_days_step": None,
        "step": 0,
        "is_need_limit_date": False,
        "date_from": "",
        "date_to": "",
        "dates": [],
        "resources": [],
        "schedule_template_type": 0,
        "online_invoicing_status": 0,
        "is_abonement_autopayment_enabled": 0,
        "autopayment_before_visit_time": 0,
        "abonement_restriction_value": 0,
        "is_chain": False,
        "price_prepaid_amount": 0,
        "price_prepaid_percent": 0,
    }
