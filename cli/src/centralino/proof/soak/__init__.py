"""A steady load for as long as wanted, with an eye on memory, file descriptors, tasks and lag."""
