"""The example settings and the Prometheus files fit the program."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
import yaml
from prometheus_client import REGISTRY

from agents.shared import metrics
from embedded.clickhouse.engine import analyst_base
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from tests.support.paths import ROOT
from watchloop.cli.shared import ADDRESSES
from watchloop.settings import ProgramSettings, is_set, load_settings

NOT_DEFAULT = {"models", "queue"}


def test_example_settings_are_accepted():
    """watchloop.example.toml loads, and what it says of a model arrives."""
    settings = load_settings(ROOT / "watchloop.example.toml", {})
    churn = settings.model("churn")
    assert churn.labels == ("leaves", "stays")
    assert churn.triage.rules[0].text == "rule large contracts: a wrong answer here is expensive"
    assert settings.queue.escalate.opinions_needed == 2


def test_example_shows_the_defaults():
    """Sections that do not say otherwise hold the defaults, so that the example does not grow old."""
    settings, default = load_settings(ROOT / "watchloop.example.toml", {}), ProgramSettings()
    for name in ProgramSettings.__struct_fields__:
        if name not in NOT_DEFAULT:
            assert getattr(settings, name) == getattr(default, name), name


@pytest.mark.parametrize("address", ADDRESSES.values())
def test_example_sets_no_server_of_ones_own(address):
    """Copied as it is, it leaves the stopped servers of `up` to the commands; it shows the default in a comment."""
    section, key = address.split(".")
    assert not is_set(address, ROOT / "watchloop.example.toml", {})
    default = getattr(getattr(ProgramSettings(), section), key)
    assert f'# {key} = "{default}"' in (ROOT / "watchloop.example.toml").read_text()


def exposed_names():
    """Every sample name that a worker's /metrics can hold."""
    assert metrics.INTAKE_EVENTS in REGISTRY._collector_to_names
    return {name for names in REGISTRY._collector_to_names.values() for name in names}


def test_rules_use_metrics_that_exist():
    """Each watchloop_… name of the rules is one that agents/shared/metrics.py defines, each label one that it has."""
    rules = yaml.safe_load((ROOT / "deploy" / "alert-rules.yml").read_text())["groups"][0]["rules"]
    used = {name for rule in rules for name in re.findall(r"watchloop_\w+", rule["expr"])}
    assert used
    assert used <= exposed_names()
    labels = {
        "watchloop_overdue_tasks": metrics.OVERDUE_TASKS,
        "watchloop_open_tasks": metrics.OPEN_TASKS,
        "watchloop_alerts_fired_total": metrics.ALERTS_FIRED,
    }
    for rule in rules:
        for name, label in re.findall(r"(watchloop_\w+)\{(\w+)", rule["expr"]):
            assert label in labels[name]._labelnames


def test_prometheus_reads_the_rules_and_every_role():
    """prometheus.yml names the rule file beside it and one target for each role."""
    configured = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())
    assert [(ROOT / "deploy" / name).exists() for name in configured["rule_files"]] == [True]
    targets = {
        config["labels"]["role"]: config["targets"] for config in configured["scrape_configs"][0]["static_configs"]
    }
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert targets == {
        role: [f"{role}:{8080 if role == 'desk' else 9100}"]
        for role in ("intake", "drift", "learn", "record", "desk")
        if role in services
    }


def test_the_analyst_of_ones_own_server_has_the_embedded_ones_limits():
    """Same numbers, final settings, and no grant but to read the program's database."""
    root = ET.parse(ROOT / "deploy" / "clickhouse-analyst.xml").getroot()
    profile = {setting.tag: setting.text for setting in root.iterfind("profiles/analyst/*")}
    embedded = EmbeddedClickHouseSettings()
    base = analyst_base(embedded)
    assert {name: profile.get(name) for name in base} == base
    assert profile["allow_ddl"] == "0"
    assert int(profile["max_concurrent_queries_for_user"]) == embedded.analyst_handles + embedded.waiting_queries_max
    assert [query.text for query in root.iterfind("users/analyst/grants/query")] == ["GRANT SELECT ON watchloop.*"]
