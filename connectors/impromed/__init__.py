"""ImproMed (Covetrus), a practice system without an API that is known: files, or its database, and the work list."""

from __future__ import annotations

from vetbridge.connector.plugin import System, Way

system = System(
    name="impromed",
    title="Covetrus ImproMed",
    package="connectors.impromed",
    ways=(
        Way(
            connector="files",
            profile="files.yaml",
            title="exported files and the work list",
            advice="take it today: a report writes clients, patients and appointments into a folder, and staff type "
            "what VetBridge lists; nothing is installed beside ImproMed",
            proven="columns from public sources; not run against a live site",
            asks={"folder": "the folder into which reports are written"},
            after=(
                "Let ImproMed's reports be written into in/ of that folder: clients, patients and appointments, each "
                "as a file of its own; `doctor` says how they have to be called.",
                "Once they are there, `mapping fill` drafts which of their codes means what.",
            ),
        ),
        Way(
            connector="sql",
            profile="sql.yaml",
            title="the database, read only, and the work list",
            advice="take it where the clinic's IT makes a login that may read a few views, and nothing else: changes "
            "come within minutes; needs the extra odbc and a driver for SQL Server",
            proven="columns from public sources; not run against a live site",
            sets={"dialect": "tsql"},
            asks={"connection": "the ODBC connection string with server, database, login and password"},
            after=(
                "`doctor` compares the columns that the login sees with those that are needed.",
                "`mapping fill` drafts which of the database's codes means what.",
            ),
        ),
    ),
    ask_vendor=(
        "whether ImproMed can write clients, patients and appointments into files at fixed times, with which columns",
        "consent to a second login that reads views of CLIENTS, PATIENTS, APPT_M and APPT_STATUS",
        "where a mobile number stands, and which tables name appointment types, employees, rooms and breeds",
        "what STATUS_GUID, TYPE and the cluster columns of APPT_M mean",
        "whether there is any documented way to write an appointment from outside",
    ),
    simulator="connectors.impromed.simulator",
)
