"""What a site's config says about due services, as the policy that decides on them."""

from __future__ import annotations

from vetbridge.config.models import Site
from vetbridge.core.due import DuePolicy


def due_policy(site: Site) -> DuePolicy | None:
    """None where the site wants nothing done about them."""
    wanted = site.reminders
    if wanted is None:
        return None
    notices = wanted.notices
    return DuePolicy(
        ahead=wanted.ahead_days,
        soon=wanted.soon_days,
        overdue=wanted.overdue_days,
        card_overdue=wanted.card_overdue,
        merge=wanted.merge_days,
        visit_before=wanted.visit_before_days,
        visit_after=wanted.visit_after_days,
        exempt_types=frozenset(wanted.exempt_types),
        always=frozenset(wanted.always),
        names=wanted.names,
        notice_days=() if notices is None else notices.days,
        notice_late=0 if notices is None else notices.late_days,
    )
