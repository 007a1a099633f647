"""A question to the engine and its answer, as they go through Redis; who asks and who answers share nothing else."""

from typing import Final, Literal

import msgspec

from router.domain.explain import explaining_queue, explaining_task
from router.domain.explain_agents import explain_target_agent, explaining_agent
from router.domain.explain_answers import AgentExplained, TargetExplained, TaskExplained
from router.domain.explain_census import Explaining
from router.domain.state import DomainState

About = Literal["task", "agent", "queue_as_target", "agent_as_target"]
Explained = TaskExplained | AgentExplained | TargetExplained
QUESTION_BYTES_MAX: Final = 2048


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """`subject` is the id of the task or agent, or the queue; `channel` and `client` say what would go to a target,
    `apart_from` whose it is now: that agent is no target."""

    question_id: str
    about: About
    subject: str
    channel: str | None = None
    client: str | None = None
    apart_from: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Of one domain. unknown: it has no such thing; failed: a bug, which the engine's log tells."""

    domain: str
    outcome: Literal["explained", "unknown", "failed"]
    explained: msgspec.Raw = msgspec.Raw(b"null")


def explaining(domain: DomainState, question: Question, now_ms: int) -> Explaining[Explained | None]:
    """The answer, worked off in pieces of about a millisecond; none when the domain has no such thing."""
    match question.about:
        case "task":
            return (yield from explaining_task(domain, question.subject, now_ms))
        case "agent":
            return (yield from explaining_agent(domain, question.subject, now_ms))
        case "agent_as_target":
            return explain_target_agent(domain, question.subject, now_ms)
        case "queue_as_target":
            going = {"channel": question.channel, "client": question.client, "apart_from": question.apart_from}
            return (yield from explaining_queue(domain, question.subject, now_ms, **going))
