"""Calls: pure. `words`, `commands`, `events` and `driver` are how telephony is spoken to."""
