"""Routes every task to the agent who can best handle it, and says why."""
