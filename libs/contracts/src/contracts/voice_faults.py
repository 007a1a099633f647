"""What is wrong with the parts of a configuration document that say how calls go, beyond the form of each: names that
lead nowhere, keys with two meanings, menus in a circle."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from contracts.configuration import TenantConfiguration
from contracts.voice_parts import MENUS_DEEP_MAX, OWN_PROMPTS, Flow, Menu, Survey

Found = tuple[str, str]
"""JSON Pointer and message."""


def voice_faults(configuration: TenantConfiguration) -> Iterator[Found]:
    """Everything; that each domain is there is looked at with the other parts'."""
    prompts = {(prompt.domain, prompt.id) for prompt in configuration.prompts}
    queues = {(queue.domain, queue.id) for queue in configuration.queues}
    for index, flow in enumerate(configuration.flows):
        path = f"/flows/{index}"
        for place, name in flow.prompts():
            if name not in OWN_PROMPTS and (flow.domain, name) not in prompts:
                yield f"{path}{place}", f"domain {flow.domain!r} has no prompt {name!r}: add it to `prompts`"
        for place, queue in _queues(flow):
            if (flow.domain, queue) not in queues:
                yield f"{path}{place}", f"domain {flow.domain!r} has no queue {queue!r}"
        yield from ((f"{path}{place}", message) for place, message in _of_keys(flow))
        yield from ((f"{path}{place}", message) for place, message in _of_menus(flow))
    yield from _of_recording(configuration, queues)
    yield from _of_extensions(configuration, queues)
    yield from _of_addresses(configuration)


def _queues(flow: Flow) -> Iterator[Found]:
    for place, menu in enumerate(flow.menus):
        for number, item in enumerate(menu.items):
            yield from ((f"/menus/{place}/items/{number}/queue", item.queue),) if item.queue else ()
    if flow.voicemail and flow.voicemail.queue:
        yield "/voicemail/queue", flow.voicemail.queue


def _of_keys(flow: Flow) -> Iterator[Found]:
    """No key means two things at one time."""
    yield from _twice("/languages", [choice.key for choice in flow.languages])
    taken = {flow.repeat_key: "repeat_key", flow.back_key: "back_key"}
    if flow.repeat_key is not None and flow.repeat_key == flow.back_key:
        yield "/back_key", f"key {flow.back_key!r} is the `repeat_key` already: choose another"
    for place, menu in enumerate(flow.menus):
        keys = [item.key for item in menu.items]
        yield from _twice(f"/menus/{place}/items", keys)
        for number, key in enumerate(keys):
            if key in taken:
                yield f"/menus/{place}/items/{number}/key", f"key {key!r} is the flow's `{taken[key]}`: choose another"
        if menu.default_key is not None and menu.default_key not in keys:
            yield f"/menus/{place}/default_key", f"no item of this menu has the key {menu.default_key!r}"
    yield from _of_survey(flow.survey)


def _of_survey(survey: Survey | None) -> Iterator[Found]:
    questions = survey.questions if survey else []
    names = Counter(question.id for question in questions)
    for place, question in enumerate(questions):
        if names[question.id] > 1:
            yield f"/survey/questions/{place}/id", f"{question.id!r} stands {names[question.id]} times: rename it"


def _of_menus(flow: Flow) -> Iterator[Found]:
    """Each name is one menu's, each reference leads to one, and none leads back or too deep."""
    menus = {menu.id: (f"/menus/{place}", menu) for place, menu in enumerate(flow.menus)}
    names = Counter(menu.id for menu in flow.menus)
    if flow.menu is not None and flow.menu not in menus:
        yield "/menu", f"this flow has no menu {flow.menu!r}: add it to `menus`"
    for place, menu in enumerate(flow.menus):
        if names[menu.id] > 1:
            yield f"/menus/{place}/id", f"{menu.id!r} stands {names[menu.id]} times; names must be unique"
        for number, item in enumerate(menu.items):
            if item.menu is not None and item.menu not in menus:
                yield f"/menus/{place}/items/{number}/menu", f"this flow has no menu {item.menu!r}: add it to `menus`"
    if flow.menu is not None and flow.menu in menus:
        yield from _too_deep(menus, [flow.menu])


def _too_deep(menus: Mapping[str, tuple[str, Menu]], way: Sequence[str]) -> Iterator[Found]:
    """Where a way comes back to itself, or goes on too long."""
    place, menu = menus[way[-1]]
    for number, item in enumerate(menu.items):
        path = f"{place}/items/{number}/menu"
        if item.menu is None or item.menu not in menus:
            continue
        if item.menu in way:
            yield path, f"menu {item.menu!r} leads back to itself: let callers go back by `back_key`"
        elif len(way) == MENUS_DEEP_MAX:
            yield path, f"more than {MENUS_DEEP_MAX} menus one below the other: nobody keeps so many choices in mind"
        else:
            yield from _too_deep(menus, [*way, item.menu])


def _of_recording(configuration: TenantConfiguration, queues: set[tuple[str, str]]) -> Iterator[Found]:
    clients = set(configuration.clients)
    for index, policy in enumerate(configuration.recording):
        for place, queue in enumerate(policy.queues):
            if (policy.domain, queue) not in queues:
                yield f"/recording/{index}/queues/{place}", f"domain {policy.domain!r} has no queue {queue!r}"
        for place, client in enumerate(policy.clients):
            if client not in clients:
                yield f"/recording/{index}/clients/{place}", f"there is no client {client!r} in this document"


def _of_extensions(configuration: TenantConfiguration, queues: set[tuple[str, str]]) -> Iterator[Found]:
    agents = {agent.id: agent.domain for agent in configuration.agents}
    for index, extension in enumerate(configuration.extensions):
        path = f"/extensions/{index}"
        if extension.queue is not None and (extension.domain, extension.queue) not in queues:
            yield f"{path}/queue", f"domain {extension.domain!r} has no queue {extension.queue!r}"
        if extension.agent is not None and agents.get(extension.agent) != extension.domain:
            yield f"{path}/agent", f"domain {extension.domain!r} has no agent {extension.agent!r}"


def _of_addresses(configuration: TenantConfiguration) -> Iterator[Found]:
    flows = {(flow.domain, flow.id) for flow in configuration.flows}
    for index, address in enumerate(configuration.channels):
        if address.flow is not None and (address.domain, address.flow) not in flows:
            yield f"/channels/{index}/flow", f"domain {address.domain!r} has no flow {address.flow!r}"


def _twice(path: str, keys: Sequence[str]) -> Iterator[Found]:
    counts = Counter(keys)
    for place, key in enumerate(keys):
        if counts[key] > 1:
            yield f"{path}/{place}/key", f"key {key!r} has {counts[key]} meanings here: give each its own"
