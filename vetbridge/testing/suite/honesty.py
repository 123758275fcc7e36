"""What is not declared is refused."""

# ruff: noqa: S101 - assertions are what these tests are made of, though they stand outside of tests/

from __future__ import annotations

from collections.abc import Callable

import pytest

from vetbridge.connector.interface import ExactlyOnce, Operation, Write
from vetbridge.core.errors import (
    Refused,
)
from vetbridge.core.records import Kind
from vetbridge.testing.suite.base import KINDS, Group
from vetbridge.testing.suite.subject import Subject


class Honesty(Group):
    """See the methods."""

    @pytest.mark.parametrize("kind", list(Kind))
    def test_undeclared_is_refused_unsent(self, subject: Subject, kind: Kind) -> None:
        """What is not declared raises ``Refused`` with code not-supported, and the side hears nothing of it."""
        connector = subject.connector
        can = connector.capabilities.of(kind)
        id_ = self.unknown_ids[0]
        refused: list[Callable[[], object]] = [
            lambda: list(connector.search(kind, {"favourite_colour": "blue"})),
            lambda: list(connector.search(kind, {})),
        ]
        if not can.read:
            refused += [lambda: connector.get(kind, id_), lambda: list(connector.changes(kind, None))]
        create = Write(operation=Operation.CREATE, kind=kind, id=None, native={})
        if not can.create:
            refused += [lambda: connector.apply(create), lambda: list(connector.look(create))]
        if can.create is ExactlyOnce.NONE:
            refused.append(lambda: list(connector.look(create)))
        if not can.update:
            refused.append(lambda: connector.apply(Write(operation=Operation.UPDATE, kind=kind, id=id_, native={})))
        if not can.cancel:
            refused.append(lambda: connector.apply(Write(operation=Operation.CANCEL, kind=kind, id=id_, native={})))
        if not can.handed:
            refused.append(lambda: connector.apply(Write(operation=Operation.RECALL, kind=kind, id=None, native={})))
        if not can.notify:
            told = Write(operation=Operation.NOTIFY, kind=kind, id=id_, native={"text": "Bella is due."})
            refused.append(lambda: connector.apply(told))
        if not can.logs:
            line = {"client_id": id_, "pet_id": None, "text": "Bella is due."}
            refused.append(lambda: connector.apply(Write(operation=Operation.LOG, kind=kind, id=id_, native=line)))
        if kind is Kind.ATTACHMENT and not can.read:
            refused.append(lambda: list(connector.content(id_)))
        before = subject.requests()
        for attempt in refused:
            with pytest.raises(Refused) as caught:
                attempt()
            assert caught.value.code == "not-supported"
        assert subject.requests() == before

    def test_declared_code_lists_answer_and_undeclared_refuse(self, subject: Subject) -> None:
        """Every list that is declared is answered, with the codes that the mapping uses; where none is, the side
        hears nothing."""
        connector = subject.connector
        declared = connector.capabilities.code_lists
        before = subject.requests()
        if not declared:
            with pytest.raises(Refused) as caught:
                connector.code_lists()
            assert caught.value.code == "not-supported"
            assert subject.requests() == before
            return
        lists = connector.code_lists()
        assert set(lists) == declared
        for name, titles in lists.items():
            assert all(isinstance(each, str) for pair in titles.items() for each in pair)
            codes = subject.mapper.codes[name].entries.values() if name in subject.mapper.codes else ()
            missing = {code for several in codes for code in several} - titles.keys()
            assert not missing, f"the list {name} lacks codes that the mapping uses"
        assert subject.requests() > before
        assert subject.writes() == 0

    @pytest.mark.parametrize("kind", KINDS)
    def test_undeclared_fields_do_not_pass_for_written(self, subject: Subject, kind: Kind) -> None:
        """An update of a field that is not declared to change is refused, or does change it; never taken and lost."""
        self.needs(subject, kind, "create")
        self.needs(subject, kind, "update")
        changes = self.changes_of(kind, subject)
        can = subject.connector.capabilities.of(kind)
        both = subject.mapper.writable(kind) & subject.mapper.readable(kind)
        undeclared = sorted((both - can.update - set(can.loss)) & set(changes))
        if not undeclared:
            pytest.skip("every field that is mapped both ways is declared to change")
        id_ = self.created(subject, kind)
        for name in undeclared:
            try:
                subject.connector.apply(self.write_of(subject, kind, Operation.UPDATE, {name: changes[name]}, id=id_))
            except Refused:
                continue
            self.assert_kept(subject, self.record(subject, kind, id_), kind, {name: changes[name]})
