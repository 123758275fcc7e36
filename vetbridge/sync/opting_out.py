"""Whoever wants no messages at one branch is sent none by any: the stricter wins (architecture, section 7).

A person may have several clients at booking sides, here called cards: one at each location, or one that is shared
with a partner. What a card said last stands in the booking side's base of its link, beside the fields that are
compared, and is never planned: it flows from card to card, and as a yes alone. A card that changes wakes the others,
and each is then worked on as a change of its own, at its own site.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from vetbridge.connector.interface import Operation
from vetbridge.core.policy import must_opt_out
from vetbridge.core.records import Client, Kind
from vetbridge.ledger import accounts, chains, changes, due, links, mirror
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import ChangeState, Link
from vetbridge.sync.comparing import WAS, WENT_TO
from vetbridge.sync.job import Ending, Job
from vetbridge.sync.pair import Pair
from vetbridge.sync.writing import Keep, Step, Writer

OPTED_OUT = "opted_out"
"""Field of a card, and of its base: whether it is opted out, as it was read last."""
SET_FOR = "opted_out_for"
"""Field of a base and of a payload: the PIMS clients for whom VetBridge opted the card out. A base has none where
people did it: they meant everybody on the card."""
KNOWN = "opted_out_known"
"""Field of a base and of a payload: the links of the other cards that were opted out when this one was last worked
on. Whoever opts this one in again has overruled those; one that is opted out later counts anew."""
WRITTEN = "opted_out_in_pims"
"""Field of a base: the clients of the PIMS whom VetBridge has opted out there, because the card is."""
LISTED = "opted_out_listed"
"""The same of those of whom the work list has told staff."""
_KEPT = frozenset({OPTED_OUT, SET_FOR, KNOWN, WRITTEN, LISTED, WENT_TO, WAS})

SOURCE = "opt-out"
"""Source of a change of a card that another card has woken."""

SET = Ending(state=ChangeState.DONE, code="opted-out", message="opted out of messages, as it is elsewhere")
LEFT_IN = Ending(
    state=ChangeState.DONE,
    code="opted-in-by-hand",
    message="people have opted the client in again here; where another branch has it opted out, that stays so",
)

Person = tuple[str, str]
"""A client of a PIMS: the account and the id there."""


@dataclass(frozen=True, slots=True)
class _Card:
    """A card of some people: its primary link, and for whom of them it is opted out; nobody where it is not."""

    link: Link
    out_for: frozenset[Person]
    by_people: bool
    """It was not VetBridge who opted it out."""
    known: bool
    """It was read since it was linked."""


class OptingOut:
    """Keeps the cards of one pair as strict as the other cards of the same people."""

    def __init__(self, pair: Pair, ledger: Ledger, writer: Writer) -> None:
        self._pair = pair
        self._ledger = ledger
        self._writer = writer

    def work(self, job: Job, link: Link, card: Client, keep: Keep) -> tuple[Client, Ending | None]:
        """Opts a linked card out where another card of its people is, unless people have opted it in again since.

        Returns the card as it stands then, and how its change ends where nothing else is done; None where it has
        nothing to do with this.
        """
        with self._ledger.read() as tx:
            base = _base(tx, link)
            others = _others(tx, link)
            there = _out_in_pims(tx, self._pair, link)
        out = {**_opted_out(others), **there}
        known = frozenset(_ids(base))
        is_out = _said(base, card)
        by_people = {card.link.id for card in others if card.by_people and card.link.id is not None} | there.keys()
        if must_opt_out(is_out, frozenset(out), known, by_people):
            if not self._can_write():
                return card, None
            step = Step(
                kind=Kind.CLIENT,
                operation=Operation.UPDATE,
                fields={OPTED_OUT: True},
                remote_id=link.booking_id,
                version=card.version,
                before=card,
                payload=_payload(out, known),
            )
            written = self._writer.write(job, step, keep)
            assert isinstance(written, Client)  # noqa: S101 - what the mapper makes of this kind
            return written, SET
        with self._ledger.write() as tx:
            changes.held(tx, job.leases)
            _note(tx, link, card, out)
        left_in = out and base.get(OPTED_OUT) and not is_out
        return card, LEFT_IN if left_in else None

    def of_new_card(self, client: Client) -> dict[str, Any]:
        """What the payload of a card that is made for a PIMS client has where it is to be opted out; else nothing."""
        if not self._can_write():
            return {}
        with self._ledger.read() as tx:
            person = (self._pair.pims.account, client.id or "")
            out = _opted_out(_cards(tx, {person}))
        if client.opted_out and self._pair.due is not None:
            return {SET_FOR: tuple(sorted({person, *_people(out)})), KNOWN: tuple(sorted(out))}
        return _payload(out, frozenset()) if out else {}

    def _can_write(self) -> bool:
        end = self._pair.booking
        able = end.connector.capabilities.of(Kind.CLIENT).update
        return OPTED_OUT in able & end.mapper.writable(Kind.CLIENT)


def was_set(tx: Transaction, pair: Pair, payload: Mapping[str, Any], card: Client) -> None:
    """Keeps that VetBridge has opted a linked card out, by an update or as it was made."""
    link = links.of_booking(tx, pair.booking.account, Kind.CLIENT, card.id or "")
    if link is None:
        return
    base = links.bases(tx, link)[0] or {}
    people = {*payload[SET_FOR], *(base.get(SET_FOR) or ())}  # type: ignore[misc]
    links.note(
        tx,
        link,
        {
            OPTED_OUT: card.opted_out,
            SET_FOR: tuple(sorted(people)) if card.opted_out else None,
            KNOWN: payload[KNOWN],
        },
    )
    if is_news(base, card):
        due.consent_changed(tx, link)
        _wake(tx, _others(tx, link))


def met(tx: Transaction, pair: Pair, booking_id: str, card: Client) -> None:
    """A card was linked with a PIMS client: its people's cards are looked at as far as nobody knows how they stand,
    and all of them where one is opted out. ``card``: as far as it is known; a booking tells less.

    Of somebody who can have no other card, nobody has to know it.
    """
    link = links.of_booking(tx, pair.booking.account, Kind.CLIENT, booking_id)
    if link is None or OPTED_OUT not in pair.booking.mapper.readable(Kind.CLIENT):
        return
    others = _others(tx, link)
    own = _Card(link, frozenset(), by_people=False, known=card.opted_out is not None)
    if card.opted_out or _opted_out(others) or _out_in_pims(tx, pair, link):
        _wake(tx, (own, *others))
    elif others or accounts.are_several_pairs(tx):
        _wake(tx, [each for each in (own, *others) if not each.known])


def joined(tx: Transaction, account: str, client_id: str) -> None:
    """A PIMS client was joined with another one of its chain: the same is done for their cards."""
    cards = _cards(tx, {(account, client_id)})
    out = bool(_opted_out(cards))
    _wake(tx, [card for card in cards if out or not card.known])


def is_news(base: Mapping[str, object] | None, card: Client) -> bool:
    """Whether a card is opted out, or in again, that was not so before."""
    return bool(_said(base, card)) != bool((base or {}).get(OPTED_OUT))


def is_out(base: Mapping[str, object] | None, card: Client) -> bool:
    """Whether a card is opted out; one that does not say so now is as it was."""
    return bool(_said(base, card))


def out_for(base: Mapping[str, Any], pims_account: str, ids: Collection[str]) -> set[str]:
    """For whom of its PIMS clients a card is opted out: all, but where VetBridge did it for some."""
    people = base.get(SET_FOR)
    return {id_ for id_ in ids if people is None or (pims_account, id_) in people}


def is_news_in_pims(tx: Transaction, pair: Pair, link: Link, client: Client) -> bool:
    """Whether a client of the PIMS is opted out there, or in again, and a card of its own was not looked at since."""
    if pair.due is None or client.opted_out is None:
        return False
    primary = links.of_booking(tx, link.booking_account, Kind.CLIENT, link.booking_id)
    if primary is None:
        return False
    base = links.bases(tx, primary)[0] or {}
    out = client.opted_out and client.id not in (base.get(WRITTEN) or ())  # type: ignore[operator]
    return out != (-(link.id or 0) in _ids(base))


def _out_in_pims(tx: Transaction, pair: Pair, link: Link) -> dict[int, frozenset[Person]]:
    """Clients of the PIMS who share a card and are opted out there, but not by VetBridge; known by their links'
    numbers below 0, beside the cards that are known by theirs."""
    if pair.due is None:
        return {}
    written = (links.bases(tx, link)[0] or {}).get(WRITTEN) or ()
    sharing = links.of_client_members(tx, link.booking_account, link.booking_id)
    by_id = {one.pims_id: one for one in sharing if one.pims_account == pair.pims.account}
    return {
        -(by_id[known.client.id or ""].id or 0): frozenset({(pair.pims.account, known.client.id or "")})
        for known in mirror.clients(tx, pair.pims.account, by_id)
        if known.client.opted_out and known.client.id not in written  # type: ignore[operator]
    }


def compared(base: Mapping[str, object] | None) -> dict[str, object] | None:
    """Of the base of a card what is compared with the PIMS; None where there is nothing."""
    return {name: value for name, value in (base or {}).items() if name not in _KEPT} or None


def kept(base: Mapping[str, object] | None) -> dict[str, object]:
    """The rest of it, which stays when the base is set anew."""
    return {name: value for name, value in (base or {}).items() if name in _KEPT}


def _base(tx: Transaction, link: Link) -> dict[str, object]:
    """What is kept of a card. One that has another client now, and was not looked at since, may still bear the tick
    that VetBridge made for the one before: that says nothing of the new one."""
    base = links.bases(tx, link)[0] or {}
    if OPTED_OUT in base:
        return base
    before = links.ended_last(tx, link.booking_account, Kind.CLIENT, link.booking_id)
    former = {} if before is None else kept(links.bases(tx, before)[0])
    return {**base, **former} if former.get(SET_FOR) else base


def _said(base: Mapping[str, object] | None, card: Client) -> bool | None:
    """Whether a card is opted out; one that does not say so now is as it was: rights may hide the field."""
    before = (base or {}).get(OPTED_OUT)
    if card.opted_out is not None or before is None:
        return card.opted_out
    return bool(before)


def _note(tx: Transaction, link: Link, card: Client, out: Mapping[int, frozenset[Person]]) -> None:
    """Keeps how a card stands by itself, and wakes the others where that is news."""
    held = links.bases(tx, link)[0] or {}
    base = _base(tx, link)
    news = is_news(base, card)
    is_out = _said(base, card)
    people = base.get(SET_FOR)
    if news or not is_out:
        people = None
    elif people:
        people = tuple(sorted({*people, *_people(out)}))  # type: ignore[misc]
    now = {OPTED_OUT: is_out, SET_FOR: people, KNOWN: tuple(sorted(out)) or None}
    if any(held.get(name) != value for name, value in now.items()):
        links.note(tx, link, now)
    if news:
        due.consent_changed(tx, link)
        others = _others(tx, link)
        if is_out:
            _mean_anew(tx, link, others)
        _wake(tx, others)


def _mean_anew(tx: Transaction, link: Link, others: Collection[_Card]) -> None:
    """People have opted a card out: whoever overruled that before, they mean it anew."""
    for other in others:
        known = _ids(links.bases(tx, other.link)[0] or {})
        if link.id in known:
            links.note(tx, other.link, {KNOWN: tuple(each for each in known if each != link.id) or None})


def _payload(out: Mapping[int, frozenset[Person]], known: frozenset[int]) -> dict[str, Any]:
    new = {id_: people for id_, people in out.items() if id_ not in known}
    return {SET_FOR: tuple(sorted(_people(new))), KNOWN: tuple(sorted(out))}


def _people(out: Mapping[int, frozenset[Person]]) -> set[Person]:
    return {person for people in out.values() for person in people}


def _ids(base: Mapping[str, Any]) -> tuple[int, ...]:
    return base.get(KNOWN) or ()


def _wake(tx: Transaction, cards: Collection[_Card]) -> None:
    for card in cards:
        changes.receive_linked(tx, card.link, SOURCE, urgent=True)


def _opted_out(cards: Collection[_Card]) -> dict[int, frozenset[Person]]:
    """The links of the cards that are opted out, with those for whom they are."""
    return {card.link.id: card.out_for for card in cards if card.link.id is not None and card.out_for}


def _others(tx: Transaction, link: Link) -> tuple[_Card, ...]:
    """The other cards of all who have this one."""
    sharing = links.of_client_members(tx, link.booking_account, link.booking_id)
    people = {(one.pims_account, one.pims_id) for one in sharing}
    return tuple(card for card in _cards(tx, people) if card.link.id != link.id)


def _cards(tx: Transaction, people: Collection[Person]) -> tuple[_Card, ...]:
    """All cards of these people, whatever branch of the chain knows them."""
    everybody = {*people, *(same for one in people for same in chains.same_person(tx, *one))}
    sharing: dict[tuple[str, str], set[Person]] = {}
    for pims in sorted({account for account, _ in everybody}):
        for link in links.all_of_pims(tx, pims, Kind.CLIENT, [id_ for account, id_ in everybody if account == pims]):
            sharing.setdefault((link.booking_account, link.booking_id), set()).add((pims, link.pims_id))
    found = []
    for (account, id_), persons in sorted(sharing.items()):
        primary = links.of_booking(tx, account, Kind.CLIENT, id_)
        if primary is not None:
            base = links.bases(tx, primary)[0] or {}
            found.append(
                _Card(primary, _out_for(base, persons), by_people=base.get(SET_FOR) is None, known=OPTED_OUT in base)
            )
    return tuple(found)


def _out_for(base: Mapping[str, Any], people: set[Person]) -> frozenset[Person]:
    if not base.get(OPTED_OUT):
        return frozenset()
    return frozenset(people if base.get(SET_FOR) is None else people.intersection(base[SET_FOR]))
