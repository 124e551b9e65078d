"""The table of rights as a shell script for other Kafka clusters.

``python -m streams.admin.access_script`` writes it to ``deploy/kafka-acls.sh``.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Final

from streams.admin.access import EVERY, USERS, Grant, grants_of

__all__ = ["SCRIPT", "access_script"]

SCRIPT: Final = Path(__file__).parents[2] / "deploy" / "kafka-acls.sh"
OPERATIONS: Final = {
    "read": "Read",
    "write": "Write",
    "create": "Create",
    "describe": "Describe",
    "describe_configs": "DescribeConfigs",
}
OPTIONS: Final = {"topic": "--topic", "group": "--group", "transactional_id": "--transactional-id"}
HEAD: Final = """\
#!/bin/sh
# The rights of each role of watchloop, and of producers, on a Kafka of your own: what the embedded one goes by.
# Written by `python -m streams.admin.access_script` from streams/admin/access.py; docs/SECURITY.md explains it.
#
#   BOOTSTRAP=broker:9092 COMMAND_CONFIG=admin.properties sh deploy/kafka-acls.sh
#
# Make the users first, by SCRAM or by certificate, and see that your brokers refuse what is not granted
# (allow.everyone.if.no.acl.found=false). What exists already is kept; running it again changes nothing.
set -eu
: "${BOOTSTRAP:?the address of your Kafka, HOST:PORT}"
PREFIX=${PREFIX-watchloop.}                     # kafka.prefix
USERS=${USERS-watchloop-}                       # what the names of the users begin with
PRODUCER_GROUPS=${PRODUCER_GROUPS-producers.}   # what the consumer groups of producers begin with

grant() {
  "${KAFKA_ACLS:-kafka-acls.sh}" --bootstrap-server "$BOOTSTRAP" \\
    ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} --add "$@"
}
"""


def access_script() -> str:
    """The script. One command grants a user one operation on all names of the same type and pattern."""
    lines = [HEAD]
    for user in USERS:
        lines.append(f"\n# {user}\n")
        # On a cluster that others use too, groups of producers have a prefix, so nothing needs to be denied.
        granted = [grant for grant in sorted(grants_of([user], "")) if grant.allowed]
        for _, alike in itertools.groupby(sorted(granted, key=_order), key=_order):
            lines.append(_command(list(alike)))
    return "".join(lines)


def _order(grant: Grant) -> tuple[str, bool, str]:
    return (grant.resource, grant.prefixed or grant.name == EVERY, grant.operation)


def _command(grants: list[Grant]) -> str:
    """One command for grants that differ only in their names."""
    first = grants[0]
    option = OPTIONS[first.resource]
    names = ['"${PRODUCER_GROUPS}"' if grant.name == EVERY else f'"${{PREFIX}}{grant.name}"' for grant in grants]
    pattern = "prefixed" if _order(first)[1] else "literal"
    return (
        f'grant --allow-principal "User:${{USERS}}{first.user}" --operation {OPERATIONS[first.operation]} '
        f"--resource-pattern-type {pattern}" + "".join(f" \\\n  {option} {name}" for name in names) + "\n"
    )


def main() -> None:
    """Write the script into the repository, as an executable file."""
    SCRIPT.write_text(access_script())
    SCRIPT.chmod(0o755)
    sys.stderr.write(f"{SCRIPT} written\n")


if __name__ == "__main__":
    main()
