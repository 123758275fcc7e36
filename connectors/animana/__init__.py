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
        ),
        Way(
            connector="files",
            profile="files.yaml",
            title="exported files and the work list",
            advice="take it today: somebody exports clients, patients and diary, and types what VetBridge lists",
            proven="fictional profile for rehearsal",
        ),
    ),
    ask_vendor=(
        "access to Animana's API for partners, by IDEXX's request form, with its documents",
        "a test practice to try it on",
        "which exports there are, in which form, and whether they can run by themselves each night",
    ),
    simulator="connectors.animana.simulator",
)
