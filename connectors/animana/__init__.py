"""Animana, a practice system that generic connectors serve."""

from __future__ import annotations

from vetbridge.connector.plugin import System, Way

system = System(
    name="animana",
    title="Animana",
    package="connectors.animana",
    ways=(
        Way(
            connector="rest",
            profile="rest.yaml",
            title="Animana's API, with the partner's papers",
            advice="take it where IDEXX let you in, with a profile from its papers; the shipped one is a rehearsal",
            proven="needs the vendor's partner papers",
            asks={
                "base_url": "the API's address, from the partner's papers",
                "secrets.client_id": "as the rehearsal names it",
                "secrets.client_secret": "as the rehearsal names it",
            },
            after=(
                "The shipped profile describes a rehearsal (`vetbridge simulate animana`), not Animana's API: write "
                "your own from the partner's papers, and name it in the account's option profile.",
                "`rest try` shows what comes of each field; it only reads.",
            ),
        ),
        Way(
            connector="files",
            profile="files.yaml",
            title="exported files and the work list",
            advice="take it today: somebody exports clients, patients and diary, and types what VetBridge lists",
            proven="fictional profile for rehearsal",
            asks={"folder": "the folder into which exports are put"},
            after=(
                "Put Animana's exports into in/ of that folder: clients, patients and the diary, each as a file of "
                "its own; `doctor` says how they have to be called.",
                "Once they are there, `mapping fill` drafts which of their codes means what.",
            ),
        ),
    ),
    ask_vendor=(
        "access to Animana's API for partners, by IDEXX's request form, with its documents",
        "a test practice to try it on",
        "which exports there are, in which form, and whether they can run by themselves each night",
    ),
    simulator="connectors.animana.simulator",
)
