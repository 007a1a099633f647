"""How explanations say things: what a task asks, how long something lasts, why somebody falls out."""

from collections.abc import Iterable
from typing import Final

from contracts.offers import Decision
from contracts.routing_parts import Destination
from contracts.tasks import Origin, Requirement, Terms

from router.domain.explain_answers import ReasonCode

LONG_MS: Final = 600_000
ANY: Final = "any"
_WORDS: Final[dict[ReasonCode, tuple[str, str]]] = {
    "has_offer": ("has it offered", "have it offered"),
    "not_named": ("is not among those it is for", "are not among those it is for"),
    "team": ("is not in {}", "are not in {}"),
    "channel": ("does not serve {}", "do not serve {}"),
    "client": ("does not serve client {}", "do not serve client {}"),
    "direction": ("takes no {} work", "take no {} work"),
    "requirement": ("lacks {}", "lack {}"),
    "one_of": ("lacks {}", "lack {}"),
    "none_of": ("has {}, which is ruled out", "have {}, which is ruled out"),
    "not_ready": ("not ready{}", "not ready{}"),
    "pending_state": ("about to be not ready{}", "about to be not ready{}"),
    "not_present": ("not connected", "not connected"),
    "backed_off": ("backed off after an offer", "backed off after an offer"),
    "being_served": ("being served just now", "being served just now"),
    "at_capacity": ("at capacity", "at capacity"),
    "channel_full": ("has no more room for {}", "have no more room for {}"),
    "transfers_it": ("asks for the transfer", "ask for the transfer"),
    "refused_before": ("refused it", "refused it"),
    "gate_closed": ("kept back: {}", "kept back: {}"),
}
_TASK_WORDS: Final[dict[ReasonCode, tuple[str, str]]] = {
    "has_offer": ("is offered to them", "are offered to them"),
    "not_named": ("is for other agents alone", "are for other agents alone"),
    "team": ("is for {}", "are for {}"),
    "channel": ("comes by {}", "come by {}"),
    "client": ("is of client {}", "are of client {}"),
    "direction": ("is {} work", "are {} work"),
    "requirement": ("asks for {}", "ask for {}"),
    "one_of": ("asks for {}", "ask for {}"),
    "none_of": ("rules out {}", "rule out {}"),
    "transfers_it": ("is a transfer of theirs", "are transfers of theirs"),
    "refused_before": ("was refused by them", "were refused by them"),
    "gate_closed": ("kept back: {}", "kept back: {}"),
}
_RULES: Final = {
    "least_loaded_longest_idle": "the least loaded, and of these the longest idle,",
    "longest_idle": "the longest idle",
    "best_proficiency_least_loaded": "the most proficient, and of these the least loaded,",
    "round_robin": "the one whose turn it was",
    "priority_longest_waiting": "whoever had room first, as this task was first in line for them,",
    "gate_opened": "the best once the cap or reserve that had kept it back let it through",
}
_EXCLUDED: Final = {
    "lacks_skill": "could not serve it",
    "not_named": "not among those it was for",
    "not_ready": "not ready",
    "not_present": "not connected",
    "backed_off": "backed off",
    "at_capacity": "at capacity",
    "refused_before": "had refused it, had it offered or transferred it",
    "gate_closed": "kept back by a cap or reserve",
}


def about_agents(code: ReasonCode, detail: str, count: int) -> str:
    """`9 lack es>=4`."""
    return f"{count} {_WORDS[code][count != 1].format(_enclosed(code, detail))}"


def about_tasks(code: ReasonCode, detail: str, count: int) -> str:
    """`9 ask for es>=4`."""
    return f"{count} {_TASK_WORDS[code][count != 1].format(detail)}"


def chosen_by(decision: Decision) -> str:
    """How and among whom an agent was chosen."""
    who = _RULES.get(decision.rule, f"by rule {decision.rule}")
    out = [f"{count} {_EXCLUDED.get(reason, reason)}" for reason, count in decision.excluded.items()]
    others = f" ({', '.join(out)})" if out else ""
    return f"{who} of {decision.eligible} eligible among {decision.agents} agents{others}"


def asked_for(origin: Origin, queue: str) -> str:
    """`ann asks bob for help`, `sue asks queue billing to take over from ann`."""
    whom = f"queue {queue}"
    if origin.to_agent_id is not None:
        whom = origin.to_agent_id
    elif origin.target == "tier":
        whom = f"the next tier, queue {queue},"
    elif origin.target == "skills":
        whom = "whoever has the skills"
    by_another = origin.requested_by != origin.from_agent_id
    if origin.kind == "consult":
        what = f"to help {origin.from_agent_id}" if by_another else "for help"
    else:
        what = f"to take over from {origin.from_agent_id}" if by_another else "to take over"
    return f"{origin.requested_by} asks {whom} {what}"


def asks(requirements: Iterable[Requirement], terms: Terms) -> str:
    """`es>=4 and one of (fr or it) and no sales and team north`; `any` when nothing is asked."""
    parts = [skill(each) for each in requirements]
    parts += [one_of(group) for group in terms.any_of]
    parts += [f"no {skill(each)}" for each in terms.none_of]
    parts += [team(terms.teams)] if terms.teams else []
    return " and ".join(parts) or ANY


def skill(required: Requirement) -> str:
    """`es`, `es>=4`, `es<=2`, `es=3`, `es 2 to 4`."""
    low, high = required.minimum, required.maximum
    if high >= 5:
        return required.skill if low <= 1 else f"{required.skill}>={low}"
    if low == high:
        return f"{required.skill}={low}"
    return f"{required.skill}<={high}" if low <= 1 else f"{required.skill} {low} to {high}"


def one_of(group: Iterable[Requirement]) -> str:
    """`one of (es>=2 or fr)`."""
    return f"one of ({' or '.join(map(skill, group))})"


def team(teams: Iterable[str]) -> str:
    """`team north or south`."""
    return f"team {' or '.join(teams)}"


def span(milliseconds: int) -> str:
    """A stated length of time, exactly: `90 s`, `15 min`, `2 h`."""
    if milliseconds >= LONG_MS and milliseconds % 60_000 == 0:
        minutes = milliseconds // 60_000
        return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
    return f"{round(milliseconds / 1000)} s"


def left(milliseconds: int) -> str:
    """A measured length of time, not longer than it is worth reading: `1.2 s`, `12 s`, `25 min`, `7 h`."""
    seconds = max(0, milliseconds) / 1000
    if seconds < 599.5:
        return f"{seconds:.{int(seconds < 9.95)}f}".removesuffix(".0") + " s"
    return f"{seconds / 60:.0f} min" if seconds < 10_800 else f"{seconds / 3600:.0f} h"


def destination(to: Destination) -> str:
    """`sales`, `callback`, `voicemail`, `a closing message`."""
    return to.queue or "nowhere" if to.to == "queue" else "a closing message" if to.to == "message" else to.to


def _enclosed(code: ReasonCode, detail: str) -> str:
    return f" ({detail})" if detail and code in {"not_ready", "pending_state"} else detail
