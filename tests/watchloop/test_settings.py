"""A setting that is wrong is refused when the settings are read, with its place and with what it may be."""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import inspect as types

from agents.settings import DERIVED
from watchloop.demo.demo import with_labels
from watchloop.errors import WrongSetting
from watchloop.settings import ProgramSettings, load_settings

WRONG = "forrest"

Path = tuple[str, ...]


def leaves(setting_type: types.Type, path: Path = ()) -> Iterator[tuple[Path, types.Type]]:
    """Every setting by its path; a model is called ``m``, and arrays are handed out whole."""
    if isinstance(setting_type, types.StructType):
        for field in setting_type.fields:
            yield from leaves(field.type, (*path, field.name))
    elif isinstance(setting_type, types.DictType) and path == ("models",):
        yield from leaves(setting_type.value_type, (*path, "m"))
    else:
        yield path, setting_type


LEAVES = list(leaves(types.type_info(ProgramSettings)))


def element_of(setting_type: types.Type) -> types.Type:
    return setting_type.item_type if isinstance(setting_type, types.VarTupleType) else setting_type


def tree_of(path: Path, value: Any) -> Any:
    return value if not path else {path[0]: tree_of(path[1:], value)}


def toml_of(path: Path, value: Any) -> str:
    return f"[{'.'.join(path[:-1])}]\n{path[-1]} = {value}\n"


def refusal(folder: pathlib.Path, text: str, environment: dict[str, str] | None = None) -> str:
    """The line with which settings are refused."""
    file = folder / "watchloop.toml"
    file.write_text(text)
    with pytest.raises(WrongSetting) as refused:
        load_settings(file, environment or {})
    said = str(refused.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("path", "setting_type"),
    [(path, setting_type) for path, setting_type in LEAVES if isinstance(element_of(setting_type), types.LiteralType)],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
def test_a_word_that_is_none_of_a_list(tmp_path: pathlib.Path, path: Path, setting_type: types.Type) -> None:
    """Every setting that means one of a list names the file, itself, the wrong word and the whole list."""
    choices = element_of(setting_type).values  # type: ignore[attr-defined]
    value = json.dumps(WRONG) if isinstance(choices[0], str) else "98765"
    given = f"[{value}]" if isinstance(setting_type, types.VarTupleType) else value
    said = refusal(tmp_path, toml_of(path, given))
    for name in ("watchloop.toml", ".".join(path), value.strip('"'), *map(str, choices)):
        assert name in said, said


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
@pytest.mark.parametrize(
    "path", [path for path, setting_type in LEAVES if isinstance(setting_type, types.FloatType)], ids=".".join
)
def test_a_number_that_is_none(tmp_path: pathlib.Path, path: Path, value: str) -> None:
    """No setting takes an infinity or NaN, from the file or from the environment: they pass every bound."""
    said = refusal(tmp_path, toml_of(path, value))
    assert ".".join(path) in said
    variable = f"WATCHLOOP_{path[0].upper()}_{'__'.join(path[1:])}"
    assert variable in refusal(tmp_path, "", {variable: value})


@pytest.mark.parametrize(
    "path",
    [
        path
        for path, setting_type in LEAVES
        if isinstance(setting_type, types.VarTupleType)
        and isinstance(setting_type.item_type, types.StrType | types.LiteralType)
    ],
    ids=".".join,
)
def test_a_word_that_stands_twice(tmp_path: pathlib.Path, path: Path) -> None:
    """No list of words takes one of them twice."""
    default: Any = msgspec.to_builtins(ProgramSettings())
    for key in path:
        default = default.get(key) if key != "m" else default
        default = default if default is not None else {}
    words = {"image_origins": "https://images.example.org", "trusted_proxies": "10.0.0.1"}
    word = default[0] if default else words.get(path[-1], "yes")
    said = refusal(tmp_path, toml_of(path, json.dumps([word, word])))
    assert word in said
    assert "twice" in said
    assert path[-1] in said


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('[learning]\nmembers = ["forrest"]\n', ["learning.members", "'forrest'", "adaptive_forest"]),
        ("[learning]\nmembers = []\n", ["learning.members", ">= 1"]),
        ('[kafka]\nbootstrap = "localhost:99999"\n', ["kafka", "bootstrap", "localhost:99999", "HOST:PORT"]),
        ('[kafka]\nbootstrap = "one:9092,,two:9092"\n', ["kafka", "bootstrap", "HOST:PORT"]),
        ('[kafka]\nbootstrap = "http://localhost:9092"\n', ["kafka", "bootstrap", "HOST:PORT"]),
        ('[kafka]\nprefix = "a/b"\n', ["kafka.prefix", "regex"]),
        ('[kafka]\nregistry_url = "http://one:8081,http://:2"\n', ["kafka", "registry_url", "no host"]),
        ('[kafka.client]\n"isolation.level" = "read_uncommitted"\n', ["kafka", "isolation.level"]),
        ('[clickhouse]\nurl = "http://localhost:812x"\n', ["clickhouse", "url", "812x", "http://HOST:PORT"]),
        ('[clickhouse]\nurl = "https://"\n', ["clickhouse", "url", "no host"]),
        ('[clickhouse]\nanalyst_user = "watchloop"\n', ["clickhouse", "analyst_user", "watchloop"]),
        ("[console]\nsession_idle_seconds = 90000\n", ["console", "session_idle_seconds", "session_seconds_max"]),
        ("[drift]\npsi_warning = 2.0\n", ["drift", "psi_warning", "psi_critical"]),
        ("[drift]\nshift_sd_critical = 0.1\n", ["drift", "shift_sd_warning", "shift_sd_critical"]),
        ("[drift]\ndeparture_share_critical = 0.01\n", ["departure_share_warning", "departure_share_critical"]),
        ("[queue]\nprotected_tasks_max = 10\n", ["queue", "open_tasks_max", "protected_tasks_max"]),
        ("[embedded_kafka]\nlog_retention_bytes = 16777216\n", ["embedded_kafka", "segment_bytes"]),
        ("[embedded_clickhouse]\nmemory_bytes_max = 268435456\n", ["analyst_memory_bytes_max", "memory_bytes_max"]),
        ('[models.m]\nlabels = ["yes", ""]\n', ["models.m.labels", "length >= 1"]),
        ('[models.m]\nlabels = ["yes", "no "]\n', ["models.m", "labels", "'no ' has blanks around it"]),
        ('[models.m]\nlabels = ["yes", "__withdrawn__"]\n', ["models.m", "'__withdrawn__' is reserved for people"]),
        ('[models.m]\nlabels = ["caf\u00e9", "cafe\u0301"]\n', ["models.m", "labels has 'caf\u00e9' twice"]),
        ('[models.""]\nverdicts = "all"\n', ["models", "length >= 1"]),
        ("[models.m.triage]\naudit_rate = 0.5\n", ["models.m.triage", "audit_rate", "budget"]),
    ],
)
def test_settings_that_contradict_or_name_nothing(tmp_path: pathlib.Path, text: str, names: list[str]) -> None:
    """Addresses without a host, pairs the wrong way round, names of nothing: one line with the place."""
    said = refusal(tmp_path, text)
    for name in ["watchloop.toml", *names]:
        assert name in said, said


RULE = '[[default.triage.rules]]\nname = "r"\n'


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ('field = "amount"\nabove = 3.0\n', ["amount", "feature.NAME"]),
        ('field = "feature."\nabove = 3.0\n', ["feature.", "feature.NAME"]),
        ('field = "slice.region"\nabove = 3.0\n', ["slice.region", "equals or one_of"]),
        ('field = "risk"\nequals = 1.0\n', ["risk", "above, below or missing"]),
        ('field = "confidence"\nabove = 90.0\n', ["confidence", "from 0 to 1"]),
        ('field = "feature.x"\nabove = 3.0\nbelow = 1.0\n', ["exactly one of"]),
        ('field = "feature.x"\nabove = nan\n', ["rules[0].above", "finite"]),
        ('field = "feature.x"\nabove = 3.0\ndecision = "reject"\n', ["reject", "review", "escalate"]),
        ('field = "feature.x"\nover = 3.0\n', ["over", "above", "below"]),
    ],
)
def test_a_rule_that_can_never_match(tmp_path: pathlib.Path, rule: str, names: list[str]) -> None:
    """A rule on what no event has, or with a condition that cannot hold."""
    said = refusal(tmp_path, RULE + rule)
    for name in ["watchloop.toml", "default.triage.rules", *names]:
        assert name in said, said


def test_a_rule_for_an_answer_that_the_model_does_not_give(tmp_path: pathlib.Path) -> None:
    """Where the labels are declared, a rule names one of them."""
    rule = '[[models.m.triage.rules]]\nname = "r"\nfield = "prediction"\none_of = ["yes", "perhaps"]\n'
    said = refusal(tmp_path, f'[models.m]\nlabels = ["yes", "no"]\n{rule}')
    for name in ("models.m", "'perhaps'", "yes, no"):
        assert name in said, said
    (tmp_path / "watchloop.toml").write_text(rule)
    assert load_settings(tmp_path / "watchloop.toml", {}).models["m"].triage.rules


def test_a_label_may_be_called_nan(tmp_path: pathlib.Path) -> None:
    """Only numbers have to be finite; texts may be any."""
    (tmp_path / "watchloop.toml").write_text('[models.m]\nlabels = ["nan", "inf"]\n')
    assert load_settings(tmp_path / "watchloop.toml", {}).models["m"].labels == ("nan", "inf")


@pytest.mark.parametrize("name", sorted(DERIVED))
def test_what_follows_from_other_settings_is_none(tmp_path: pathlib.Path, name: str) -> None:
    """A number that would be overwritten is refused, with what decides it."""
    said = refusal(tmp_path, toml_of(tuple(name.split(".")), 0.5))
    assert name in said
    assert "triage.audit_rate" in said


def test_numbers_of_the_defaults_are_finite() -> None:
    """What is refused from a file is no default either."""
    defaults: Any = msgspec.to_builtins(ProgramSettings())
    numbers = [
        defaults[path[0]][path[1]]
        for path, setting_type in LEAVES
        if len(path) == 2 and setting_type == types.FloatType()
    ]
    assert all(map(math.isfinite, numbers))


def test_workers_of_a_demo_watch_it_as_the_settings_say(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the demo adds for its model reaches workers by the environment, and takes nothing of [default] away."""
    file = tmp_path / "watchloop.toml"
    file.write_text(
        '[default]\nverdicts = "exceptions"\n[default.triage]\nbudget = 0.3\n'
        '[[default.triage.rules]]\nname = "a \\"rule\\" \U0001f600"\nfield = "feature.x"\none_of = ["a", "b"]\n'
        'decision = "review"\n'
    )
    environment: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environment)
    told = with_labels(load_settings(file, {}), "elec2", ("DOWN", "UP"))
    assert told.model("elec2").labels == ("DOWN", "UP")
    assert told.model("elec2").triage == told.default.triage
    assert load_settings(file, environment).model("elec2") == told.model("elec2")
