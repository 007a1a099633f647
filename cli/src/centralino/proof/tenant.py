"""The tenant of the stories: a queue for each skill, and agents with mixed skills, proficiencies and capacities."""

from typing import Final

from contracts.configuration import ChannelAddress, Domain, TenantConfiguration
from contracts.routing_parts import Agent, Queue, RequiredSkill

TENANT: Final = "proof"
DOMAIN: Final = "proof.main"
ADDRESS: Final = "webchat:proof"
SKILLS: Final = ("en", "es", "billing", "tech")


def configuration(agents: int) -> TenantConfiguration:
    """With so many agents, `agent-0` and so on; each queue needs proficiency 2, which one agent in four lacks."""
    return TenantConfiguration(
        clients=["shop"],
        skills=list(SKILLS),
        domains=[Domain(id=DOMAIN, refused_backoff_seconds=10, unanswered_offers_max=3, presence_grace_seconds=10)],
        queues=[_queue(skill) for skill in SKILLS],
        agents=[_agent(number) for number in range(agents)],
        channels=[
            ChannelAddress(
                address=ADDRESS,
                channel="webchat",
                client="shop",
                domain=DOMAIN,
                queue=SKILLS[0],
                queues=list(SKILLS[1:]),
            )
        ],
    )


def _queue(skill: str) -> Queue:
    return Queue(
        id=skill,
        domain=DOMAIN,
        name=skill,
        requirements=[RequiredSkill(skill=skill, minimum=2)],
        offer_timeout_seconds=6,
        wrapup_seconds=5,
    )


def _agent(number: int) -> Agent:
    return Agent(
        id=f"agent-{number}",
        domain=DOMAIN,
        name=f"Agent {number}",
        skills={skill: 1 + (number + place) % 4 for place, skill in enumerate(SKILLS)},
        capacity=1 + number % 3,
    )
