"""docker-compose.yml and what it mounts: no container engine is needed to see that it fits the program."""

from __future__ import annotations

import pathlib
import re
import shlex
from xml.etree import ElementTree as ET

import pytest
import yaml

from agents.shared.plan import WORKER_ROLES
from tests.support.docs.command_line import UsageError, parse
from tests.support.paths import ROOT
from watchloop.cli.main import app
from watchloop.settings import load_settings

GIVEN = re.compile(r"\$\{(?P<name>[A-Z_]+)(?::\?[^}]*)?\}")


@pytest.fixture(scope="module")
def services():
    """The services, merged as YAML merges them, with secrets of 48 characters."""
    text = (ROOT / "docker-compose.yml").read_text()
    return yaml.safe_load(GIVEN.sub("s" * 48, text))["services"]


def watchloop_services(services):
    return {name: service for name, service in services.items() if service["image"].startswith("watchloop:")}


def image_environment():
    """What the Dockerfile sets for every service."""
    text = (ROOT / "Dockerfile").read_text()
    return dict(re.findall(r"\b(WATCHLOOP_[A-Z_]+)=(\S+)", text))


def test_every_variable_is_a_setting(services):
    """Each service's WATCHLOOP_ variables, with those of the image, make valid settings and really set something."""
    for name, service in watchloop_services(services).items():
        environment = {**image_environment(), **{key: str(value) for key, value in service["environment"].items()}}
        settings = load_settings(pathlib.Path("/dev/null"), environment)
        assert settings.kafka.bootstrap == "kafka:9092", name
        assert settings.clickhouse.url == "http://clickhouse:8123", name
        assert settings.worker.metrics_port == 9100, name
        assert settings.worker.metrics_host == "0.0.0.0", f"{name}: Prometheus comes from another container"


def test_every_command_is_one_of_the_program(services):
    """The command line takes every service's command as it stands."""
    for name, service in watchloop_services(services).items():
        if "entrypoint" in service:
            (line,) = service["command"]
            commands = [shlex.split(part)[1:] for part in line.split("&&")]
            assert all(shlex.split(part)[0] == "watchloop" for part in line.split("&&")), name
        else:
            commands = [service["command"]]
        for command in commands:
            parse(app, command)


def test_a_wrong_command_would_be_noticed():
    """The check above can fail: an unknown option, an unknown noun."""
    with pytest.raises(UsageError):
        parse(app, ["worker", "--rolle", "intake"])
    with pytest.raises(UsageError):
        parse(app, ["topic", "create"])


def test_every_role_once(services):
    """Each role is one service's, and the service bears its name."""
    roles = {}
    for name, service in watchloop_services(services).items():
        if service["command"][0] == "worker":
            for role in parse(app, service["command"])["role"]:
                assert role not in roles
                roles[role] = name
    assert roles == {role: role for role in WORKER_ROLES}


def test_nothing_listens_to_the_world(services):
    """Every published port is bound to loopback."""
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), (name, port)


def test_every_service_restarts_and_says_how_it_is(services):
    """All but the one-shot restart; all of them have a healthcheck, by the image or their own."""
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()
    for name, service in services.items():
        assert service["restart"] == ("no" if name == "init" else "unless-stopped"), name
        assert "healthcheck" in service or service["image"].startswith("watchloop:"), name


def test_only_learn_can_sign(services):
    """The folder of the private key is mounted by one service; intake reads the public half."""
    holders = [
        name for name, service in services.items() if any("signing-key:" in v for v in service.get("volumes", []))
    ]
    assert holders == ["learn"]
    assert services["intake"]["volumes"] == ["public-keys:/var/lib/watchloop/keys/public:ro"]


def test_every_secret_is_in_the_example():
    """Whoever copies deploy/env.example has named every variable that the file asks for."""
    asked = {variable["name"] for variable in GIVEN.finditer((ROOT / "docker-compose.yml").read_text())}
    lines = (ROOT / "deploy" / "env.example").read_text().splitlines()
    assert asked == {line.partition("=")[0] for line in lines if "=" in line and not line.startswith("#")}


def test_analyst_of_the_server_only_reads(services):
    """The mounted file is XML, names the user of the settings, and takes the password that the service is given."""
    (mount,) = (volume for volume in services["clickhouse"]["volumes"] if volume.startswith("./"))
    root = ET.parse(ROOT / mount.split(":")[0]).getroot()
    analyst = load_settings(pathlib.Path("/dev/null"), {}).clickhouse.analyst_user
    assert root.findtext(f"profiles/{root.findtext(f'users/{analyst}/profile')}/readonly") == "1"
    assert root.find(f"users/{analyst}/password").get("from_env") in services["clickhouse"]["environment"]
