"""The tenant of the stories: a queue for each skill, agents with mixed skills and capacities, two clients.

Each queue routes in another way, so that campaigns and soaks meet the features: `en` keeps opening hours (it never
closes), `es` relaxes and overflows by a plan, `billing` is offered to two agents at once, `tech` is accepted for them.
"""

from typing import Final

from contracts.calendars import Calendar
from contracts.configuration import ChannelAddress, Domain, TenantConfiguration
from contracts.routing_parts import (
    Agent,
    AgentBackoff,
    ClientShare,
    Destination,
    Plan,
    Queue,
    ReasonCode,
    RequiredSkill,
    ServiceLevel,
    Step,
)

TENANT: Final = "proof"
DOMAIN: Final = "proof.main"
CLIENTS: Final = ("shop", "bank")
ADDRESSES: Final = ("webchat:proof", "webchat:proof-bank")
"""Of the clients, in their order."""
SKILLS: Final = ("en", "es", "billing", "tech")
ALWAYS: Final = [["00:00", "24:00"]]
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def configuration(agents: int) -> TenantConfiguration:
    """With so many agents, `agent-0` and so on; each queue needs proficiency 2, which one agent in four lacks."""
    always = {"id": "always", "domain": DOMAIN, "time_zone": "Europe/Berlin", "weekly": dict.fromkeys(DAYS, ALWAYS)}
    return TenantConfiguration(
        clients=list(CLIENTS),
        skills=list(SKILLS),
        domains=[_domain(agents)],
        queues=[
            _queue("en", calendar="always", choose_agent="best_proficiency", service_level=ServiceLevel()),
            _queue("es", plan="wider", service_level=ServiceLevel(within_seconds=5)),
            _queue("billing", parallel_offers=2, choose_agent="longest_idle"),
            _queue("tech", auto_accept=True, choose_agent="round_robin"),
        ],
        plans=[_wider()],
        calendars=[Calendar.model_validate(always)],
        agents=[_agent(number) for number in range(agents)],
        channels=[_address(address, client) for address, client in zip(ADDRESSES, CLIENTS, strict=True)],
    )


def _domain(agents: int) -> Domain:
    """The bank may have about half of all capacity at once."""
    return Domain(
        id=DOMAIN,
        refused_backoff_seconds=10,
        unanswered_offers_max=3,
        presence_grace_seconds=10,
        aging_seconds_per_priority=5,
        longest_wait_seconds=60,
        agent_backoff=AgentBackoff(rejected_seconds=1),
        not_ready_reasons=[ReasonCode(id="break", label="Break")],
        client_shares=[
            ClientShare(client="shop", minimum_percent=40),
            ClientShare(client="bank", units_max=max(2, agents)),
        ],
    )


def _queue(skill: str, **settings: object) -> Queue:
    return Queue.model_validate(
        {
            "id": skill,
            "domain": DOMAIN,
            "name": skill,
            "requirements": [RequiredSkill(skill=skill, minimum=2)],
            "offer_timeout_seconds": 6,
            "wrapup_seconds": 5,
            **settings,
        }
    )


def _wider() -> Plan:
    """Who knows a little Spanish will do after a while; then who knows English."""
    return Plan(
        id="wider",
        domain=DOMAIN,
        steps=[
            Step(after_seconds=4, requirements=[RequiredSkill(skill="es")], priority_add=1),
            Step(after_seconds=15, overflow=Destination(to="queue", queue="en")),
        ],
    )


def _address(address: str, client: str) -> ChannelAddress:
    return ChannelAddress(
        address=address,
        channel="webchat",
        client=client,
        domain=DOMAIN,
        queue=SKILLS[0],
        queues=list(SKILLS[1:]),
    )


def _agent(number: int) -> Agent:
    return Agent(
        id=f"agent-{number}",
        domain=DOMAIN,
        name=f"Agent {number}",
        skills={skill: 1 + (number + place) % 4 for place, skill in enumerate(SKILLS)},
        capacity=1 + number % 3,
    )
