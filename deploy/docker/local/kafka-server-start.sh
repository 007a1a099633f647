#!/bin/sh
# shellcheck disable=SC2086 # several options in one variable
exec java $KAFKA_HEAP_OPTS -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*' kafka.Kafka "$@"
