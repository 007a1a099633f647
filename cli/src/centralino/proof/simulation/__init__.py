"""The simulated story: the real services in one process, on fake ports and a virtual clock, dying on purpose."""
