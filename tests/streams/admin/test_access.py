"""Rights in Kafka, tried on a real broker: every user on every topic, and operations that no user may do."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined] # it exports without saying so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from embedded.kafka.server import EmbeddedKafka
from embedded.kafka.settings import EmbeddedKafkaSettings
from schemas.topics import ALL_TOPICS, PEOPLE, PREDICTIONS
from streams.admin.access import ANONYMOUS, RIGHTS, USERS, grants_of, scram_client, signed_in, topics_of
from streams.admin.authority import ANY, EVERYBODY, Access
from streams.admin.topics import check_reachable, create_topics, topic_ids
from streams.client_config import common_client_config
from streams.errors import KafkaUnreachable, TopicsNotCreated
from streams.settings import KafkaSettings
from tests.support.grants import table_of_grants
from tests.support.waiting import PATIENCE_SECONDS

PREFIX = "watchloop."
DENIED = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)
DENIED_ADMIN = (*DENIED, KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError._NOENT)
"""The last is librdkafka's own code for a topic that the user may not describe."""
ACCESS = Access({user: f"password of {user}" for user in USERS}, grants_of(RIGHTS, PREFIX))


def test_nobody_but_its_role_writes_what_decides() -> None:
    """The topics of people, models, alerts and verdicts are written by their own role, and by no producer."""
    writers = {topic: set(who) for topic, (who, _) in table_of_grants().items()}
    assert writers["people"] == {"admin"}
    assert writers["models"] == writers["model.chunks"] == writers["gates"] == {"learn"}
    assert writers["verdicts"] == {"intake"}
    assert writers["alerts"] == writers["references"] == {"drift"}
    assert writers["review.opinions"] == {"desk"}
    for topic, who in writers.items():
        producers = who & {ANONYMOUS, "producer", "replay"}
        assert not producers or topic in ("predictions", "labels"), topic


def test_the_plain_address_reads_answers_alone() -> None:
    """A producer reads verdicts and rejects, and no task, opinion, account or prediction."""
    readable = {topic for topic, (_, who) in table_of_grants().items() if ANONYMOUS in who}
    assert readable == {"verdicts", "rejects"}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A Kafka as ``up`` starts it, with one message in every topic."""
    settings = EmbeddedKafkaSettings(log_retention_bytes=64 * 1024 * 1024)
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), settings, access=ACCESS) as running:
        create_topics(kafka_of(running, "admin"))
        producer = Producer(
            common_client_config(KafkaSettings(bootstrap=running.owner_bootstrap(1), client=running.owner_config()))
        )
        for topic in ALL_TOPICS:
            producer.produce(PREFIX + topic.name, b"{}", key=b"k", partition=0)
        assert producer.flush(PATIENCE_SECONDS) == 0
        yield running


def kafka_of(broker: EmbeddedKafka, user: str) -> KafkaSettings:
    """The settings of one user; ANONYMOUS uses the plain address."""
    if user == ANONYMOUS:
        return KafkaSettings(bootstrap=broker.bootstrap, partitions=1)
    client = scram_client(user, ACCESS.passwords[user])
    return KafkaSettings(bootstrap=broker.users_bootstrap, client=client, partitions=1)


def written(kafka: KafkaSettings) -> set[str]:
    """The topics that accept a message of this user; all others refuse it because a right is missing."""
    answers: dict[str, int | None] = {}

    def heard(topic: str) -> Callable[..., None]:
        return lambda error, _message: answers.__setitem__(topic, None if error is None else error.code())

    producer = Producer({**common_client_config(kafka), "enable.idempotence": True, "message.timeout.ms": 60_000})
    for topic in ALL_TOPICS:
        producer.produce(PREFIX + topic.name, b"{}", key=b"k", partition=0, on_delivery=heard(topic.name))
    assert producer.flush(PATIENCE_SECONDS) == 0
    refused = {topic for topic, code in answers.items() if code is not None}
    assert {answers[topic] for topic in refused} <= set(DENIED), answers
    return set(answers) - refused


NAMES_OF_TOPICS = {topic.name for topic in ALL_TOPICS}


def is_hidden(consumer: Consumer, name: str) -> bool:
    """Whether Kafka hides the existence of a topic from this user."""
    error = consumer.list_topics(PREFIX + name, timeout=PATIENCE_SECONDS).topics[PREFIX + name].error
    assert error is None or error.code() in DENIED, error
    return error is not None


def read(kafka: KafkaSettings, group: str) -> set[str]:
    """The topics from which this user reads a message; all others refuse it because a right is missing."""
    consumer = Consumer({**common_client_config(kafka), "group.id": group, "enable.auto.commit": False})
    hidden = {name for name in NAMES_OF_TOPICS if is_hidden(consumer, name)}
    consumer.assign([TopicPartition(PREFIX + name, 0, OFFSET_BEGINNING) for name in NAMES_OF_TOPICS - hidden])
    readable, refused = set(), set(hidden)
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while len(readable) + len(refused) < len(ALL_TOPICS):
            assert time.monotonic() < deadline, (readable, refused)
            message = consumer.poll(1.0)
            if message is None:
                continue
            name = (message.topic() or "").removeprefix(PREFIX)
            error = message.error()
            if error is None:
                readable.add(name)
            else:
                assert error.code() in DENIED, error
                refused.add(name)
    finally:
        consumer.close()
    return readable


@pytest.mark.servers
@pytest.mark.parametrize("user", RIGHTS)
def test_every_topic_as_the_table_says(broker: EmbeddedKafka, user: str) -> None:
    """Each user may write and read exactly the topics of the table."""
    kafka, rights = kafka_of(broker, user), RIGHTS[user]
    assert written(kafka) == {topic.name for topic in rights.writes}
    group = "churn-service" if rights.any_group else f"{PREFIX}reader.probe"
    assert read(kafka, group) == {topic.name for topic in rights.reads}


def joins(kafka: KafkaSettings, group: str, topic: str) -> bool:
    """Whether a consumer may join a group."""
    consumer = Consumer({**common_client_config(kafka), "group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message is not None and message.error() is not None:
                assert message.error().code() == KafkaError.GROUP_AUTHORIZATION_FAILED, message.error()
                return False
            if consumer.assignment():
                return True
    finally:
        consumer.close()
    raise AssertionError(f"{group} neither let in nor refused")


@pytest.mark.servers
@pytest.mark.parametrize(
    ("user", "group", "allowed"),
    [
        (ANONYMOUS, "churn-service", True),
        ("producer", "churn-service", True),
        *((ANONYMOUS, PREFIX + group, False) for rights in RIGHTS.values() for group in rights.groups),
        (ANONYMOUS, PREFIX + "agents.desk", False),
        (ANONYMOUS, PREFIX + "reader.1", False),
        ("record", PREFIX + "record", True),
        ("record", PREFIX + "intake", False),
        ("record", "churn-service", False),
        ("desk", PREFIX + "learn", False),
    ],
)
def test_groups(broker: EmbeddedKafka, user: str, group: str, allowed: bool) -> None:
    """A stranger in a role's group would get its partitions, and could move its offsets."""
    topic = "alerts" if user == "desk" else "rejects"
    assert joins(kafka_of(broker, user), group, PREFIX + topic) is allowed


@pytest.mark.servers
@pytest.mark.parametrize(
    ("user", "name", "allowed"),
    [
        ("intake", f"{PREFIX}intake/0", True),
        ("intake", "other", False),
        ("drift", f"{PREFIX}intake/0", False),
        (ANONYMOUS, f"{PREFIX}intake/0", False),
        (ANONYMOUS, "mine", False),
        ("producer", "mine", False),
    ],
)
def test_transactions(broker: EmbeddedKafka, user: str, name: str, allowed: bool) -> None:
    """INTAKE alone may: another user could fence it, and an open transaction would hide the predictions behind it."""
    producer = Producer({**common_client_config(kafka_of(broker, user)), "transactional.id": name})
    if allowed:
        producer.init_transactions(PATIENCE_SECONDS)
        return
    with pytest.raises(KafkaException) as error:
        producer.init_transactions(PATIENCE_SECONDS)
    assert error.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


@pytest.mark.servers
@pytest.mark.parametrize("user", [user for user in RIGHTS if user != "admin"])
def test_nobody_administers(broker: EmbeddedKafka, user: str) -> None:
    """No user makes or deletes topics, changes their settings, lists, users or passwords."""
    admin, topic = AdminClient(common_client_config(kafka_of(broker, user))), PREFIX + PEOPLE.name
    retention = ConfigEntry("retention.ms", "1", incremental_operation=AlterConfigOpType.SET)
    config = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[retention])
    password = UserScramCredentialUpsertion("admin", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), b"mine")
    futures = [
        *admin.create_topics([NewTopic("mine", 1, 1)]).values(),
        *admin.delete_topics([topic]).values(),
        *admin.incremental_alter_configs([config]).values(),
        *admin.delete_records([TopicPartition(topic, 0, 1)]).values(),
        *admin.delete_acls([ANY]).values(),
        *admin.alter_user_scram_credentials([password]).values(),
        *admin.delete_consumer_groups([f"{PREFIX}intake"]).values(),
    ]
    for future in futures:
        with pytest.raises(KafkaException) as error:
            future.result(PATIENCE_SECONDS)
        code = error.value.args[0].code()
        assert code in DENIED_ADMIN, error.value
    assert admin.describe_acls(ANY).result(PATIENCE_SECONDS) == []


@pytest.mark.servers
def test_an_admin_makes_topics_of_the_program_alone(broker: EmbeddedKafka) -> None:
    """admin creates topics of watchloop's names alone, and deletes none."""
    admin = AdminClient(common_client_config(kafka_of(broker, "admin")))
    futures = [
        *admin.create_topics([NewTopic("mine", 1, 1)]).values(),
        *admin.delete_topics([PREFIX + "people"]).values(),
    ]
    for future in futures:
        with pytest.raises(KafkaException) as error:
            future.result(PATIENCE_SECONDS)
        assert error.value.args[0].code() in DENIED_ADMIN


@pytest.mark.servers
def test_a_role_uses_topics_and_makes_none(broker: EmbeddedKafka) -> None:
    """A worker may do what it does at its start when all topics exist; a missing one is named in one line."""
    for role in ("intake", "drift", "desk", "learn", "record"):
        kafka = kafka_of(broker, role)
        assert create_topics(kafka, topics_of(role)) == []
        assert set(topic_ids(kafka, topics_of(role))) == {topic.name for topic in topics_of(role)}
    elsewhere = msgspec.structs.replace(kafka_of(broker, "intake"), prefix="elsewhere.")
    with pytest.raises(TopicsNotCreated, match="topics create"):
        create_topics(elsewhere, [PREDICTIONS])


@pytest.mark.servers
@pytest.mark.parametrize("port", ["users", "nodes", "controller"])
def test_no_way_in_without_a_secret(broker: EmbeddedKafka, port: str) -> None:
    """Every address but the plain one refuses a client without credentials, and a wrong password or certificate."""
    address = f"127.0.0.1:{getattr(broker.cluster.ports[0], port)}"
    for client in (
        {},
        scram_client("admin", "wrong"),
        scram_client("nobody", "of them"),
        {"security.protocol": "ssl", "enable.ssl.certificate.verification": "false"},
    ):
        with pytest.raises(KafkaUnreachable):
            check_reachable(KafkaSettings(bootstrap=address, client={**client, "log_level": "0"}), 1.0)


@pytest.mark.servers
def test_sizes_that_strangers_only_name_take_no_memory(broker: EmbeddedKafka) -> None:
    """Many connections announce a large request and send none: Kafka survives, and answers once they are closed."""
    port, heap_bytes = broker.cluster.ports[0].broker, broker.settings.heap_mb_max * 1024 * 1024
    pid = broker.processes[1].pid
    for size, connections in ((100 * 1024 * 1024, 40), (4 * 1024 * 1024, 2 * heap_bytes // (4 * 1024 * 1024))):
        with contextlib.ExitStack() as opened:
            for _ in range(connections):
                with contextlib.suppress(OSError):
                    link = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=1.0))
                    link.sendall(size.to_bytes(4, "big") + b"\0\x12\0\0")
            assert broker.processes[1].poll() is None
        check_reachable(kafka_of(broker, ANONYMOUS), PATIENCE_SECONDS)
        check_reachable(kafka_of(broker, "intake"), PATIENCE_SECONDS)
    assert broker.processes[1].pid == pid


@pytest.mark.servers
def test_a_group_keeps_little_beside_an_offset(broker: EmbeddedKafka) -> None:
    """It lies in the broker's heap for a year."""
    consumer = Consumer({**common_client_config(kafka_of(broker, ANONYMOUS)), "group.id": "stranger"})
    offset = TopicPartition(PREFIX + "verdicts", 0, 1, "x" * 4_000)
    with pytest.raises(KafkaException) as refused:
        consumer.commit(offsets=[offset], asynchronous=False)
    assert refused.value.args[0].code() == KafkaError.OFFSET_METADATA_TOO_LARGE
    consumer.close()


@pytest.mark.servers
def test_secrets_stand_nowhere_that_others_see(broker: EmbeddedKafka) -> None:
    """No password in a command line or in the folder; what is in the folder is its owner's alone."""
    command = pathlib.Path(f"/proc/{broker.processes[1].pid}/cmdline").read_text()
    texts = [path.read_bytes() for path in broker.cluster.folder.rglob("*.properties")]
    for password in ACCESS.passwords.values():
        assert password not in command
        assert all(password.encode() not in text for text in texts)
    for path in broker.cluster.folder.rglob("*"):
        assert not path.stat().st_mode & 0o077, path


@pytest.mark.servers
def test_a_folder_of_before_gets_its_walls(tmp_path: pathlib.Path) -> None:
    """A cluster that was open keeps its data and its plain address, gets users, and is not open any more."""
    with EmbeddedKafka(tmp_path, access=EVERYBODY) as before:
        plain = before.bootstrap
        create_topics(KafkaSettings(bootstrap=plain, partitions=1))
        assert written(KafkaSettings(bootstrap=plain)) == NAMES_OF_TOPICS
    notes = tmp_path / "cluster.json"
    kept = msgspec.json.decode(notes.read_bytes())
    kept["ports"] = [{name: ports[name] for name in ("broker", "controller")} for ports in kept["ports"]]
    notes.write_bytes(msgspec.json.encode(kept))
    closed = EmbeddedKafkaSettings(open_listener=False)
    with EmbeddedKafka(tmp_path, access=ACCESS) as walled:
        assert walled.bootstrap == plain
        assert PEOPLE.name not in written(KafkaSettings(bootstrap=plain))
        assert PEOPLE.name in read(kafka_of(walled, "admin"), f"{PREFIX}reader.probe")
    with EmbeddedKafka(tmp_path, closed, access=ACCESS) as shut:
        assert shut.bootstrap == shut.users_bootstrap
        with socket.socket() as client:
            host, port = plain.split(":")
            assert client.connect_ex((host, int(port))) != 0, "the plain address is closed"
        assert PREDICTIONS.name in written(kafka_of(shut, "producer"))


def test_users_of_settings() -> None:
    """The clients of a role have its own user; they do not get the passwords of others."""
    kafka = signed_in(KafkaSettings(client={"a": "b"}), "h:1", ACCESS.passwords)
    desk = kafka.as_user("desk")
    assert desk.bootstrap == "h:1"
    assert desk.client == {"a": "b", **scram_client("desk", ACCESS.passwords["desk"])}
    assert desk.users == {}
