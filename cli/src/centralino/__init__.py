"""The newcomer's and operator's command: the embedded stack, its status, tokens."""
