"""The other side of the open channel, for a terminal and for tests; written apart from the gateway's, so that a
misreading on one side shows."""
