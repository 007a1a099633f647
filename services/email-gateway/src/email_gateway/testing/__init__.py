"""What tests, fuzzing and benchmarks share: messages built by code, with what they parse to."""
