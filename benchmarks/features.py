"""The features that decide who is matched, on a plain centre's queues and agents; who serves whom is unchanged.

Skills as ranges, any of and none of; teams, channels and clients that everybody has; service levels, bands and aging;
plans whose steps come after the measurement; agents chosen in every way; two clients, one with a minimum and one with
a cap; one agent in idleness kept back from outbound work, which one queue in sixteen has and which so waits on.
"""

from collections.abc import Sequence
from typing import Any, Final, get_args  # Any: fields of parts of a configuration

from contracts.configuration import Domain
from contracts.routing_parts import Agent, Choice, Plan, Queue, RequiredSkill, ServiceLevel, Step
from router.testing.parts import DOMAIN, Later, Part, plan

CLIENTS: Final = ("shop", "bank")
CHOICES: Final = get_args(Choice)
TEAMS: Final = ("north", "east", "south", "west")
LATER_SECONDS: Final = 6 * 86_400
UNITS_MAX: Final = 1000
OUTBOUND_EACH: Final = 16


def parts(queues: Sequence[Queue], agents: Sequence[Agent]) -> list[Part | Later]:
    """A whole configuration."""
    return [
        _domain(),
        _plan(),
        *[_queue(number, plain) for number, plain in enumerate(queues)],
        *[_agent(number, plain) for number, plain in enumerate(agents)],
    ]


def _domain() -> Domain:
    return Domain.model_validate(
        {
            "id": DOMAIN,
            "aging_seconds_per_priority": 60,
            "longest_wait_seconds": LATER_SECONDS,
            "client_shares": [
                {"client": CLIENTS[0], "minimum_percent": 40},
                {"client": CLIENTS[1], "units_max": UNITS_MAX},
            ],
            "outbound_idle_reserve": 1,
            "interruptible": ["email"],
            "offer_timeouts": {"webchat": 30},
            "agent_backoff": {"rejected_seconds": 1, "expired_seconds": 1},
            "idle_reset_by": ["ready", "assignment", "outbound", "refusal"],
        }
    )


def _plan() -> Plan:
    return plan(
        "later",
        *[
            Step(after_seconds=LATER_SECONDS + number, requirements=[], any_of=[], priority_add=1)
            for number in range(3)
        ],
    )


def _queue(number: int, plain: Queue) -> Queue:
    first, others = plain.requirements[:1], plain.requirements[1:]
    more: dict[str, Any] = {
        "requirements": [RequiredSkill(skill=each.skill, minimum=1, maximum=4) for each in first],
        "any_of": [[each, RequiredSkill(skill="nobody-has")] for each in others],
        "none_of": [RequiredSkill(skill="barred")],
        "teams": list(TEAMS),
        "band": number % 2,
        "plan": "later",
        "service_level": ServiceLevel(within_seconds=20 * (1 + number % 3)),
        "choose_agent": CHOICES[number % len(CHOICES)],
    }
    if number % OUTBOUND_EACH == OUTBOUND_EACH - 1:
        more["direction"] = "outbound"
    return plain.model_copy(update=more)


def _agent(number: int, plain: Agent) -> Agent:
    more = {"team": TEAMS[number % len(TEAMS)], "clients": list(CLIENTS), "channels": {"webchat": 9, "email": 9}}
    return plain.model_copy(update=more)
