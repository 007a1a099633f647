"""What is decided in the model: contacts are queued, offered, accepted, expired. Written as `router.domain` is."""

from collections.abc import Iterator

from router.testing.model.rules import Rules
from router.testing.model.world import AGENTS, NOBODY, Contact, Fact, Facts, Input, State


def decide(rules: Rules, state: State, given: Input, confirmed: State) -> Facts:
    """What an input leads to. Pure. `confirmed`, an older state, is looked at only without a rule."""
    facts = list(_effects(rules, state, given))
    for fact in facts:
        state = fold(state, fact)
    while offer := _next_offer(state, state if rules.keep("capacity is checked as it is reserved") else confirmed):
        state = fold(state, offer)
        facts.append(offer)
    return tuple(facts)


def _effects(rules: Rules, state: State, given: Input) -> Iterator[Fact]:
    match given.kind:
        case "start":
            if state.contacts[given.contact].state == "new" or not rules.keep("started contacts are remembered"):
                yield Fact("queued", given.contact)
        case "accept":
            yield from _accepted(rules, state, given)
        case "expire":
            yield Fact("expired", given.contact, state.contacts[given.contact].agent, given.offer)
        case "observe":
            yield from (Fact("seen", agent=agent) for agent in given.seen)
            for agent in given.gone:
                yield Fact("gone", agent=agent)
                for number, contact in enumerate(state.contacts):
                    if contact.agent == agent and rules.keep("who is gone gives back what they hold"):
                        yield Fact("lost", number, agent, contact.offers)
        case "name":
            yield Fact("named", upto=given.upto)
        case _:
            pass


def _accepted(rules: Rules, state: State, given: Input) -> Iterator[Fact]:
    if given.command in dict(state.answers) and rules.keep("command ids are remembered"):
        return
    live = state.contacts[given.contact] == Contact("offered", given.agent, given.offer)
    if live or not rules.keep("a stale accept is refused"):
        yield Fact("assigned", given.contact, given.agent, given.offer)
        yield Fact("answered", command=given.command, answer="done")
    elif rules.keep("a refused command is answered too"):
        yield Fact("answered", command=given.command, answer="refused")


def _next_offer(state: State, reserved: State) -> Fact | None:
    """The first who waits, to an agent who is free; who had the last offer comes last."""
    busy = {contact.agent for contact in reserved.contacts}
    for number, contact in enumerate(state.contacts):
        if contact.state == "waiting":
            for agent in (contact.offers % len(AGENTS), (contact.offers + 1) % len(AGENTS)):
                if state.presence[agent] == "present" and agent not in busy:
                    return Fact("offered", number, agent, contact.offers + 1)
    return None


def fold(state: State, fact: Fact) -> State:
    """The state after a fact."""
    state = state._replace(facts=state.facts + 1)
    match fact.kind:
        case "queued" | "expired" | "lost":
            return _with(state, fact.contact, Contact("waiting", NOBODY, state.contacts[fact.contact].offers))
        case "offered" | "assigned":
            return _with(state, fact.contact, Contact(fact.kind, fact.agent, fact.offer))
        case "seen" | "gone":
            word = "present" if fact.kind == "seen" else "gone"
            return state._replace(
                presence=tuple(word if agent == fact.agent else state.presence[agent] for agent in AGENTS)
            )
        case "answered":
            return state._replace(answers=(*state.answers, (fact.command, fact.answer)))
        case _:
            return state._replace(snapshot=fact.upto)


def _with(state: State, number: int, contact: Contact) -> State:
    return state._replace(contacts=(*state.contacts[:number], contact, *state.contacts[number + 1 :]))
