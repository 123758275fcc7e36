"""All doors that are fuzzed."""

from __future__ import annotations

from tests.fuzz.answers import Altegio, EzyVet, Rest
from tests.fuzz.carried import Carried
from tests.fuzz.documents import Config, Table, Weights
from tests.fuzz.door import Door
from tests.fuzz.exchanged import Exchanged
from tests.fuzz.files import ForAltegio, Lists
from tests.fuzz.hooks import Hooks
from tests.fuzz.installs import Installs
from tests.fuzz.people import Api, Page
from tests.fuzz.terminal import Arguments, Texts

DOORS: tuple[type[Door], ...] = (
    Hooks,
    Installs,
    Altegio,
    EzyVet,
    Rest,
    Config,
    Table,
    Weights,
    Lists,
    ForAltegio,
    Carried,
    Exchanged,
    Page,
    Api,
    Arguments,
    Texts,
)
