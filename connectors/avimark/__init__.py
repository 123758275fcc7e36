"""Covetrus AVImark, a practice system that vendors' feeds show, or files; its own data files nobody touches."""

from __future__ import annotations

from vetbridge.connector.plugin import System, Way, WayPart
from vetbridge.core.records import Kind

system = System(
    name="avimark",
    title="Covetrus AVImark",
    package="connectors.avimark",
    ways=(
        Way(
            connector="vetdata",
            title="VetData, Covetrus' feed, with diary and reminders as files and the work list",
            advice="take it where Covetrus lets you in as a partner: the feed shows clients, pets, owners' shares "
            "and vaccinations, reports write diary and reminders into a folder, and staff type what VetBridge lists",
            proven="feed documented in part, diary by neutral tables; not run against a live site",
            asks={
                "installation": "the installation, a GUID that Covetrus names for your practice",
                "username": "the partner's user name",
                "password": "the partner's password",
                "client_id": "the client ID that Covetrus issued for tokens (where you have none: auth=basic)",
            },
            after=(
                "Let AVImark's reports of appointments and reminders be written into in/ of that folder; `doctor` "
                "says how they have to be called, and whether their numbers are those that the feed shows.",
                "Name the codes of vaccines in the option vaccines, where vaccinations are to count as due services.",
                "Once all are there, `mapping fill` drafts which of their codes means what.",
            ),
            parts={
                "diary": WayPart(
                    connector="files",
                    serves=(Kind.APPOINTMENT, Kind.REMINDER),
                    profile="files.yaml",
                    asks={"folder": "the folder into which the reports of appointments and reminders are written"},
                )
            },
        ),
        Way(
            connector="idexx_data_services",
            title="IDEXX Data Services, read only, and the work list",
            advice="take it where IDEXX lets you in as a partner: the diary comes by it, too; it takes no writes for "
            "AVImark, so staff type what VetBridge lists",
            proven="needs the vendor's partner papers",
            sets={"writes": "handed"},
            rehearsed=False,
            asks={
                "base_url": "the service's address, from the partner's papers",
                "site_id": "the number that IDEXX names for your site",
            },
            after=(
                "`odata discover ACCOUNT --draft avimark-idexx.yaml` drafts the profile from the service's metadata: "
                "confirm each name, and name the file in the account's option profile.",
                "Then `mapping fill` drafts which of the codes means what.",
            ),
        ),
        Way(
            connector="files",
            profile="files.yaml",
            title="exported files and the work list",
            advice="take it today: reports write clients, patients, appointments and reminders into a folder, and "
            "staff type what VetBridge lists; nothing is installed beside AVImark",
            proven="neutral tables; not run against a live site",
            asks={"folder": "the folder into which reports are written"},
            after=(
                "Let AVImark's reports be written into in/ of that folder: clients, patients, appointments and "
                "reminders, each as a file of its own; `doctor` says how they have to be called.",
                "Once they are there, `mapping fill` drafts which of their codes means what.",
            ),
        ),
    ),
    ask_vendor=(
        "access to VetData for your practice as a partner, with its documents: user and password or the client ID "
        "for tokens, and the installation's GUID",
        "which reports write clients, patients, appointments and reminders into files by themselves, at fixed times, "
        "with the practice's own numbers",
        "of IDEXX: access to Data Services for a practice with AVImark, with the names of its entity sets",
        "whether there is a documented way to enter an appointment from outside: AVImark Sync, its automation "
        "interface, or another",
    ),
    simulator="connectors.avimark.simulator",
)
