"""The config's organisations: which accounts are joined, what the branches are called, and the round that joins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from tests.unit.desk.practice import Desk, desk, ledger
from vetbridge.config.chains import branches, chains
from vetbridge.core.joining import Partner
from vetbridge.core.records import Client, Kind
from vetbridge.daemon.assembly import Program, build_program, prepare
from vetbridge.daemon.service import Service
from vetbridge.ledger import chains as kept
from vetbridge.ledger import changes, links, mirror
from vetbridge.ledger.database import Ledger

__all__ = ["desk", "ledger"]
JOHN = Client(id="1", given_name="John", family_name="Smith", phones=("07700 900123",), emails=("j@example.com",))
ENDS = ("booking", "pims")
NORTH, CITY = "ezyvet-north", "ezyvet-city"


def branch_out(desk: Desk, organisation: str | None = "happy-vets", **north: object) -> None:
    """Gives the clinic a second branch at a PIMS of its own."""
    data = desk.config()
    for account in ("altegio", "ezyvet"):
        data["accounts"][f"{account}-north"] = data["accounts"][f"{account}-city"]
    city = data["sites"]["city"]
    ends = {side: {**city[side], "account": city[side]["account"].replace("city", "north")} for side in ENDS}
    data["sites"]["north"] = {**city, **ends, "name": "North Vets", **north}
    for site in data["sites"].values():
        site.update({} if organisation is None else {"organisation": organisation})
    desk.save(data)


@pytest.fixture
def program(desk: Desk, ledger: Ledger) -> Iterator[Program]:
    branch_out(desk)
    with closing(build_program(desk.loaded(), desk.clock, ledger)) as built:
        with ledger.write() as tx:
            prepare(tx, built)
        yield built


def test_accounts_of_one_organisation_are_a_chain(desk: Desk) -> None:
    branch_out(desk)
    sites = desk.loaded().config.sites
    assert chains(sites) == {"happy-vets": {CITY: frozenset({"900"}), NORTH: frozenset({"900"})}}
    assert branches(sites, sites["city"]) == {NORTH: "North Vets"}


def test_sites_that_share_a_pims_are_no_chain_and_have_one_name(desk: Desk) -> None:
    branch_out(desk)
    data = desk.config()
    data["sites"]["north"]["pims"]["account"] = CITY
    del data["accounts"][NORTH]
    desk.save(data)
    sites = desk.loaded().config.sites
    assert chains(sites) == {}
    assert branches(sites, sites["city"]) == {}


def test_without_an_organisation_nobody_is_joined(desk: Desk, ledger: Ledger) -> None:
    branch_out(desk, organisation=None)
    sites = desk.loaded().config.sites
    assert chains(sites) == {}
    assert branches(sites, sites["city"]) == {}
    with closing(build_program(desk.loaded(), desk.clock, ledger)) as built:
        assert built.joiners == {}
        assert not [job.name for job in Service(built).jobs() if job.name.startswith("join:")]


def test_the_round_of_a_chain_joins_its_clients(program: Program, ledger: Ledger) -> None:
    with ledger.write() as tx:
        for account, id_ in ((CITY, "1"), (NORTH, "2")):
            mirror.put(tx, account, [replace(JOHN, id=id_)])
            mirror.completed(tx, account, first=True)
    (job,) = (job for job in Service(program).jobs() if job.name == "join:happy-vets")
    job.work()
    with ledger.read() as tx:
        assert kept.same_person(tx, CITY, "1") == ((NORTH, "2"),)
    assert program.pairs[0].branches == {NORTH: "North Vets"}


def test_a_start_ends_what_the_config_holds_together_no_more(desk: Desk, program: Program, ledger: Ledger) -> None:
    with ledger.write() as tx:
        kept.join(tx, (CITY, "1"), (NORTH, "2"), Partner("2", 1.0))
        prepare(tx, program)
        assert kept.same_person(tx, CITY, "1") == ((NORTH, "2"),)
    branch_out(desk, organisation=None)
    data = desk.config()
    for site in data["sites"].values():
        site.pop("organisation", None)
    desk.save(data)
    with closing(build_program(desk.loaded(), desk.clock, ledger)) as built, ledger.write() as tx:
        prepare(tx, built)
        assert kept.same_person(tx, CITY, "1") == ()


def test_the_links_of_a_site_that_has_another_name_now_wake_it(desk: Desk, program: Program, ledger: Ledger) -> None:
    with ledger.write() as tx:
        links.put(
            tx,
            site="north",
            kind=Kind.CLIENT,
            booking_account="altegio-north",
            booking_id="5",
            pims_account=NORTH,
            pims_id="2",
            origin="matched",
        )
    data = desk.config()
    data["sites"]["harbour"] = data["sites"].pop("north")
    desk.save(data)
    with closing(build_program(desk.loaded(), desk.clock, ledger)) as built, ledger.write() as tx:
        prepare(tx, built)
        (link,) = links.all_of_pims(tx, NORTH, Kind.CLIENT, ["2"])
        assert changes.receive_linked(tx, link, "opt-out").site == "harbour"
