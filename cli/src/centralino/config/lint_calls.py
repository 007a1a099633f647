"""Calls: what callers never hear or hear wrongly, keys that lead nowhere, phones that nobody rings."""

from collections.abc import Iterator, Mapping

from contracts.configuration import ChannelAddress
from contracts.placeholders import variables_in
from contracts.routing_parts import Agent
from contracts.voice_parts import OWN_LANGUAGES, OWN_PROMPTS, VOICE, Flow, address_of

from centralino.config.findings import Finding, listed
from centralino.config.serving import Serving


def menu_that_nobody_reaches(serving: Serving) -> Iterator[Finding]:
    """Neither the flow begins with it nor leads a key of a menu that is reached to it."""
    for index, flow in enumerate(serving.configuration.flows):
        reached = _reached(flow)
        for place, menu in enumerate(flow.menus):
            if menu.id not in reached:
                yield Finding(
                    rule="menu_that_nobody_reaches",
                    severity="warning",
                    path=f"/flows/{index}/menus/{place}",
                    message=f"no key leads to menu {menu.id}",
                    advice="name it by the `menu` of the flow or of a key, or remove it",
                )


def flow_that_no_address_uses(serving: Serving) -> Iterator[Finding]:
    """No call goes through it."""
    used = {(address.domain, address.flow) for address in serving.configuration.channels}
    for index, flow in enumerate(serving.configuration.flows):
        if (flow.domain, flow.id) not in used:
            yield Finding(
                rule="flow_that_no_address_uses",
                severity="warning",
                path=f"/flows/{index}",
                message="no call goes through it",
                advice="name it by the `flow` of an address of the channel voice, or remove it",
            )


def prompt_that_no_flow_plays(serving: Serving) -> Iterator[Finding]:
    """Neither a flow names it, nor does it take the place of one of the gateway's own."""
    played = {(flow.domain, name) for flow in serving.configuration.flows for _, name in flow.prompts()}
    for index, prompt in enumerate(serving.configuration.prompts):
        if prompt.id not in OWN_PROMPTS and (prompt.domain, prompt.id) not in played:
            yield Finding(
                rule="prompt_that_no_flow_plays",
                severity="warning",
                path=f"/prompts/{index}",
                message="nobody hears it",
                advice=f"name it in a flow, remove it, or give it the id of one of the gateway's: {_own()}",
            )


def prompt_without_a_language(serving: Serving) -> Iterator[Finding]:
    """A flow may be heard in a language in which one of its prompts has neither words nor a sound."""
    prompts = {(prompt.domain, prompt.id): prompt.languages() for prompt in serving.configuration.prompts}
    for index, flow in enumerate(serving.configuration.flows):
        languages = dict.fromkeys([flow.language, *(choice.language for choice in flow.languages)])
        for path, name in flow.prompts():
            own = OWN_LANGUAGES if name in OWN_PROMPTS else ()
            said = {_primary(language) for language in (*prompts.get((flow.domain, name), ()), *own)}
            missing = [language for language in languages if _primary(language) not in said]
            if missing:
                yield Finding(
                    rule="prompt_without_a_language",
                    severity="warning",
                    path=f"/flows/{index}{path}",
                    message=f"prompt {name} says nothing in {listed(missing)}: callers hear it in another language",
                    advice="add `texts` or `files` in that language to it",
                )


def prompt_with_an_unknown_value(serving: Serving) -> Iterator[Finding]:
    """Words with a value that nobody fills."""
    for index, prompt in enumerate(serving.configuration.prompts):
        known = OWN_PROMPTS.get(prompt.id, ())
        for name in _with_a_key(serving, prompt.domain):
            known = (*known, "key") if name == prompt.id and "key" not in known else known
        for language, text in prompt.texts.items():
            unknown = [name for name in variables_in(text) if name not in known]
            if unknown:
                yield Finding(
                    rule="prompt_with_an_unknown_value",
                    severity="warning",
                    path=f"/prompts/{index}/texts/{language}",
                    message=f"nobody fills {listed(unknown)}",
                    advice=f"known here: {', '.join(known) or 'none'}; a brace is written twice",
                )


def choice_that_the_address_does_not_allow(serving: Serving) -> Iterator[Finding]:
    """A key of a menu asks for a queue that the address does not have: the router goes by the address."""
    flows = {(flow.domain, flow.id): (place, flow) for place, flow in enumerate(serving.configuration.flows)}
    for address in serving.configuration.channels:
        if address.flow is None:
            continue
        index, flow = flows[address.domain, address.flow]
        for place, menu in enumerate(flow.menus):
            for number, item in enumerate(menu.items):
                if item.queue is not None and item.queue not in (address.queue, *address.queues):
                    yield Finding(
                        rule="choice_that_the_address_does_not_allow",
                        severity="error",
                        path=f"/flows/{index}/menus/{place}/items/{number}/queue",
                        message=f"who calls {address.address} gets queue {address.queue} instead of {item.queue}",
                        advice=f"add {item.queue} to the `queues` of {address.address}",
                    )


def address_that_nobody_can_dial(serving: Serving) -> Iterator[Finding]:
    """Called numbers are looked up as `tel:` and digits."""
    for index, address in enumerate(serving.configuration.channels):
        wanted = address_of(address.address.removeprefix("tel:"))
        if _is_called(address) and address.address != wanted:
            yield Finding(
                rule="address_that_nobody_can_dial",
                severity="error",
                path=f"/channels/{index}/address",
                message="no number leads to it: calls to it are refused",
                advice=f"write the number as the trunk says it, without +: {wanted}?",
            )


def agents_without_a_phone(serving: Serving) -> Iterator[Finding]:
    """Who is offered calls of an address and cannot be called loses each that they accept."""
    queues = {(queue.domain, queue.id): queue for queue in serving.configuration.queues}
    for index, address in enumerate(serving.configuration.channels):
        if not _is_called(address):
            continue
        asked = [queues[address.domain, name] for name in dict.fromkeys([address.queue, *address.queues])]
        silent = {agent.id for queue in asked for agent in serving.servers(queue) if _lacks_phone(agent, address)}
        if silent:
            yield Finding(
                rule="agents_without_a_phone",
                severity="warning",
                path=f"/channels/{index}",
                message=f"{listed(sorted(silent))} may get its calls and cannot be called",
                advice="give each a `phone`, or let their `channels` leave out voice",
            )


def policy_behind_one_that_always_fits(serving: Serving) -> Iterator[Finding]:
    """The first policy that fits counts."""
    ended: dict[str, str] = {}
    for index, policy in enumerate(serving.configuration.recording):
        if policy.domain in ended:
            yield Finding(
                rule="policy_behind_one_that_always_fits",
                severity="warning",
                path=f"/recording/{index}",
                message=f"policy {ended[policy.domain]} before it fits every call",
                advice=f"move it before {ended[policy.domain]}",
            )
        elif not policy.queues and not policy.clients and len(set(policy.directions)) != 1:
            ended[policy.domain] = policy.id


def _reached(flow: Flow) -> set[str]:
    below: Mapping[str, list[str]] = {
        menu.id: [item.menu for item in menu.items if item.menu is not None] for menu in flow.menus
    }
    found, ahead = set[str](), [flow.menu] if flow.menu else []
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += below.get(name, [])
    return found


def _with_a_key(serving: Serving, domain: str) -> Iterator[str]:
    """Prompts of the domain that are told a key to press."""
    for flow in serving.configuration.flows:
        if flow.domain == domain:
            yield flow.language_prompt
            yield from (flow.voicemail.prompt,) if flow.voicemail else ()


def _is_called(address: ChannelAddress) -> bool:
    """Whether the voice gateway serves it, as far as can be told: others have no flow."""
    return address.channel == VOICE and (address.flow is not None or address.caller_id is not None)


def _lacks_phone(agent: Agent, address: ChannelAddress) -> bool:
    takes = (not agent.channels or VOICE in agent.channels) and (not agent.clients or address.client in agent.clients)
    return takes and agent.phone is None


def _primary(language: str) -> str:
    """`it` of `it-ch`: a voice of the one will do for the other."""
    return language.partition("-")[0]


def _own() -> str:
    return ", ".join(OWN_PROMPTS)
