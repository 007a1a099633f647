"""What a busy day may be configured with: plans, rules, and the fields of domains, queues and agents."""

from typing import Any, Final  # Any: fields of parts of a configuration

from contracts.calendars import Calendar
from contracts.routing_parts import Destination, Step

from router.testing.parts import DOMAIN, plan, rules, skill

SKILLS: Final = ("billing", "english", "spanish")
CHANNELS: Final = ("webchat", "voice", "email")
CLIENTS: Final = ("shop", "bank")
PLANS: Final = (
    plan(
        "patient",
        Step(after_seconds=3, requirements=[skill("english:2")], priority_add=1),
        Step(after_seconds=20, requirements=[], any_of=[], none_of=[], teams=["south"], band=2),
        Step(after_seconds=40, teams=[]),
        Step(after_seconds=60, overflow=Destination(to="queue", queue="mails")),
    ),
    plan(
        "mine",
        Step(after_seconds=0, agents=["bob", "eve"]),
        Step(after_seconds=4, last_agent=True),
        Step(after_seconds=10, requirements=[skill("english")], priority_add=2),
        Step(after_seconds=61, overflow=Destination(to="message", message="Sorry.")),
    ),
    plan("known", Step(after_seconds=0, last_agent=True), Step(after_seconds=9), Step(after_seconds=30, band=3)),
    plan("round", Step(after_seconds=5, overflow=Destination(to="queue", queue="chats"))),
    plan("called", Step(after_seconds=2, band=1), Step(after_seconds=8, overflow=Destination(to="callback"))),
)
OTHER_PLANS: Final = (
    plan("patient", Step(after_seconds=5, requirements=[], band=1)),
    plan("mine", Step(after_seconds=2, band=3), Step(after_seconds=9, priority_add=1)),
    plan("known", Step(after_seconds=20, last_agent=True)),
    plan("round", Step(after_seconds=40, overflow=Destination(to="queue", queue="calls"))),
    plan(
        "called", Step(after_seconds=15, teams=["north"]), Step(after_seconds=30, overflow=Destination(to="callback"))
    ),
)
OFFICE_HOURS: Final = Calendar.model_validate(
    {"id": "office", "domain": DOMAIN, "time_zone": "UTC", "weekly": {"tue": [["22:00", "22:15"], ["22:20", "24:00"]]}}
)
RULES: Final = rules(
    angry={"when": "text.contains('angry')", "labels": ["angry"], "go_on": True},
    gold={"when": "customer.tier == 'gold'", "priority": 9, "band": 1, "queue": "sales"},
    spanish={"when": "language == 'es' || 'angry' in labels", "requirements": [{"skill": "spanish", "minimum": 2}]},
    bank={"when": "client == 'bank' && attributes['plan'] == 'b'", "queue": "mails"},
)
AWAY: Final = {"to": "voicemail"}
CALLED: Final = {"to": "callback", "message": "You will be called."}
DOMAIN_FIELDS: Final[dict[str, list[Any]]] = {
    "refused_backoff_seconds": [5, 60],
    "keep_on_agent_loss": [["email"], ["webchat"]],
    "interruptible": [["email"], ["email", "webchat"]],
    "offer_timeouts": [{"email": 300}],
    "aging_seconds_per_priority": [1, 60],
    "longest_wait_seconds": [2, 30],
    "idle_reset_by": [[], ["refusal"], ["ready", "assignment", "outbound"]],
    "outbound_idle_reserve": [1, 2],
    "unanswered_then": ["nothing"],
    "agent_backoff": [{"rejected_seconds": 3, "expired_seconds": 30}],
    "transfer_seconds": [10, 30],
    "parked_agent_seconds": [0, 5],
    "present_by": [["desktop"], ["desktop", "mobile"]],
    "adherence_tolerance_seconds": [0, 5],
    "dispositions": [[{"id": "sold", "label": "Sold", "wrapup_seconds": 5}, {"id": "lost", "label": "Lost"}]],
    "client_shares": [
        [{"client": "shop", "units_max": 1}],
        [{"client": "shop", "minimum_percent": 60}, {"client": "bank", "units_max": 2}],
        [{"client": "bank", "minimum_percent": 60}],
    ],
}
KINDS: Final = ("any", "queues", "queues", "returns", "changes", "rings")
"""Of days: see `Walk`."""
OF_ORDER: Final = ("aging_seconds_per_priority", "client_shares", "longest_wait_seconds")
"""Fields of a domain that say who is first in line: chosen more often than others."""
QUEUE_FIELDS: Final[dict[str, list[Any]]] = {
    "any_of": [[[skill("billing"), skill("english:3")]], [[skill("english:1-2")], [skill("billing:2")]]],
    "none_of": [[skill("billing:3")]],
    "teams": [["north"], ["north", "south"]],
    "band": [1, 9],
    "plan": ["patient", "mine", "known", "round", "called"],
    "calendar": ["office"],
    "service_level": [{"within_seconds": 5}, {"within_seconds": 60}],
    "choose_agent": ["longest_idle", "best_proficiency", "round_robin"],
    "parallel_offers": [2, 3],
    "auto_accept": [True],
    "first_response_seconds": [4, 40],
    "direction": ["outbound"],
    "customer_facts_wait_ms": [1000, 5000],
    "closed": [AWAY, CALLED, {"to": "queue", "queue": "mails"}],
    "full": [AWAY, CALLED],
    "priority": [3, 7],
    "escalates_to": ["mails", "sales"],
    "alerts": [
        [{"id": "long", "measure": "waiting", "above": 1}, {"id": "old", "measure": "oldest_wait_seconds", "above": 5}],
        [
            {"id": "bad", "measure": "service_level_percent", "below": 80, "for_seconds": 20},
            {"id": "slow", "measure": "expected_wait_seconds", "above": 10},
            {"id": "few", "measure": "ready_agents", "below": 1, "for_seconds": 3},
        ],
    ],
}
AGENT_FIELDS: Final[dict[str, list[Any]]] = {
    "team": ["north", "south"],
    "channels": [{"webchat": 1}, {"webchat": 2, "voice": 1, "email": 1}],
    "clients": [["shop"]],
    "directions": [["inbound"], ["outbound"]],
    "shift_calendar": ["office", "none"],
}
