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
  "${KAFKA_ACLS:-kafka-acls.sh}" --bootstrap-server "$BOOTSTRAP" \
    ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} --add "$@"
}

# intake
grant --allow-principal "User:${USERS}intake" --operation Read --resource-pattern-type literal \
  --group "${PREFIX}intake"
grant --allow-principal "User:${USERS}intake" --operation Read --resource-pattern-type prefixed \
  --group "${PREFIX}agents.intake" \
  --group "${PREFIX}reader." \
  --group "${PREFIX}tail."
grant --allow-principal "User:${USERS}intake" --operation Read --resource-pattern-type literal \
  --topic "${PREFIX}corrections" \
  --topic "${PREFIX}model.chunks" \
  --topic "${PREFIX}models" \
  --topic "${PREFIX}predictions" \
  --topic "${PREFIX}references" \
  --topic "${PREFIX}triage.state" \
  --topic "${PREFIX}verdicts" \
  --topic "${PREFIX}verdicts.accepted"
grant --allow-principal "User:${USERS}intake" --operation Write --resource-pattern-type literal \
  --topic "${PREFIX}blocks" \
  --topic "${PREFIX}rejects" \
  --topic "${PREFIX}review.events" \
  --topic "${PREFIX}triage.state" \
  --topic "${PREFIX}verdicts" \
  --topic "${PREFIX}verdicts.accepted"
grant --allow-principal "User:${USERS}intake" --operation Create --resource-pattern-type prefixed \
  --topic "${PREFIX}agents.intake"
grant --allow-principal "User:${USERS}intake" --operation Read --resource-pattern-type prefixed \
  --topic "${PREFIX}agents.intake"
grant --allow-principal "User:${USERS}intake" --operation Write --resource-pattern-type prefixed \
  --transactional-id "${PREFIX}intake/"

# drift
grant --allow-principal "User:${USERS}drift" --operation Read --resource-pattern-type literal \
  --group "${PREFIX}drift"
grant --allow-principal "User:${USERS}drift" --operation Read --resource-pattern-type prefixed \
  --group "${PREFIX}agents.drift" \
  --group "${PREFIX}reader." \
  --group "${PREFIX}tail."
grant --allow-principal "User:${USERS}drift" --operation Describe --resource-pattern-type literal \
  --topic "${PREFIX}predictions"
grant --allow-principal "User:${USERS}drift" --operation Read --resource-pattern-type literal \
  --topic "${PREFIX}alerts" \
  --topic "${PREFIX}blocks" \
  --topic "${PREFIX}corrections" \
  --topic "${PREFIX}references" \
  --topic "${PREFIX}review.alerts" \
  --topic "${PREFIX}review.opinions"
grant --allow-principal "User:${USERS}drift" --operation Write --resource-pattern-type literal \
  --topic "${PREFIX}alerts" \
  --topic "${PREFIX}references" \
  --topic "${PREFIX}rejects" \
  --topic "${PREFIX}review.alerts"
grant --allow-principal "User:${USERS}drift" --operation Create --resource-pattern-type prefixed \
  --topic "${PREFIX}agents.drift"
grant --allow-principal "User:${USERS}drift" --operation Read --resource-pattern-type prefixed \
  --topic "${PREFIX}agents.drift"

# desk
grant --allow-principal "User:${USERS}desk" --operation Describe --resource-pattern-type literal \
  --group "${PREFIX}drift" \
  --group "${PREFIX}intake" \
  --group "${PREFIX}labels" \
  --group "${PREFIX}learn" \
  --group "${PREFIX}record"
grant --allow-principal "User:${USERS}desk" --operation Read --resource-pattern-type prefixed \
  --group "${PREFIX}agents.desk" \
  --group "${PREFIX}reader." \
  --group "${PREFIX}tail."
grant --allow-principal "User:${USERS}desk" --operation Read --resource-pattern-type literal \
  --topic "${PREFIX}alerts" \
  --topic "${PREFIX}audit" \
  --topic "${PREFIX}blocks" \
  --topic "${PREFIX}corrections" \
  --topic "${PREFIX}gates" \
  --topic "${PREFIX}labels" \
  --topic "${PREFIX}models" \
  --topic "${PREFIX}people" \
  --topic "${PREFIX}predictions" \
  --topic "${PREFIX}references" \
  --topic "${PREFIX}rejects" \
  --topic "${PREFIX}review.alerts" \
  --topic "${PREFIX}review.events" \
  --topic "${PREFIX}review.opinions" \
  --topic "${PREFIX}settings" \
  --topic "${PREFIX}sign.outs" \
  --topic "${PREFIX}verdicts" \
  --topic "${PREFIX}verdicts.accepted"
grant --allow-principal "User:${USERS}desk" --operation Write --resource-pattern-type literal \
  --topic "${PREFIX}corrections" \
  --topic "${PREFIX}review.alerts" \
  --topic "${PREFIX}review.events" \
  --topic "${PREFIX}review.opinions" \
  --topic "${PREFIX}sign.outs"
grant --allow-principal "User:${USERS}desk" --operation Create --resource-pattern-type prefixed \
  --topic "${PREFIX}agents.desk"
grant --allow-principal "User:${USERS}desk" --operation Read --resource-pattern-type prefixed \
  --topic "${PREFIX}agents.desk"

# learn
grant --allow-principal "User:${USERS}learn" --operation Read --resource-pattern-type literal \
  --group "${PREFIX}labels" \
  --group "${PREFIX}learn"
grant --allow-principal "User:${USERS}learn" --operation Read --resource-pattern-type prefixed \
  --group "${PREFIX}agents.learn" \
  --group "${PREFIX}reader." \
  --group "${PREFIX}tail."
grant --allow-principal "User:${USERS}learn" --operation Read --resource-pattern-type literal \
  --topic "${PREFIX}corrections" \
  --topic "${PREFIX}labels" \
  --topic "${PREFIX}models"
grant --allow-principal "User:${USERS}learn" --operation Write --resource-pattern-type literal \
  --topic "${PREFIX}corrections" \
  --topic "${PREFIX}gates" \
  --topic "${PREFIX}model.chunks" \
  --topic "${PREFIX}models" \
  --topic "${PREFIX}rejects"
grant --allow-principal "User:${USERS}learn" --operation Create --resource-pattern-type prefixed \
  --topic "${PREFIX}agents.learn"
grant --allow-principal "User:${USERS}learn" --operation Read --resource-pattern-type prefixed \
  --topic "${PREFIX}agents.learn"

# record
grant --allow-principal "User:${USERS}record" --operation Read --resource-pattern-type literal \
  --group "${PREFIX}record"
grant --allow-principal "User:${USERS}record" --operation Read --resource-pattern-type prefixed \
  --group "${PREFIX}agents.record" \
  --group "${PREFIX}reader." \
  --group "${PREFIX}tail."
grant --allow-principal "User:${USERS}record" --operation Read --resource-pattern-type literal \
  --topic "${PREFIX}alerts" \
  --topic "${PREFIX}audit" \
  --topic "${PREFIX}blocks" \
  --topic "${PREFIX}corrections" \
  --topic "${PREFIX}gates" \
  --topic "${PREFIX}labels" \
  --topic "${PREFIX}models" \
  --topic "${PREFIX}people" \
  --topic "${PREFIX}predictions" \
  --topic "${PREFIX}references" \
  --topic "${PREFIX}rejects" \
  --topic "${PREFIX}review.alerts" \
  --topic "${PREFIX}review.events" \
  --topic "${PREFIX}review.opinions" \
  --topic "${PREFIX}settings" \
  --topic "${PREFIX}verdicts" \
  --topic "${PREFIX}verdicts.accepted"
grant --allow-principal "User:${USERS}record" --operation Write --resource-pattern-type literal \
  --topic "${PREFIX}rejects"
grant --allow-principal "User:${USERS}record" --operation Create --resource-pattern-type prefixed \
  --topic "${PREFIX}agents.record"
grant --allow-principal "User:${USERS}record" --operation Read --resource-pattern-type prefixed \
  --topic "${PREFIX}agents.record"

# admin
grant --allow-principal "User:${USERS}admin" --operation Describe --resource-pattern-type literal \
  --group "${PREFIX}drift" \
  --group "${PREFIX}intake" \
  --group "${PREFIX}labels" \
  --group "${PREFIX}learn" \
  --group "${PREFIX}record"
grant --allow-principal "User:${USERS}admin" --operation Read --resource-pattern-type prefixed \
  --group "${PREFIX}reader." \
  --group "${PREFIX}tail."
grant --allow-principal "User:${USERS}admin" --operation Create --resource-pattern-type literal \
  --topic "${PREFIX}alerts" \
  --topic "${PREFIX}audit" \
  --topic "${PREFIX}blocks" \
  --topic "${PREFIX}corrections" \
  --topic "${PREFIX}gates" \
  --topic "${PREFIX}labels" \
  --topic "${PREFIX}model.chunks" \
  --topic "${PREFIX}models" \
  --topic "${PREFIX}people" \
  --topic "${PREFIX}predictions" \
  --topic "${PREFIX}references" \
  --topic "${PREFIX}rejects" \
  --topic "${PREFIX}review.alerts" \
  --topic "${PREFIX}review.events" \
  --topic "${PREFIX}review.opinions" \
  --topic "${PREFIX}settings" \
  --topic "${PREFIX}sign.outs" \
  --topic "${PREFIX}triage.state" \
  --topic "${PREFIX}verdicts" \
  --topic "${PREFIX}verdicts.accepted"
grant --allow-principal "User:${USERS}admin" --operation Describe --resource-pattern-type literal \
  --topic "${PREFIX}model.chunks" \
  --topic "${PREFIX}triage.state"
grant --allow-principal "User:${USERS}admin" --operation DescribeConfigs --resource-pattern-type literal \
  --topic "${PREFIX}alerts" \
  --topic "${PREFIX}audit" \
  --topic "${PREFIX}blocks" \
  --topic "${PREFIX}corrections" \
  --topic "${PREFIX}gates" \
  --topic "${PREFIX}labels" \
  --topic "${PREFIX}model.chunks" \
  --topic "${PREFIX}models" \
  --topic "${PREFIX}people" \
  --topic "${PREFIX}predictions" \
  --topic "${PREFIX}references" \
  --topic "${PREFIX}rejects" \
  --topic "${PREFIX}review.alerts" \
  --topic "${PREFIX}review.events" \
  --topic "${PREFIX}review.opinions" \
  --topic "${PREFIX}settings" \
  --topic "${PREFIX}sign.outs" \
  --topic "${PREFIX}triage.state" \
  --topic "${PREFIX}verdicts" \
  --topic "${PREFIX}verdicts.accepted"
grant --allow-principal "User:${USERS}admin" --operation Read --resource-pattern-type literal \
  --topic "${PREFIX}alerts" \
  --topic "${PREFIX}audit" \
  --topic "${PREFIX}blocks" \
  --topic "${PREFIX}corrections" \
  --topic "${PREFIX}gates" \
  --topic "${PREFIX}labels" \
  --topic "${PREFIX}models" \
  --topic "${PREFIX}people" \
  --topic "${PREFIX}predictions" \
  --topic "${PREFIX}references" \
  --topic "${PREFIX}rejects" \
  --topic "${PREFIX}review.alerts" \
  --topic "${PREFIX}review.events" \
  --topic "${PREFIX}review.opinions" \
  --topic "${PREFIX}settings" \
  --topic "${PREFIX}verdicts" \
  --topic "${PREFIX}verdicts.accepted"
grant --allow-principal "User:${USERS}admin" --operation Write --resource-pattern-type literal \
  --topic "${PREFIX}people" \
  --topic "${PREFIX}sign.outs"

# replay
grant --allow-principal "User:${USERS}replay" --operation Read --resource-pattern-type prefixed \
  --group "${PREFIX}reader." \
  --group "${PREFIX}tail."
grant --allow-principal "User:${USERS}replay" --operation Read --resource-pattern-type literal \
  --topic "${PREFIX}labels" \
  --topic "${PREFIX}predictions"
grant --allow-principal "User:${USERS}replay" --operation Write --resource-pattern-type literal \
  --topic "${PREFIX}labels" \
  --topic "${PREFIX}predictions"

# producer
grant --allow-principal "User:${USERS}producer" --operation Read --resource-pattern-type prefixed \
  --group "${PRODUCER_GROUPS}"
grant --allow-principal "User:${USERS}producer" --operation Read --resource-pattern-type literal \
  --topic "${PREFIX}rejects" \
  --topic "${PREFIX}verdicts"
grant --allow-principal "User:${USERS}producer" --operation Write --resource-pattern-type literal \
  --topic "${PREFIX}labels" \
  --topic "${PREFIX}predictions"
