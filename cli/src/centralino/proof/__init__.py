"""Proof that the platform keeps its promises: the checker of S1 to S6 (design: Invariants) and the story it judges."""
