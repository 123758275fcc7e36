"""The ledger's tables (architecture, section 13).

Ids of vendors are text. Moments are UTC. Columns that end in ``_sealed`` hold personal values, encrypted with the
ledger key; columns that end in ``_hash`` hold keyed hashes. No other column may hold a name, a phone, an e-mail or a
note.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlmodel import Field, SQLModel


class ChangeState(StrEnum):
    """Where a change stands. Being worked on is a lease, not a state."""

    RECEIVED = "received"
    WAITING = "waiting"
    REVIEW = "review"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


OPEN_STATES = (ChangeState.RECEIVED, ChangeState.WAITING)
"""States that the engine still has to work on."""


class ActionState(StrEnum):
    """Where one write stands."""

    INTENDED = "intended"
    UNKNOWN = "unknown"
    ANSWERED = "answered"
    NOT_DONE = "not_done"
    HANDED = "handed"
    """Somebody else carries it out: a person with the work list, or whoever takes in files. A read confirms it."""


UNSETTLED_ACTIONS = (ActionState.INTENDED, ActionState.UNKNOWN)
"""States of a write that may or may not have happened: look before anything else is written."""
OPEN_ACTIONS = (*UNSETTLED_ACTIONS, ActionState.HANDED)
"""States of a write of which it is still to be found out that it was done."""


class Moment(sa.types.TypeDecorator[datetime]):
    """A moment in UTC that keeps its offset on every database."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """To the database: UTC; SQLite gets it without an offset."""
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database: always with an offset."""
        if value is None:
            return None
        assert isinstance(value, datetime)  # noqa: S101 - what the driver promises for this type
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A number that the ledger gives to a row: 64 bits on every database. SQLite gives numbers to an INTEGER only."""


def _moment(*, nullable: bool = False, index: bool = False) -> Any:
    return Field(default=None, sa_type=Moment, nullable=nullable, index=index)


def _sealed() -> Any:
    return Field(default=None, sa_type=sa.LargeBinary, nullable=True)


class Meta(SQLModel, table=True):
    """Facts about the ledger itself."""

    __tablename__ = "meta"
    key: str = Field(primary_key=True)
    value: str


class Account(SQLModel, table=True):
    """One set of credentials: whether it answers, and how complete its mirror is."""

    __tablename__ = "account"
    name: str = Field(primary_key=True)
    connector: str
    country: str = ""
    """ISO 3166, for phones that are written without a country code."""
    blocked_code: str | None = None
    paused_until: datetime | None = _moment(nullable=True)
    failures: int = 0
    """Calls in a row that found the vendor unreachable."""
    failing_since: datetime | None = _moment(nullable=True)
    failing_code: str | None = None
    """Why the last of those calls found nobody."""
    failing_part: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Which part of the account did not answer, or refused; "": its own connector."""
    answered_at: datetime | None = _moment(nullable=True)
    mirror_complete_at: datetime | None = _moment(nullable=True)
    """When the mirror of clients and pets was first read completely and counted."""
    mirror_read_at: datetime | None = _moment(nullable=True)
    hooked_at: datetime | None = _moment(nullable=True)
    """When the last webhook of it came in."""
    hook_misses: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """Changes in a row that a poll found and no webhook had told of."""


class Budget(SQLModel, table=True):
    """A rate budget that the vendor paused; kept so that a restart does not forget it."""

    __tablename__ = "budget"
    account: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    paused_until: datetime = _moment()


class Cursor(SQLModel, table=True):
    """How far a listing of changes has been read."""

    __tablename__ = "cursor"
    account: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    value: str
    read_at: datetime = _moment()


class Record(SQLModel, table=True):
    """One record at one account, known by its id there."""

    __tablename__ = "record"
    __table_args__ = (
        sa.UniqueConstraint("account", "kind", "remote_id"),
        sa.Index(
            "record_witness",
            "account",
            "kind",
            "id",
            sqlite_where=sa.text("digest_hash IS NOT NULL AND missed_at IS NULL AND gone_at IS NULL"),
            postgresql_where=sa.text("digest_hash IS NOT NULL AND missed_at IS NULL AND gone_at IS NULL"),
        ),
    )
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    account: str
    kind: str
    remote_id: str
    hints: int = 0
    """Raised by every hint; a settle counts only if it has not moved since the read."""
    version: str | None = None
    digest_hash: str | None = None
    """Keyed hash of the content that was settled last."""
    lane: str = Field(index=True)
    missed_at: datetime | None = _moment(nullable=True)
    """When it was first found gone; it counts as gone after a second miss."""
    gone_at: datetime | None = _moment(nullable=True)
    """Tombstone."""


class Change(SQLModel, table=True):
    """One episode of one record: opened by the first hint after the last settle."""

    __tablename__ = "change"
    __table_args__ = (
        sa.Index("change_due", "state", "next_at"),
        sa.Index("change_counted", "site", "state"),
        sa.Index("change_updated", "updated_at"),
    )
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    record_id: int = Field(sa_type=Id, foreign_key="record.id", index=True)
    site: str
    account: str
    kind: str
    remote_id: str
    state: str
    code: str = ""
    """Why it is in this state: a stable reason or error code."""
    message: str = ""
    """The same in words, without personal values."""
    source: str
    hint: int = 0
    """The record's hint counter at the last read."""
    tries: int = 0
    urgent: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    """It goes before the others: something is cancelled or gone."""
    received_at: datetime = _moment()
    next_at: datetime | None = _moment(nullable=True)
    updated_at: datetime = _moment()
    settled_at: datetime | None = _moment(nullable=True)
    visit_at: datetime | None = _moment(nullable=True)
    replay_of: int | None = Field(default=None, sa_type=Id)
    spread: float = Field(default=0.0, sa_column_kwargs={"server_default": "0"})
    """Seconds after VetBridge's next start at which a replay is begun that waits for that start."""
    run_id: int | None = Field(default=None, sa_type=Id)


class Lane(SQLModel, table=True):
    """A lease on a family of records. ``epoch`` rises with each lease, so that a late worker cannot settle."""

    __tablename__ = "lane"
    key: str = Field(primary_key=True)
    owner: str | None = None
    until: datetime | None = _moment(nullable=True)
    epoch: int = 0


class Link(SQLModel, table=True):
    """This record there is that record here, with the two bases."""

    __tablename__ = "link"
    __table_args__ = (
        sa.Index(
            "link_booking_once",
            "booking_account",
            "kind",
            "booking_id",
            "part",
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL AND role = 'primary'"),
            postgresql_where=sa.text("ended_at IS NULL AND role = 'primary'"),
        ),
        sa.Index("link_booking", "booking_id", "booking_account", "kind"),
        sa.Index("link_pims", "pims_id", "pims_account", "kind"),
        sa.Index("link_visit", "pims_account", "visit_at"),
        sa.Index("link_booked_visit", "booking_account", "visit_at"),
        sa.Index("link_stamp", "stamp"),
    )
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    site: str
    kind: str
    booking_account: str
    booking_id: str
    pims_account: str
    pims_id: str
    role: str = "primary"
    """``primary`` carries field updates; ``member`` serves resolving only."""
    part: int = 0
    """Which part of a visit that stands as several records on one side."""
    origin: str
    """How it came to be: ``matched``, ``created``, ``placeholder``, ``found`` (after a lost answer)."""
    stamp: str = ""
    unlinked: bool = False
    """The visit stands on the placeholder."""
    pims_version: str | None = None
    visit_at: datetime | None = _moment(nullable=True)
    """When its visit begins; None for a client or a pet."""
    booking_mapping: str = ""
    pims_mapping: str = ""
    booking_base_sealed: bytes | None = _sealed()
    pims_base_sealed: bytes | None = _sealed()
    evidence_sealed: bytes | None = _sealed()
    created_at: datetime = _moment()
    updated_at: datetime = _moment()
    ended_at: datetime | None = _moment(nullable=True)
    follows: int | None = Field(default=None, sa_type=Id)
    """The link of the visit that its owner missed, and after which this one was booked."""


class Mirror(SQLModel, table=True):
    """The local copy of a PIMS client or pet, for matching; and of what decides whether a service is due: pets'
    vaccinations, due services, visits."""

    __tablename__ = "mirror"
    __table_args__ = (sa.Index("mirror_pet", "account", "parent_id"),)
    account: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    remote_id: str = Field(primary_key=True)
    parent_id: str | None = None
    """The client's id, for a pet; the pet's for what is kept of a pet."""
    active: bool = True
    content_sealed: bytes | None = _sealed()
    forms_sealed: bytes | None = _sealed()
    """The comparable forms of a client with its pets; None for a pet."""
    digest_hash: str = ""
    read_at: datetime = _moment()


class MatchTerm(SQLModel, table=True):
    """A name, hashed, with the number of clients in the mirror that have it: how common it is here."""

    __tablename__ = "match_term"
    account: str = Field(primary_key=True)
    term_hash: str = Field(primary_key=True)
    count: int = 0


class MatchKey(SQLModel, table=True):
    """A blocking key of a client in the mirror, hashed."""

    __tablename__ = "match_key"
    __table_args__ = (sa.Index("match_key_client", "account", "client_id"),)
    account: str = Field(primary_key=True)
    key_hash: str = Field(primary_key=True)
    client_id: str = Field(primary_key=True)


class Alias(SQLModel, table=True):
    """Whom a person meant by a contact together with a name: hashed, never in clear."""

    __tablename__ = "alias"
    __table_args__ = (sa.Index("alias_key", "account", "key_hash"),)
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    account: str
    key_hash: str
    client_id: str
    review_id: int = Field(sa_type=Id, foreign_key="review.id", index=True)
    """The question whose answer taught it; it counts while that answer stands."""
    made_by: str = ""
    made_at: datetime = _moment()
    ended_at: datetime | None = _moment(nullable=True)


class Observation(SQLModel, table=True):
    """What a decision of the matcher was decided by: levels and frequencies, no value of anybody."""

    __tablename__ = "observation"
    __table_args__ = (sa.Index("observation_account", "account", "id"),)
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    account: str
    record_id: int = Field(sa_type=Id, foreign_key="record.id", index=True)
    change_id: int = Field(sa_type=Id, foreign_key="change.id", index=True)
    content: str
    """JSON, as ``vetbridge.core.matching.observing`` packs it."""
    client_ids: str
    """JSON: the candidates' ids, in their order."""
    label: str | None = None
    """JSON: the places of the candidates whom a person said to be meant; None where nobody has said it."""
    review_id: int | None = Field(default=None, sa_type=Id, foreign_key="review.id", index=True)
    """The question whose answer is the label."""
    made_at: datetime = _moment()
    labelled_at: datetime | None = _moment(nullable=True)


class MatchWeights(SQLModel, table=True):
    """Weights that were trained for an account."""

    __tablename__ = "match_weights"
    __table_args__ = (
        sa.Index(
            "match_weights_live",
            "account",
            unique=True,
            sqlite_where=sa.text("live = 1"),
            postgresql_where=sa.text("live"),
        ),
    )
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    account: str
    document: str
    """TOML."""
    made_from: str
    made_at: datetime = _moment()
    ended_at: datetime | None = _moment(nullable=True)
    live: bool


class Action(SQLModel, table=True):
    """One write to one side, written down before it is sent."""

    __tablename__ = "action"
    __table_args__ = (
        sa.Index("action_written", "site", "kind", "answered_at"),
        sa.Index(
            "action_fused",
            "site",
            "created_at",
            sqlite_where=sa.text("fused = 1"),
            postgresql_where=sa.text("fused"),
        ),
        sa.Index("action_run", "run_id"),
    )
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    change_id: int = Field(sa_type=Id, foreign_key="change.id", index=True)
    record_id: int = Field(sa_type=Id, foreign_key="record.id", index=True)
    site: str
    account: str
    kind: str
    operation: str
    remote_id: str | None = None
    stamp: str = ""
    state: str = Field(index=True)
    payload_sealed: bytes | None = _sealed()
    fields: str = ""
    """Names of the fields it writes."""
    fused: bool = False
    """It counts against the fuse: it cancels, moves or overwrites, and no person asked for just this."""
    run_id: int | None = Field(default=None, sa_type=Id)
    """The run that wrote it."""
    undone_at: datetime | None = _moment(nullable=True)
    """When a person took it back with its run."""
    created_at: datetime = _moment()
    answered_at: datetime | None = _moment(nullable=True)


class Attempt(SQLModel, table=True):
    """One try at an action."""

    __tablename__ = "attempt"
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    action_id: int = Field(sa_type=Id, foreign_key="action.id", index=True)
    number: int
    state: str
    code: str = ""
    message: str = ""
    started_at: datetime = _moment()
    ended_at: datetime | None = _moment(nullable=True)


class Reservation(SQLModel, table=True):
    """A contact key or a slot that a change is about to use, so that nobody else does meanwhile."""

    __tablename__ = "reservation"
    account: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    """``contact``, ``pet`` or ``slot``."""
    key_hash: str = Field(primary_key=True)
    record_id: int = Field(sa_type=Id, foreign_key="record.id", index=True)
    created_at: datetime = _moment()


class Review(SQLModel, table=True):
    """A question for a person."""

    __tablename__ = "review"
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    record_id: int | None = Field(default=None, sa_type=Id, foreign_key="record.id", index=True)
    """None for a question about a whole pair: the fuse's."""
    change_id: int = Field(sa_type=Id, foreign_key="change.id")
    site: str
    state: str = Field(index=True)
    """``open``, ``answered`` (``applied_at`` says whether it was carried out), ``closed`` (the facts answered it)."""
    why: str
    """A stable reason code."""
    visit_at: datetime | None = _moment(nullable=True)
    question_sealed: bytes | None = _sealed()
    opened_at: datetime = _moment()
    closed_at: datetime | None = _moment(nullable=True)
    closed_why: str = ""
    snoozed_until: datetime | None = _moment(nullable=True)
    """Somebody said "not now"."""
    answer: str = ""
    """A ``vetbridge.core.answers.Choice``; empty where nobody has answered."""
    answer_client_id: str | None = None
    answer_pet_id: str | None = None
    answer_fields: str = ""
    """JSON: which side is right, by field, where a person has chosen field by field; else empty."""
    answered_by: str = ""
    answered_at: datetime | None = _moment(nullable=True)
    applied_at: datetime | None = _moment(nullable=True)
    claimed_by: str = ""
    """Who is looking at it, until ``claimed_until``."""
    claimed_until: datetime | None = _moment(nullable=True)
    assigned_to: str = ""
    """Who is to answer it; empty: anybody."""


class ReviewNote(SQLModel, table=True):
    """What a person has noted about a question, for whoever answers it."""

    __tablename__ = "review_note"
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    review_id: int = Field(sa_type=Id, foreign_key="review.id", index=True)
    by: str
    at: datetime = _moment()
    text_sealed: bytes | None = _sealed()


class Subject(SQLModel, table=True):
    """Who and what a record is about, as it was read last: to find it, and to say its name to a person."""

    __tablename__ = "subject"
    record_id: int = Field(sa_type=Id, foreign_key="record.id", primary_key=True)
    content_sealed: bytes | None = _sealed()
    read_at: datetime = _moment()


class SubjectKey(SQLModel, table=True):
    """A contact, a word of a name or a pet's name of a record, hashed: what it can be found by."""

    __tablename__ = "subject_key"
    key_hash: str = Field(primary_key=True)
    record_id: int = Field(sa_type=Id, foreign_key="record.id", primary_key=True, index=True)


class Acknowledgement(SQLModel, table=True):
    """A person has seen to a failed change: it needs nobody any more."""

    __tablename__ = "acknowledgement"
    change_id: int = Field(sa_type=Id, foreign_key="change.id", primary_key=True)
    by: str
    at: datetime = _moment()


class Staff(SQLModel, table=True):
    """Somebody who may use the page or the API."""

    __tablename__ = "staff"
    name: str = Field(primary_key=True)
    role: str
    """A ``vetbridge.core.roles.Role``."""
    password_hash: str | None = None
    """Argon2id; None: no password was set, and nobody signs in by this name."""
    token_hash: str | None = Field(default=None, unique=True)
    """Keyed hash of the token for the API; None: it has none."""
    language: str = ""
    """Of the page; empty: as the config says."""
    added_at: datetime = _moment()
    added_by: str = ""
    removed_at: datetime | None = _moment(nullable=True)


class StaffSession(SQLModel, table=True):
    """Somebody is signed in."""

    __tablename__ = "staff_session"
    token_hash: str = Field(primary_key=True)
    staff: str = Field(foreign_key="staff.name", index=True)
    made_at: datetime = _moment()
    seen_at: datetime = _moment()
    ends_at: datetime = _moment()


class UsedForm(SQLModel, table=True):
    """A form of the page that was sent once: it is not taken again."""

    __tablename__ = "used_form"
    form_hash: str = Field(primary_key=True)
    used_at: datetime = _moment(index=True)


class Audit(SQLModel, table=True):
    """What a person has done: appended to, never changed. Ids and codes alone."""

    __tablename__ = "audit"
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    at: datetime = _moment(index=True)
    by: str
    via: str
    """``command``, ``page`` or ``api``."""
    act: str
    """A ``vetbridge.ledger.audit.Act``."""
    site: str = ""
    subject: str = ""
    """What it was done to: ``review``, ``change``, ``worklist``, ``staff``, ``site``, ``account``, ``run``."""
    subject_id: str = ""
    says: str = ""
    """More of it, by ids and codes."""


class AuditSeal(SQLModel, table=True):
    """A batch of ``audit`` that was sealed: its hash covers the rows and the hash of the batch before it."""

    __tablename__ = "audit_seal"
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    first_id: int = Field(sa_type=Id)
    last_id: int = Field(sa_type=Id)
    acts: int
    """So many rows."""
    previous_hash: str
    """``chain_hash`` of the batch before it; empty: it is the first."""
    chain_hash: str
    made_at: datetime = _moment()


class Access(SQLModel, table=True):
    """Somebody looked at an owner's data. Ids alone."""

    __tablename__ = "access"
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    at: datetime = _moment(index=True)
    by: str
    via: str
    """``command``, ``page`` or ``api``."""
    what: str
    """A ``vetbridge.ledger.access.Look``: a question, a search, an export."""
    subject: str
    subject_id: str


class Suppression(SQLModel, table=True):
    """A record of an owner who was forgotten: nothing of it is read into the ledger again."""

    __tablename__ = "suppression"
    key_hash: str = Field(primary_key=True)
    """Keyed hash of account, kind and id there."""
    owner_hash: str
    """The same for all records of one owner: by it they are let in again together."""
    made_at: datetime = _moment()


class Episode(SQLModel, table=True):
    """A condition that held from one moment to another: it is told once when it begins, and once when it is over."""

    __tablename__ = "episode"
    __table_args__ = (
        sa.Index(
            "episode_once",
            "key",
            unique=True,
            sqlite_where=sa.text("cleared_at IS NULL"),
            postgresql_where=sa.text("cleared_at IS NULL"),
        ),
    )
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    key: str
    """``vetbridge.core.conditions.Condition.key``."""
    code: str
    scope: str
    name: str
    kind: str = ""
    details: str = ""
    """JSON: numbers, codes and moments, nothing of an owner."""
    since: datetime = _moment()
    """When it began."""
    seen_at: datetime = _moment()
    """When it was last found to hold."""
    raised_at: datetime = _moment()
    """When it was first found."""
    cleared_at: datetime | None = _moment(nullable=True, index=True)


class Event(SQLModel, table=True):
    """Something that the config's webhooks are told. Ids and codes alone."""

    __tablename__ = "event"
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    type: str
    """A ``vetbridge.config.models.EventType``."""
    key: str = Field(unique=True)
    """What it is about, and since when: the same is told once."""
    content: str
    """JSON."""
    made_at: datetime = _moment(index=True)


class Delivery(SQLModel, table=True):
    """One event on its way to one webhook."""

    __tablename__ = "delivery"
    __table_args__ = (sa.Index("delivery_due", "state", "next_at"),)
    event_id: int = Field(sa_type=Id, foreign_key="event.id", primary_key=True)
    webhook: str = Field(primary_key=True)
    """Its name in the config; ``mail/NAME`` and ``command/NAME`` for those of ``alerts``."""
    state: str
    """``waiting``, ``sent``, ``failed`` (given up)."""
    tries: int = 0
    next_at: datetime | None = _moment(nullable=True)
    code: str = ""
    ended_at: datetime | None = _moment(nullable=True)


class Worklist(SQLModel, table=True):
    """A line of the work list: a write that a person carries out in the PIMS, confirmed by read-back."""

    __tablename__ = "worklist"
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    record_id: int = Field(sa_type=Id, foreign_key="record.id", index=True)
    """The record whose work needs it."""
    site: str
    account: str
    kind: str
    remote_id: str
    """The record to change, by its id at ``account``."""
    task: str
    """``book``: type a visit; ``change``: give one other values; ``cancel``: cancel it; ``relink``: put it on its
    owner and pet; ``contact``: take over what a client's contact is now."""
    action_id: int | None = Field(default=None, sa_type=Id)
    """The write that was handed on with it, of ``book``, ``change`` and ``cancel``."""
    labels: str | None = None
    """What the PIMS's screen calls the fields, as JSON, in its order; None: nothing of its own."""
    state: str = Field(index=True)
    """``open``, ``done`` (a person says so), ``confirmed`` (a read shows it), ``struck`` (no longer wanted)."""
    details_sealed: bytes | None = _sealed()
    """What is to be set, by canonical field."""
    visit_at: datetime | None = _moment(nullable=True)
    opened_at: datetime = _moment()
    changed_at: datetime | None = _moment(nullable=True)
    """When what is to be done became another thing than it was; None: it stands as it was written."""
    changed: str = ""
    """The fields that did, by their canonical names, with commas between them."""
    done_at: datetime | None = _moment(nullable=True)
    done_by: str = ""
    closed_at: datetime | None = _moment(nullable=True)
    closed_why: str = ""


class Pause(SQLModel, table=True):
    """A person said that nothing is to be done with an account or a site until it is resumed."""

    __tablename__ = "pause"
    scope: str = Field(primary_key=True)
    """``account``, ``site`` or ``kind``; ``install``: an account whose app is not connected."""
    name: str = Field(primary_key=True)
    """The account's or the site's; ``SITE/KIND`` for a kind."""
    until: datetime | None = _moment(nullable=True)
    """None: until somebody resumes it."""
    since: datetime = _moment()
    by: str = ""
    why: str = ""
    """A stable code, where VetBridge itself has paused it; empty where a person has."""


class GoingLive(SQLModel, table=True):
    """How far a pair has come: it is paired, a person has approved that it writes, it has ended."""

    __tablename__ = "going_live"
    site: str = Field(primary_key=True)
    since: datetime = _moment()
    """When VetBridge first met the pair."""
    paired_at: datetime | None = _moment(nullable=True)
    """When what stands on both sides was last paired from end to end."""
    approved_at: datetime | None = _moment(nullable=True)
    """None: it is in the shadow, and nothing is written."""
    approved_by: str = ""
    quota_from: datetime | None = _moment(nullable=True)
    """What was created before this moment counts no more against the quota: a person has let more through."""
    ended_at: datetime | None = _moment(nullable=True)
    ended_by: str = ""


class Install(SQLModel, table=True):
    """A marketplace app at one location: asked for, connected, frozen, taken away."""

    __tablename__ = "install"
    app: str = Field(primary_key=True)
    location: str = Field(primary_key=True)
    state: str
    """``pending``, ``active``, ``frozen``, ``uninstalled`` as told; ``lapsed``: nobody said yes in time; ``unknown``:
    the vendor knows of no install at a location of the config."""
    asked_at: datetime | None = _moment(nullable=True)
    """When somebody last clicked Connect."""
    until_at: datetime | None = _moment(nullable=True)
    """While it is pending: until when the vendor takes a yes."""
    active_at: datetime | None = _moment(nullable=True)
    """Since when it has been connected; None while it is not."""
    changed_at: datetime = _moment()
    """When VetBridge learnt of the state."""
    seen_at: datetime | None = _moment(nullable=True)
    """When the vendor last said how it stands."""
    code: str = ""
    """Why it could not be connected yet, a stable code."""


class Joining(SQLModel, table=True):
    """A client of a chain that was compared with those of the chain's other PIMS accounts."""

    __tablename__ = "joining"
    account: str = Field(primary_key=True)
    client_id: str = Field(primary_key=True)
    digest_hash: str
    """Of what was compared: another one is compared anew."""
    looked_at: datetime = _moment()


class Joined(SQLModel, table=True):
    """Two clients of two PIMS accounts of one chain are one person. The account that sorts first stands first."""

    __tablename__ = "joined"
    __table_args__ = (sa.Index("joined_back", "other_account", "other_id"),)
    account: str = Field(primary_key=True)
    client_id: str = Field(primary_key=True)
    other_account: str = Field(primary_key=True)
    other_id: str = Field(primary_key=True)
    probability: float
    joined_at: datetime = _moment()


class Attached(SQLModel, table=True):
    """A file as it stands on a client of an account: the same content is brought there once."""

    __tablename__ = "attached"
    account: str = Field(primary_key=True)
    client_id: str = Field(primary_key=True)
    content_hash: str = Field(primary_key=True)
    """Keyed hash of the file's SHA-256."""
    remote_id: str
    """The attachment there."""
    seen_at: datetime = _moment()


class FileLook(SQLModel, table=True):
    """A client of a booking side whose files were listed."""

    __tablename__ = "file_look"
    account: str = Field(primary_key=True)
    client_id: str = Field(primary_key=True)
    looked_at: datetime = _moment()


class Due(SQLModel, table=True):
    """What VetBridge has put on a client of a booking side about the services that are due."""

    __tablename__ = "due"
    account: str = Field(primary_key=True)
    client_id: str = Field(primary_key=True)
    site: str
    content_sealed: bytes | None = _sealed()
    """What VetBridge wanted to stand there, what that side made of it, and the stamp of the last notice."""
    looked_on: str = ""
    """The last day, by the site's clock, for which it was worked out; ``again`` and a moment, where it is to be
    anew."""
    updated_at: datetime = _moment()


class Notice(SQLModel, table=True):
    """A message to an owner about services that are due: written down before it is sent, and sent once at most."""

    __tablename__ = "notice"
    __table_args__ = (sa.Index("notice_made", "account", "made_at"),)
    account: str = Field(primary_key=True)
    client_id: str = Field(primary_key=True)
    key_hash: str = Field(primary_key=True)
    """Keyed hash of what it is about: which services of which pets, due when, and which of the told days."""
    state: str
    """``intended``, ``sent``, ``unknown`` (the answer was lost: it is not sent again), ``not_done``."""
    stamp: str
    made_at: datetime = _moment()
    ended_at: datetime | None = _moment(nullable=True)


class Reading(SQLModel, table=True):
    """A first, counted reading of one kind of records: how far it has come."""

    __tablename__ = "reading"
    account: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    mark: str | None = None
    """Where it can be taken up again, as the connector tells it; None: at the beginning."""
    seen: int = 0
    total: int | None = None
    """What the side counts, if it tells."""
    begun_at: datetime = _moment()
    ended_at: datetime | None = _moment(nullable=True)


class CodeList(SQLModel, table=True):
    """A code list of an account as it was read last: to notice what a vendor's upgrade has changed."""

    __tablename__ = "code_list"
    account: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    """``appointment_type``, ``resource``, ``species``, ``breed``, ``sex`` or ``status``."""
    content: str
    """JSON: titles by code. Titles of services and of team members, nothing of an owner."""
    read_at: datetime = _moment()


class Shape(SQLModel, table=True):
    """Which paths of an account's records are known to hold a value: to notice what an upgrade has taken away."""

    __tablename__ = "shape"
    account: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    paths: str
    """JSON: ``filled``, ``sparse`` (not every record has the key) and ``lost`` paths, sorted."""
    read_at: datetime = _moment()


class Fuse(SQLModel, table=True):
    """The fuse of one pair: how much was let through by a person, and whether it has blown."""

    __tablename__ = "fuse"
    site: str = Field(primary_key=True)
    blown_at: datetime | None = _moment(nullable=True)
    counted_from: datetime | None = _moment(nullable=True)
    """Writes before this moment count no more: a person has let them through."""
    allowance: int = 0
    """So many more than the limit may go through within an hour after ``counted_from``."""


class MassEnd(SQLModel, table=True):
    """How many clients or pets of a PIMS account ended of late, and whether it is not believed that so many do."""

    __tablename__ = "mass_end"
    account: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    counted_from: datetime | None = _moment(nullable=True)
    counted: int = 0
    """Those that ended since then."""
    allowance: int = 0
    """So many more than the limit may, as a person has said."""
    held_at: datetime | None = _moment(nullable=True)
    ending: int = 0
    """So many would end, and are not believed to."""
    standing: int = 0
    """Of so many that stand."""
    review_id: int | None = Field(default=None, sa_type=Id)
    """The question about it."""


class Run(SQLModel, table=True):
    """One life of the daemon, or one pass of `sync`."""

    __tablename__ = "run"
    id: int | None = Field(default=None, sa_type=Id, primary_key=True)
    command: str
    pid: int
    started_at: datetime = _moment()
    ended_at: datetime | None = _moment(nullable=True)
