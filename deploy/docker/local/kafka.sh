#!/bin/bash
# What the official image does with KAFKA_ variables: KAFKA_NODE_ID becomes node.id, and so on.
set -euo pipefail
properties=/tmp/server.properties
env | grep ^KAFKA_ | grep -v ^KAFKA_HEAP_OPTS | while IFS='=' read -r name value; do
    name=${name#KAFKA_}
    printf '%s=%s\n' "$(echo "${name,,}" | tr _ .)" "$value"
done >"$properties"
java -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*' kafka.tools.StorageTool format --ignore-formatted -t "$CLUSTER_ID" -c "$properties"
# shellcheck disable=SC2086 # several options in one variable, as for Kafka's own scripts
exec java $KAFKA_HEAP_OPTS -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*' kafka.Kafka "$properties"
