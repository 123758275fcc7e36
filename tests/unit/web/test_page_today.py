"""The first page: the light of each site, and where its numbers lead."""

from __future__ import annotations

from tests.unit.desk.practice import Desk, Parked, Settled
from tests.unit.web.conftest import Serve
from tests.unit.web.served import Served
from vetbridge.desk import failures
from vetbridge.ledger import accounts, mirror
from vetbridge.ledger.tables import ChangeState


def well(served: Served) -> None:
    """The clients of the PIMS have been read."""
    with served.ledger.write() as tx:
        mirror.completed(tx, "ezyvet-city", first=True)


def test_a_site_that_works_is_well_by_word_shape_and_colour(served: Served) -> None:
    well(served)
    page = served.browser("Ann").get("/").text
    assert "City Vets" in page
    assert '<span class="light good">' in page
    assert "All is well" in page
    assert "No booking was carried over yet." in page


def test_a_failure_needs_somebody_until_it_is_acknowledged(served: Served, settled: Settled) -> None:
    well(served)
    number = settled(ChangeState.FAILED, "refused")
    browser = served.browser("Ann")
    page = browser.get("/").text
    assert '<span class="light bad">' in page
    assert '<a href="/failures?site=city">One failure waits to be seen to.</a>' in page
    with served.ledger.write() as tx:
        failures.acknowledge(tx, [number], by="Sue")
    assert "All is well" in browser.get("/").text


def test_a_question_whose_visit_is_near_leads_to_it(served: Served, parked: Parked) -> None:
    well(served)
    page = served.browser("Ann").get("/").text
    assert '<span class="light look">' in page
    assert '<a href="/review?site=city">One question waits. The next visit is in 60 minutes.</a>' in page


def test_of_many_sites_those_that_are_well_are_only_counted(desk: Desk, serve: Serve) -> None:
    config = desk.config()
    city = config["sites"].pop("city")
    for number in range(15):
        site = {**city, "name": f"Clinic {number} <b>"}
        for side, account in (("booking", f"b{number}"), ("pims", f"p{number}")):
            config["accounts"][account] = config["accounts"][city[side]["account"]]
            site[side] = {**city[side], "account": account}
        config["sites"][f"s{number}"] = site
    del config["accounts"]["altegio-city"], config["accounts"]["ezyvet-city"]
    desk.save(config)
    served = serve()
    with served.ledger.write() as tx:
        for number in range(15):
            accounts.enrol(tx, f"p{number}", "ezyvet", country="GB")
        for number in range(14):
            mirror.completed(tx, f"p{number}", first=True)
    page = served.browser("Ann").get("/").text
    assert page.count('<li class="card">') == 1
    assert "Clinic 14 &lt;b&gt;" in page
    assert "14 more sites: all is well" in page
    assert "<li>Clinic 3 &lt;b&gt;:" in page
