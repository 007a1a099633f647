"""For tests of the router: a domain to talk to, the naive oracle of matching, the checker of the invariants."""
