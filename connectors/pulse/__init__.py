"""Covetrus Pulse, a practice system whose clients and pets the vendor's feed shows, and whose diary files do."""

from __future__ import annotations

from vetbridge.connector.plugin import System, Way, WayPart
from vetbridge.core.records import Kind

system = System(
    name="pulse",
    title="Covetrus Pulse",
    package="connectors.pulse",
    ways=(
        Way(
            connector="vetdata",
            title="VetData, Covetrus' feed, with the diary as files and the work list",
            advice="take it where Covetrus lets you in as a partner: the feed shows clients, pets, owners' shares "
            "and vaccinations, a report writes the diary into a folder, and staff type what VetBridge lists",
            proven="feed documented in part, diary by neutral tables; not run against a live site",
            asks={
                "installation": "the installation, a GUID that Covetrus names for your practice",
                "username": "the partner's user name",
                "password": "the partner's password",
                "client_id": "the client ID that Covetrus issued for tokens (where you have none: auth=basic)",
            },
            after=(
                "Let Pulse's report of appointments be written into in/ of that folder; `doctor` says how it has to "
                "be called, and whether its numbers of clients and patients are those that the feed shows.",
                "Name the codes of vaccines in the option vaccines, where vaccinations are to count as due services.",
                "Once both are there, `mapping fill` drafts which of their codes means what.",
            ),
            parts={
                "diary": WayPart(
                    connector="files",
                    serves=(Kind.APPOINTMENT,),
                    profile="files.yaml",
                    asks={"folder": "the folder into which the report of appointments is written"},
                )
            },
        ),
    ),
    ask_vendor=(
        "access to VetData for your practice as a partner, with its documents: user and password or the client ID "
        "for tokens, and the installation's GUID",
        "which report writes the appointments of the next weeks into a file by itself, at fixed times, with the "
        "practice's own numbers of clients and patients",
        "whether VetData has appointments and reminders, under which names, and how late its rows are",
        "Pulse's own API for partners, with its terms: whether it takes appointments",
    ),
    simulator="connectors.pulse.simulator",
)
