"""The rules of the commit protocol (design, section 3), each with the promise that breaks first without it."""

from typing import Final, NamedTuple

TWICE: Final = "a contact is taken twice"
TWO_AGENTS: Final = "a contact is with two agents"
TOO_MUCH: Final = "an agent has more than fits"
UNSEEN: Final = "an offer to somebody whom nobody has seen"
TWO_ANSWERS: Final = "a command has two answers"
UNANSWERED: Final = "a command is never answered"
OTHER_STATE: Final = "decided on another state"
INPUT_LOST: Final = "an input is lost"
STUCK: Final = "a contact is stuck"
NO_OWNER: Final = "nobody can take over"
NOT_SO: Final = "the reader was told what is not so"
UNTOLD: Final = "the reader misses something"
REDIS_WRONG: Final = "Redis shows what never was"
REDIS_BACK: Final = "Redis goes back though it lost nothing"
REDIS_BEHIND: Final = "Redis stays behind"


class Rule(NamedTuple):
    """`scope`: the small world in which it is missed."""

    promise: str
    scope: str


RULES: Final = {
    # 2. Take-over
    "a batch of an old epoch is void": Rule(OTHER_STATE, "journal"),
    "a batch counts only right after its predecessor": Rule(OTHER_STATE, "journal"),
    "the fold goes up to the epoch record": Rule(OTHER_STATE, "journal"),
    # 3. Decide
    "the causes say where to read on": Rule(INPUT_LOST, "journal"),
    "capacity is checked as it is reserved": Rule(TOO_MUCH, "journal"),
    # 4. Append
    "nothing leaves before it is confirmed": Rule(NOT_SO, "journal"),
    "the whole state is dropped": Rule(OTHER_STATE, "journal"),
    "a batch lands right after the one before": Rule(NOT_SO, "journal"),
    "unknown is never failed": Rule(OTHER_STATE, "journal"),
    # 5. Publish
    "a new owner publishes again": Rule(UNTOLD, "journal"),
    "the watermark follows publishing": Rule(UNTOLD, "journal"),
    "publishing stops at the first unconfirmed": Rule(UNTOLD, "reader"),
    "events are published in order": Rule(UNTOLD, "reader"),
    "the sequence is the place in the journal": Rule(UNTOLD, "reader"),
    # 6. Consumers' rule
    "readers ignore what is not later": Rule(NOT_SO, "reader"),
    "the last sequence is kept with the effect": Rule(NOT_SO, "reader"),
    # 7. Redis projection
    "Redis changes only from where it stands": Rule(REDIS_WRONG, "redis"),
    "an older epoch does not write Redis": Rule(REDIS_BACK, "redis"),
    "the owner looks whether Redis still has it": Rule(REDIS_BEHIND, "redis"),
    # 8. Presence
    "an epoch record makes every agent unconfirmed": Rule(UNSEEN, "presence"),
    "who is gone gives back what they hold": Rule(STUCK, "presence"),
    # 9. Commands
    "command ids are remembered": Rule(TWO_ANSWERS, "commands"),
    "a stale accept is refused": Rule(TWO_AGENTS, "commands"),
    "a refused command is answered too": Rule(UNANSWERED, "commands"),
    # 10. Timers and ids
    "timers are in the state": Rule(STUCK, "commands"),
    "started contacts are remembered": Rule(TWICE, "commands"),
    # 11. Snapshots
    "a snapshot says up to where it goes": Rule(OTHER_STATE, "snapshot"),
    "a snapshot holds what is published": Rule(UNTOLD, "snapshot"),
    "a snapshot is good once it is named": Rule(OTHER_STATE, "snapshot"),
    "the journal is shortened only behind a good snapshot": Rule(NO_OWNER, "snapshot"),
    "the journal is shortened up to the snapshot": Rule(NO_OWNER, "snapshot"),
}


class Rules:
    """All of them but one, or all."""

    def __init__(self, without: str | None = None) -> None:
        assert without is None or without in RULES
        self.without = without

    def keep(self, rule: str) -> bool:
        """Whether this rule is followed."""
        assert rule in RULES
        return rule != self.without
