"""What a provider's delivery costs: `python -m benchmarks.webhooks`; docs/benchmarks.md says what was measured."""
