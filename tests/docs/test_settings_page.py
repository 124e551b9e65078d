"""docs/settings.md says what the settings are."""

from __future__ import annotations

import re

import msgspec

from agents.settings import DERIVED
from watchloop.settings import ProgramSettings
from watchloop.settings_page import PAGE, docstrings, settings_page


def structs(struct):
    """A Struct's type and the types of the Structs in its defaults."""
    yield struct
    for field in msgspec.structs.fields(struct):
        if isinstance(field.default, msgspec.Struct):
            yield from structs(type(field.default))


def test_page_is_up_to_date():
    """The page is what the definitions make; `python -m watchloop.settings_page` writes it anew."""
    assert PAGE.read_text() == settings_page()


def test_every_setting_says_what_it_means():
    """No setting of any room is without its docstring."""
    for struct in structs(ProgramSettings):
        if struct is ProgramSettings:
            continue
        silent = [name for name, text in docstrings(struct).items() if not text]
        assert silent == [], struct.__name__


def test_every_setting_is_on_the_page():
    """Each setting's name stands in a row of its own."""
    derived = {name.split(".")[1] for name in DERIVED}
    rows = set(re.findall(r"^\| `(\w+)` \|", settings_page(), re.MULTILINE))
    for struct in structs(ProgramSettings):
        plain = {f.name for f in msgspec.structs.fields(struct) if not isinstance(f.default, msgspec.Struct)}
        assert plain - {"models"} - derived <= rows, struct.__name__
    assert not derived & rows
