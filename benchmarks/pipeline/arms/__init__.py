"""The implementations that are compared, each a process of its own: `python -m benchmarks.pipeline.arms.<name>`."""
