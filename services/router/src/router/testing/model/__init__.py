"""The commit protocol as a model: every order of steps and faults in a small world is tried.

Read it to understand the protocol: `rules` names what must be kept and what breaks otherwise, `protocol` has one
function for each thing that can happen, `journal` is the fold rule, `promises` says what may never be so. Change it
before the protocol. Nothing here touches the engine's code: what is shown is that the rules are enough, and that each
is needed.

    python -m router.testing.model                                search all scopes
    python -m router.testing.model redis --engines 3 --faults 3   search a larger world
    python -m router.testing.model --without "events are published in order"

The last one tells the shortest story that goes wrong without the rule.
"""
