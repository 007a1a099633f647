"""Job J1: tasks in by Kafka, matched by skill to agents, offers out by Kafka, in several implementations side by side.

`python -m benchmarks.pipeline` runs it; docs/benchmarks.md says what the job is, what was measured and what it shows.
"""
