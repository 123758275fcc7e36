"""The audit of the whole morning: each branch by itself, the sums, and that the branches were left apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from vetbridge.demo.audit import WRONGS, Audit
from vetbridge.demo.findings import Finding, Place, Wrong
from vetbridge.demo.story import Branch, Case, DeskCase


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What was seen of the chain as a whole."""

    connected: int = 0
    """Branches of which the platform says that VetBridge is connected, at the end."""
    went_on: int = 0
    """Bookings of the other branches that came through while one branch's PIMS did not answer."""


@dataclass(frozen=True, slots=True)
class Whole:
    """The audits of all branches; of one clinic there is but one. ``chain`` is None where there is no chain."""

    branches: tuple[tuple[Branch, Audit], ...]
    chain: Chain | None = None

    @property
    def audits(self) -> tuple[Audit, ...]:
        """Without the branches' names."""
        return tuple(audit for _, audit in self.branches)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them."""
        return tuple(finding for audit in self.audits for finding in audit.findings)

    @property
    def clean(self) -> bool:
        """No branch has a finding, and every branch is connected still."""
        return not self.findings and (self.chain is None or self.chain.connected == len(self.branches))

    @property
    def complete(self) -> bool:
        """All that the mornings are to show was there to be seen."""
        return all(audit.complete for audit in self.audits) and (self.chain is None or self.chain.went_on > 0)

    @property
    def wrongs(self) -> tuple[Wrong, ...]:
        """What must not happen here."""
        return WRONGS if self.chain is None else tuple(Wrong)

    def count(self, wrong: Wrong) -> int:
        """The same as of one audit, over all branches."""
        return sum(audit.count(wrong) for audit in self.audits)

    def numbers(self, seconds: float) -> dict[str, object]:
        """The line that ``vetbridge demo --json`` ends with."""
        each = [(branch, audit.numbers(seconds)) for branch, audit in self.branches]
        if self.chain is None:
            return dict(each[0][1])
        fixed = ("schema", "seconds")
        line: dict[str, object] = {}
        for name, value in each[0][1].items():
            line[name] = value if name in fixed else sum(numbers[name] for _, numbers in each)
        of_chain = {
            Wrong.BRANCH.value: self.count(Wrong.BRANCH),
            "recognised": sum(audit.recognised for audit in self.audits),
            "branches": len(self.branches),
            "connected": self.chain.connected,
            "went_on": self.chain.went_on,
        }
        per_branch = [
            {
                "branch": branch.site,
                **{name: value for name, value in numbers.items() if name not in fixed},
                Wrong.BRANCH.value: audit.count(Wrong.BRANCH),
                "recognised": audit.recognised,
            }
            for (branch, numbers), audit in zip(each, self.audits, strict=True)
        ]
        return {**line, **of_chain, "per_branch": per_branch}

    def cases(self) -> Iterator[tuple[Case, dict[Place, int], int]]:
        """Each case with its bookings by place, and how many of them were found wrong."""
        for same in zip(*(audit.cases() for audit in self.audits), strict=True):
            places: Counter[Place] = Counter()
            for _, found, _ in same:
                places.update(found)
            yield same[0][0], dict(places), sum(wrong for _, _, wrong in same)

    def desk_cases(self) -> Iterator[tuple[DeskCase, int, int]]:
        """Each case of desk visits with how many there are, and how many of them were found wrong."""
        for same in zip(*(audit.desk_cases() for audit in self.audits), strict=True):
            yield same[0][0], sum(count for _, count, _ in same), sum(wrong for _, _, wrong in same)
