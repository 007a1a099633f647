"""What makes a thing a service: ports, Kafka loops, outbox, settings, telemetry, auth, web shell, testing."""
