"""What the simulator of Altegio can be told to do otherwise: where the sheet's sources disagree, where it knows
nothing, and which rights the user lacks (altegio.md). docs/connectors/altegio.md has the same list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints


class Switches:
    """Each is an option of ``build``, and may be changed while the simulator serves: ``POST /_sim/switches``."""

    # -- the answers' form (sections 1 and 8)
    empty_meta: Literal["list", "object"] = "list"
    """``meta`` where it says nothing."""
    error_shape: Literal["object", "array", "objects", "top"] = "object"
    """``meta.errors`` as field -> messages, as messages, as objects of one key; or ``errors.message`` at the top."""
    booking_code: Literal["top", "meta"] = "top"
    """Whether the codes 431 to 438 stand in a top-level ``errors`` object or in ``meta.errors``."""
    errors_inside: bool = False
    """What is refused is answered 200 with ``success`` false."""
    numbers: Literal["number", "text"] = "number"
    """Whole numbers and prices in ``data`` as JSON numbers or as text."""
    flags: Literal["bool", "number"] = "bool"
    """Booleans in ``data`` as such or as 0 and 1."""
    delete_answer: Literal[204, 200] = 204
    """What a DELETE is answered with."""
    field_put_answer: Literal[200, 204] = 200
    """What a changed custom field definition is answered with."""
    auth_answer: Literal["envelope", "bare"] = "envelope"
    """``POST /auth`` in the envelope, or as old replies, without one."""
    two_factor: bool = False
    """``POST /auth`` asks for a code first."""
    require_accept: bool = False
    """400 without a vendor media type in Accept, as for partners above 1743."""
    retry_after: bool = True
    """The 429 carries ``Retry-After``."""
    licence_expired: bool = False
    """402 from the client search, 403 from everything else."""

    # -- the location
    timezone_form: Literal["hours", "name"] = "hours"
    """``timezone`` of the location as hours or as an IANA name; ``timezone_name`` is always the name."""
    one_staff: Literal["object", "array"] = "object"
    """The form in which one team member is answered."""
    chain: bool = False
    """The location belongs to a chain: ``/groups`` shows it, and custom fields can be defined by API."""
    phone_confirmation: bool = False
    """The widget demands the code of a text message."""
    working_hours: Literal["open", "kept"] = "open"
    """``kept``: a time outside of the schedule is busy, unless ``save_if_busy``."""
    missing_fields: frozenset[str] = frozenset()
    """Codes of custom fields that a new store does not define."""
    blocked_phones: frozenset[str] = frozenset()
    """Phones that the widget answers 434."""

    # -- records
    create_answer: Literal["array", "object"] = "array"
    """The answer of ``POST /records``."""
    record_date: Literal["naive", "iso"] = "naive"
    """``date`` of a record."""
    winter_offset: bool = False
    """``datetime`` of summer visits carries the winter offset (section 8.1)."""
    comer: Literal["null", "boolean", "object"] = "null"
    """``comer`` of a record with a client."""
    label_ids: Literal["text", "number"] = "text"
    """Ids in ``record_labels``."""
    visit_ids: Literal["number", "text"] = "number"
    """``visit_id``."""
    record_order: Literal["ascending", "descending"] = "ascending"
    """Order of ``/records`` by id: none is documented."""
    api_ids: Literal["any", "number"] = "any"
    """``number``: of a record's ``api_id`` only a number is kept, another text becomes "0", as one integrator says of
    the live API (mcp-altegio 1.2.0; section 3.7 knows of UUIDs there)."""
    attendance_field: Literal["both", "visit"] = "both"
    """``visit``: records come without ``attendance``, with ``visit_attendance`` alone (section 8.7)."""
    put_clears: bool = False
    """A PUT of a record empties the optional fields that it leaves out."""
    busy_status: Literal[422, 400] = 422
    """How a busy slot is refused to staff."""
    came_is_final: bool = False
    """A record whose client came takes no update."""
    edit_days: int = -1
    """Records older than so many days take no update; -1: all do."""

    # -- clients
    fullname: Literal["whole", "split"] = "whole"
    """Where the widget's one name goes on a new card."""
    empty_fields: Literal["list", "object"] = "list"
    """Custom fields where none has a value (section 3.9)."""
    phone_form: Literal["plus", "bare", "number"] = "plus"
    """Phones as ``"+44..."``, ``"44..."`` or a number."""
    no_birth_date: Literal["empty", "null", "1970"] = "empty"
    """An unknown date of birth as ``""``, null or 1970-01-01."""
    gender_names: Literal["both", "gender", "sex"] = "both"
    """``gender`` and ``sex`` side by side, or one spelling alone; so with ``middle_name`` and ``patronymic``."""
    duplicate_status: Literal[422, 400, 500] = 422
    """How a phone is refused that another card has."""
    bounds_zone: Literal["site", "utc"] = "site"
    """The zone of ``changed_after`` and ``changed_before``."""
    drifted_comments: bool = False
    """Comments are served on ``/clients/{id}/clients/{client_id}/comments`` too."""
    downloads: Literal["open", "tokens", "page"] = "open"
    """Who gets a client's file from its address: whoever asks; who shows both tokens, and others a 401, or a web page
    to sign in at."""
    download_seconds: int = 0
    """So long a file takes on its way."""
    file_names: Literal["whole", "stem"] = "whole"
    """Whether ``name`` of a file has the ending, which ``extension`` has in any case."""

    # -- what the user's rights hide (section 3.14); lists shorten without a word
    denied_rights: frozenset[str] = frozenset()
    """Rights that the user lacks."""
    hidden_contacts: Literal["empty", "missing", "stars"] = "empty"
    """Phones and e-mails that the user may not see."""
    cut_surnames: bool = False
    """Family names are cut to an initial and middle names are hidden."""
    own_clients_of: int = 0
    """Id of the team member whose clients alone the user sees; 0: all."""
    last_days: int = -1
    """The user sees no record older than so many days; -1: all."""

    # -- webhooks (section 5)
    webhook_retries: bool = True
    """Two more tries, or a single one. Only as an option, not while it serves."""
    webhook_form: Literal["object", "array"] = "object"
    """One event, or a list of one."""
    webhook_data: Literal["full", "partial"] = "full"
    """``partial``: an update carries what changed alone."""
    webhook_words: Literal["plain", "synonyms"] = "plain"
    """``status`` as documented, or as ``record_created``, ``canceled``."""
    webhook_masked: bool = True
    """The user's rights hide contacts in webhooks too."""
    hooks_form: Literal["plain", "per_url", "old"] = "plain"
    """GET of the settings: flags; ``url_settings`` too; or without what an old backend does not know."""

    # -- the marketplace (section 6)
    installed: bool = True
    """The app is active at every location of a new store, or nobody has clicked Connect yet. Only as an option."""
    activate_within: int = 3600
    """Seconds after Connect in which an activation is taken: one hour or twelve (43200)."""
    uninstalled_status: Literal[403, 401] = 403
    """What the user is answered at a location where the app is not, or not yet, installed."""
    frozen_status: Literal[403, 401, 402, None] = 403
    """What the user is answered while the app is frozen; null: all as usual. Webhooks end with the access."""
    uninstalled_shown: Literal["status", "logs"] = "status"
    """Whether the status names an app that was uninstalled, or only its logs do."""

    def turn(self, name: str, value: Any) -> None:
        """Sets a switch. Raises ``ValueError`` for a name or a value that there is not."""
        setattr(self, name, _checked(name, value))


SWITCHES: Mapping[str, Any] = get_type_hints(Switches)
"""The type of each switch by name."""


def _checked(name: str, value: Any) -> Any:
    if name not in SWITCHES:
        raise ValueError(f"there is no switch {name[:40]!r}")
    wanted = SWITCHES[name]
    if get_origin(wanted) is Literal:
        allowed = get_args(wanted)
        if not any(type(value) is type(one) and value == one for one in allowed):
            raise ValueError(f"{name} is one of {', '.join(map(str, allowed))}")
        return value
    if get_origin(wanted) is frozenset:
        if (
            isinstance(value, str)
            or not isinstance(value, Iterable)
            or not all(isinstance(one, str) for one in value)
        ):
            raise ValueError(f"{name} is a list of texts")
        return frozenset(value)
    if type(value) is not wanted:
        raise ValueError(f"{name} is of type {wanted.__name__}")
    return value
