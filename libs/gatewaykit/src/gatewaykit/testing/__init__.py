"""Fakes of gateways' stores, which pass the suites of the real ones."""
