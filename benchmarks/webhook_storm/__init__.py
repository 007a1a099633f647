"""Whether deliveries of providers survive a storm: `python -m benchmarks.webhook_storm`; docs/benchmarks.md has it."""
