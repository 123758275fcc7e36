"""The chains of a config: which PIMS accounts belong together, and what people call the branches."""

from __future__ import annotations

from collections.abc import Mapping

from vetbridge.config.models import Site


def chains(sites: Mapping[str, Site]) -> dict[str, dict[str, frozenset[str]]]:
    """The organisations with several PIMS accounts: each account with its clients who are nobody, placeholders."""
    found: dict[str, dict[str, frozenset[str]]] = {}
    for site in sites.values():
        if site.organisation is not None:
            chain = found.setdefault(site.organisation, {})
            stand_in = frozenset() if site.pims.placeholder is None else frozenset({site.pims.placeholder.client})
            chain[site.pims.account] = chain.get(site.pims.account, frozenset()) | stand_in
    return {name: chain for name, chain in found.items() if len(chain) > 1}


def branches(sites: Mapping[str, Site], of: Site) -> dict[str, str]:
    """The other PIMS accounts of a site's chain, each with the name of its site, or of its sites."""
    names: dict[str, list[str]] = {}
    for site in sites.values():
        if of.organisation is not None and site.organisation == of.organisation:
            names.setdefault(site.pims.account, []).append(site.name)
    return {account: ", ".join(each) for account, each in names.items() if account != of.pims.account}
