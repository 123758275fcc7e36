"""IDEXX Cornerstone, a practice system that the vendor's data services, files or a restored copy show."""

from __future__ import annotations

from vetbridge.connector.plugin import System, Way

system = System(
    name="cornerstone",
    title="IDEXX Cornerstone",
    package="connectors.cornerstone",
    ways=(
        Way(
            connector="idexx_data_services",
            title="IDEXX Data Services, reading and writing",
            advice="take it where IDEXX lets you in as a partner, which takes months: it is the one documented way "
            "to write an appointment into Cornerstone",
            proven="needs the vendor's partner papers",
            asks={
                "base_url": "the service's address, from the partner's papers",
                "site_id": "the number that IDEXX names for your site",
            },
            after=(
                "`odata discover ACCOUNT --draft cornerstone.yaml` drafts the profile from the service's metadata: "
                "confirm each name, and name the file in the account's option profile.",
                "Make a client with a patient in Cornerstone that stand for bookings whose owner is not certain yet, "
                "and name both as the site's placeholder: nobody is scheduled there without a patient.",
                "Begin with writes: handed; take it out once a test practice has shown what becomes of a visit.",
            ),
        ),
        Way(
            connector="files",
            profile="files.yaml",
            title="exported files and the work list",
            advice="take it today: Practice Explorer's reports write clients, patients and appointments into a "
            "folder, and staff type what VetBridge lists; nothing is installed beside Cornerstone",
            proven="headings that VetBridge proposes; not run against a live site",
            asks={"folder": "the folder into which reports are written"},
            after=(
                "Make the reports in Practice Explorer with the headings of connectors/cornerstone/files.yaml, or "
                "copy that file and name yours; they go to in/ of that folder, each as a file of its own.",
                "Once they are there, `mapping fill` drafts which of their codes means what.",
            ),
        ),
        Way(
            connector="sql",
            title="a restored copy of the database, read only, and the work list",
            advice="take it where the clinic's IT restores last night's backup on a server of its own: no table of "
            "Cornerstone's is public, so the clinic writes the profile itself",
            proven="no table is public; the site's own profile",
            sets={"dialect": "sqlanywhere"},
            rehearsed=False,
            asks={
                "profile": "the path of your own profile, which ends in .yaml",
                "connection": "the ODBC connection string of the restored copy, with a login that may only read",
            },
            after=(
                "`sql discover ACCOUNT` lists tables, columns and counts, and never data: write the profile from it, "
                "as docs/connectors/sql.md shows.",
                "Then `mapping fill` drafts which of the database's codes means what.",
            ),
        ),
    ),
    ask_vendor=(
        "access to IDEXX Data Services for your own practice, with its documents, a sandbox, and the writes of "
        "appointments, documents and the communication log (Cornerstone 9.6 or later)",
        "how soon a written appointment shows in what is read, and whether one that is sent twice is made twice",
        "what becomes of the number of a client who is merged, purged, or given another ID",
        "whether Practice Explorer can run reports by itself at fixed times, and write them into a folder",
        "consent to read a restored copy of the database, and what its tables and columns mean",
    ),
    simulator="connectors.cornerstone.simulator",
)
