"""The booking side's client of a PIMS client: found by phone, made where there is none, never a stranger's.

A booking side may take a phone once only, so a couple that shares one has one client there: one of the two PIMS
clients is linked with it as ``primary``, the other as ``member`` (architecture, section 21).
"""

from __future__ import annotations

from vetbridge.connector.interface import Operation
from vetbridge.core import normalise
from vetbridge.core.errors import MappingError, Refused
from vetbridge.core.matching import Known, same_household, same_person
from vetbridge.core.matching.comparing import DIFFERS, MISSING, pet_level
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.ledger import links, mirror
from vetbridge.ledger.database import Ledger
from vetbridge.sync import opting_out
from vetbridge.sync.job import Job
from vetbridge.sync.keeping import Keeper
from vetbridge.sync.opting_out import OPTED_OUT, OptingOut
from vetbridge.sync.pair import Pair
from vetbridge.sync.succession import Succession
from vetbridge.sync.wording import DESK
from vetbridge.sync.writing import Step, Writer

NO_ROOM = frozenset({"no-room", "field-not-kept", "not-supported"})
"""Codes with which a side says that it cannot keep this pet, whoever asks."""


class Cards:
    """Finds and makes the booking-side clients of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, writer: Writer, keeper: Keeper) -> None:
        self._pair = pair
        self._ledger = ledger
        self._writer = writer
        self._keeper = keeper
        self._opting_out = OptingOut(pair, ledger, writer)
        self._succession = Succession(pair, ledger)

    def card_of(self, job: Job, client: Client) -> str | None:
        """The id of the booking-side client on whom a visit of ``client`` goes; None where it goes without one.

        None: the owner has no phone that can be read and the side demands one, or the one who has that phone there is
        somebody else. Makes the client where the side has nobody with that phone. Raises ``PutOff`` while another
        visit of the same phone is being written.
        """
        linked = self._linked(client)
        if linked is not None:
            return linked
        phones = tuple(dict.fromkeys(p for text in client.phones for p in normalise.phones(text, self._pair.country)))
        if not phones:
            return None
        self._writer.reserve(job, "contact", phones, "visit with the same phone")
        found = self._with_phone(phones)
        if found is not None:
            return self._share(client, found, phones)
        return self._create(job, client, phones)

    def people(self, there: Appointment) -> tuple[Client | None, Pet | None]:
        """Owner and pet of a visit, freshly read; an animal that the mapping cannot turn is left out."""
        end = self._pair.pims
        client = None if there.client_id is None else end.read(Kind.CLIENT, there.client_id)
        try:
            pet = None if there.pet_id is None else end.read(Kind.PET, there.pet_id)
        except MappingError:
            pet = None
        assert client is None or isinstance(client, Client)  # noqa: S101 - what the mapper makes of this kind
        assert pet is None or isinstance(pet, Pet)  # noqa: S101 - what the mapper makes of this kind
        return client, pet

    def pet_on(self, job: Job, card_id: str, pet: Pet) -> str | None:
        """The id of a pet at the booking side, made there where its client has none of that name.

        None where the side keeps no pets, or has no room for this one: the visit itself still says which it is.
        """
        end = self._pair.booking
        able = end.connector.capabilities.of(Kind.PET)
        if able.create is None or "client_id" not in able.search or not pet.name.strip():
            return None
        with self._ledger.read() as tx:
            link = links.of_pims(tx, self._pair.pims.account, Kind.PET, pet.id or "", booking_account=end.account)
        if link is not None and self._is_on(card_id, link.booking_id):
            return link.booking_id
        name = normalise.pet_name(pet.name)
        try:
            listed = [
                end.mapper.read(Kind.PET, native) for native in end.connector.search(Kind.PET, {"client_id": card_id})
            ]
            for standing in listed:
                if normalise.pet_name(standing.name) == name:
                    with self._ledger.write() as tx:
                        self._keeper.listed_pet(tx, {"pet": pet}, standing)
                    return standing.id
            if any(self._may_be(standing, pet, name) for standing in listed):
                return None  # misspelt, perhaps: a second one would be made, and the visit says which pet it is
            step = Step(
                kind=Kind.PET,
                operation=Operation.CREATE,
                fields={"client_id": card_id, "name": pet.name, "species": pet.species},
                payload={"pet": pet},
            )
            return self._writer.write(job, step, self._keeper.listed_pet).id
        except MappingError:
            return None
        except Refused as refused:
            if refused.code in NO_ROOM:
                return None
            raise

    def _may_be(self, standing: Pet, pet: Pet, name: str) -> bool:
        """Whether a pet that is listed under another name, and that nobody has linked, may be this one."""
        if pet_level(normalise.pet_name(standing.name), name) in (DIFFERS, MISSING):
            return False
        if None not in (standing.species, pet.species) and standing.species != pet.species:
            return False
        with self._ledger.read() as tx:
            return links.of_booking(tx, self._pair.booking.account, Kind.PET, standing.id or "") is None

    def _linked(self, client: Client) -> str | None:
        """The booking-side client that the PIMS client is linked with, while it still reads.

        A member shares it by the phone alone: where that is no longer the same, it is the other one's.
        """
        end = self._pair.booking
        with self._ledger.read() as tx:
            link = links.of_pims(
                tx, self._pair.pims.account, Kind.CLIENT, client.id or "", booking_account=end.account
            )
        if link is None:
            return None
        native = end.connector.get(Kind.CLIENT, link.booking_id)
        if native is not None and (
            link.role == "primary" or self._phones(client) & self._phones(end.mapper.read(Kind.CLIENT, native))
        ):
            return link.booking_id
        with self._ledger.write() as tx:
            links.end(tx, link)
        return None

    def _is_on(self, card_id: str, pet_id: str) -> bool:
        """Whether a pet of the booking side is that client's: it may have gone to another owner since."""
        end = self._pair.booking
        native = end.connector.get(Kind.PET, pet_id)
        return native is not None and end.mapper.read(Kind.PET, native).client_id == card_id

    def _phones(self, client: Client) -> set[str]:
        return {phone for text in client.phones for phone in normalise.phones(text, self._pair.country)}

    def _with_phone(self, phones: tuple[str, ...]) -> Client | None:
        end = self._pair.booking
        if "phone" not in end.connector.capabilities.of(Kind.CLIENT).search:
            return None
        for phone in phones:
            for native in end.connector.search(Kind.CLIENT, {"phone": phone}):
                return end.mapper.read(Kind.CLIENT, native)
        return None

    def _share(self, client: Client, card: Client, phones: tuple[str, ...]) -> str | None:
        """Links a client with a booking-side client of the same phone, where that is this client or a partner."""
        assert card.id is not None  # noqa: S101 - read from the side
        holders = [known.client for known in self._holders(phones) if known.client.active]
        with self._ledger.read() as tx:
            primary = links.of_booking(tx, self._pair.booking.account, Kind.CLIENT, card.id)
        if primary is not None and primary.pims_id != client.id:
            heir = self._succession.followed(primary)  # the one it was linked with may be this one, under another id
            if heir is not None and heir.id == client.id:
                return card.id
        if primary is not None and not any(one.id == primary.pims_id for one in holders):
            # The one it was linked with has the phone no more, or is inactive: merged into another, or gone.
            with self._ledger.write() as tx:
                links.end(tx, primary)
            primary = None
        if primary is None:
            meant = client if same_person(client, card) else None
            meant = meant or next((one for one in holders if same_person(one, card)), None)
            meant = meant or (client if same_household(client, card) else None)
            if meant is None:
                return None
            with self._ledger.write() as tx:
                self._keeper.matched_client(tx, card.id, meant, card, ())
            if meant.id == client.id:
                return card.id
        # Both have this phone in the PIMS itself: the household shares what the booking side has once.
        with self._ledger.write() as tx:
            links.put_member(
                tx,
                site=self._pair.site,
                booking_account=self._pair.booking.account,
                booking_id=card.id,
                pims_account=self._pair.pims.account,
                pims_id=client.id or "",
                origin=DESK,
            )
            opting_out.met(tx, self._pair, card.id, card)
        return card.id

    def _holders(self, phones: tuple[str, ...]) -> tuple[Known, ...]:
        """The PIMS clients that have one of these phones."""
        with self._ledger.read() as tx:
            return mirror.with_contact(tx, self._pair.pims.account, [f"phone:{phone}" for phone in phones])

    def _create(self, job: Job, client: Client, phones: tuple[str, ...]) -> str | None:
        if self._pair.booking.connector.capabilities.of(Kind.CLIENT).create is None or not client.full_name:
            return None
        fields: dict[str, object] = {
            "given_name": client.given_name,
            "family_name": client.family_name,
            "phones": phones[:1],
            "emails": tuple(address for text in client.emails[:1] for address in [normalise.email(text)] if address),
        }
        opted_out = self._opting_out.of_new_card(client)
        if opted_out:
            fields[OPTED_OUT] = True
        step = Step(
            kind=Kind.CLIENT,
            operation=Operation.CREATE,
            fields={name: value for name, value in fields.items() if value},
            payload={"client": client, **opted_out},
        )
        return self._writer.write(job, step, self._keeper.card).id
