"""The router's decisions: pure, deterministic, without clock, chance or input and output.

`decide` computes the facts that an input leads to, `fold` alone changes a `State` by a fact. Everything the router
knows about a domain's tasks and agents is the fold of its journal.
"""
