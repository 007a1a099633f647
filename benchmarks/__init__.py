"""What the platform costs: each module is one measurement, run by `python -m benchmarks.<name>`."""
