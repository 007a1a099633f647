"""A small tenant, a visitor, and the events that a router and an agent would send them."""

from typing import Any, Final

from contracts import Event
from contracts.commands import AddNote, SendMessage
from contracts.configuration_records import ConfigurationRecord, RecordKind
from contracts.tasks import Role, TaskAssigned, TaskCompleted, TaskQueued, TaskRequeued, Then, WrapupStarted
from gatewaykit.domain.records import Place
from servicekit.testing.set_clock import NOW_MS

from chat_gateway.domain.records import Visit

TENANT: Final = "acme"
DOMAIN: Final = "acme.main"
ADDRESS: Final = "webchat:acme-shop"
AGENT: Final = "agent-1"
SHOP: Final = "https://shop.example"


def place(
    *, abandon_seconds: int = 60, idle_close_seconds: int = 1800, idle_release_seconds: int | None = None
) -> Place:
    """The sample address."""
    return Place(
        tenant_id=TENANT,
        channel="webchat",
        address=ADDRESS,
        client="shop",
        domain=DOMAIN,
        partition=2,
        idle_close_seconds=idle_close_seconds,
        abandon_seconds=abandon_seconds,
        idle_release_seconds=idle_release_seconds,
    )


def visit(interaction_id: str = "i1") -> Visit:
    """A visitor's window."""
    return Visit(
        tenant_id=TENANT,
        interaction_id=interaction_id,
        address=ADDRESS,
        identifiers=[{"type": "webchat", "value": "visitor-1", "verified": False}],
        opened_at_ms=NOW_MS,
        expires_at_ms=NOW_MS + 3_600_000,
        name="Ada",
        queue="support-en",
        attributes={},
    )


def configuration(
    *,
    tenant_id: str = TENANT,
    abandon_seconds: int = 60,
    idle_release_seconds: int | None = None,
    callbacks: bool = False,
    identity_keys: tuple[str, ...] = (),
) -> list[Event]:
    """What topic `config` holds for the sample tenant."""
    values: list[tuple[RecordKind, str, dict[str, object]]] = [
        ("domain", DOMAIN, {"id": DOMAIN, "partition": 2}),
        ("queue", f"{DOMAIN}/support-en", {"id": "support-en", "domain": DOMAIN, "name": "Support"}),
        ("queue", f"{DOMAIN}/billing", {"id": "billing", "domain": DOMAIN, "name": "Billing"}),
        ("agent", AGENT, {"id": AGENT, "domain": DOMAIN, "name": "Grace"}),
        ("agent", "agent-2", {"id": "agent-2", "domain": DOMAIN, "name": "Linus"}),
        (
            "channel",
            ADDRESS,
            {
                "address": ADDRESS,
                "channel": "webchat",
                "client": "shop",
                "domain": DOMAIN,
                "queue": "support-en",
                "queues": ["billing"],
                "origins": [SHOP],
                "identity_keys": list(identity_keys),
                "abandon_seconds": abandon_seconds,
                "idle_release_seconds": idle_release_seconds,
                "callbacks": callbacks,
            },
        ),
    ]
    return [_configured(tenant_id, kind, name, value) for kind, name, value in values]


def queued(
    *, interaction_id: str = "i1", task: int = 1, sequence: int, priority: int = 5, **more: Any
) -> Event:  # Any: fields of the event
    """The router queued a task."""
    data = TaskQueued(
        task_id=f"{interaction_id}.t{task}",
        interaction_id=interaction_id,
        domain=DOMAIN,
        client="shop",
        channel="webchat",
        queue="support-en",
        priority=priority,
        cost=1,
        requirements=(),
        queued_at_ms=NOW_MS + sequence,
        **more,
    )
    return routed(data, data.task_id, sequence)


def assigned(
    *,
    interaction_id: str = "i1",
    task: int = 1,
    offer: int = 1,
    sequence: int,
    agent_id: str = AGENT,
    role: Role = "owner",
    respond_by_ms: int | None = None,
) -> Event:
    """The agent has it."""
    task_id = f"{interaction_id}.t{task}"
    data = TaskAssigned(
        task_id=task_id,
        interaction_id=interaction_id,
        domain=DOMAIN,
        queue="support-en",
        channel="webchat",
        assignment_id=f"{task_id}.o{offer}.a",
        offer_id=f"{task_id}.o{offer}",
        agent_id=agent_id,
        assigned_at_ms=NOW_MS,
        waited_ms=10,
        role=role,
        respond_by_ms=respond_by_ms,
    )
    return routed(data, task_id, sequence)


def requeued(*, interaction_id: str = "i1", task: int = 1, sequence: int) -> Event:
    """The sample agent was lost."""
    task_id = f"{interaction_id}.t{task}"
    data = TaskRequeued(
        task_id=task_id,
        interaction_id=interaction_id,
        domain=DOMAIN,
        queue="support-en",
        assignment_id=f"{task_id}.o1.a",
        agent_id=AGENT,
        reason="agent_lost",
        queued_at_ms=NOW_MS,
        requeued_at_ms=NOW_MS + sequence,
    )
    return routed(data, task_id, sequence)


def wrapped_up(
    *,
    interaction_id: str = "i1",
    task: int = 1,
    sequence: int,
    then: Then = "close",
    seen_number: int | None = None,
    handed_over_to: str | None = None,
) -> Event:
    """The sample agent ended the conversation."""
    task_id = f"{interaction_id}.t{task}"
    data = WrapupStarted(
        task_id=task_id,
        interaction_id=interaction_id,
        domain=DOMAIN,
        queue="support-en",
        assignment_id=f"{task_id}.o1.a",
        agent_id=AGENT,
        reason="agent_ended",
        then=then,
        seen_number=seen_number,
        started_at_ms=NOW_MS,
        ends_at_ms=NOW_MS + 60_000,
        handed_over_to=handed_over_to,
    )
    return routed(data, task_id, sequence)


def completed(
    *, interaction_id: str = "i1", task: int = 1, sequence: int, then: Then = "close", seen_number: int | None = None
) -> Event:
    """The sample agent is done."""
    task_id = f"{interaction_id}.t{task}"
    data = TaskCompleted(
        task_id=task_id,
        interaction_id=interaction_id,
        domain=DOMAIN,
        queue="support-en",
        assignment_id=f"{task_id}.o1.a",
        agent_id=AGENT,
        reason="completed_by_agent",
        disposition=None,
        then=then,
        seen_number=seen_number,
        completed_at_ms=NOW_MS,
        handled_ms=1000,
    )
    return routed(data, task_id, sequence)


def spoken(
    text: object = "Hello, how can I help?",
    *,
    interaction_id: str = "i1",
    message_id: str = "m-agent-1",
    task: int = 1,
    sequence: int,
    tenant_id: str = TENANT,
    agent_id: str = AGENT,
    note: bool = False,
) -> Event:
    """The agent says something, or notes it for the other agents; `sequence` is that of the assignment."""
    data = (AddNote if note else SendMessage)(
        message_id=message_id,
        interaction_id=interaction_id,
        domain=DOMAIN,
        agent_id=agent_id,
        assignment_id=f"{interaction_id}.t{task}.o1.a",
        assignment_sequence=sequence_text(sequence),
        requested_at_ms=NOW_MS,
        personal={"text": text},
    )
    return Event(
        id=message_id,
        source="/router/api",
        tenant_id=tenant_id,
        subject=interaction_id,
        time_ms=NOW_MS,
        data=data,
    )


def sequence_text(sequence: int) -> str:
    """As the engine writes it."""
    return f"0001-{sequence:015d}-00000"


def _configured(tenant_id: str, kind: RecordKind, name: str, value: dict[str, object]) -> Event:
    record = ConfigurationRecord(kind=kind, id=f"{kind}:{name}", domain=DOMAIN, version=1, value=value)
    key = f"{tenant_id}/{kind}/{name}"
    return Event(id=f"{key}.1", source="/router/api", tenant_id=tenant_id, subject=key, time_ms=NOW_MS, data=record)


def routed(data: object, subject: str, sequence: int) -> Event:
    """A routing event as the engine publishes it."""
    text = sequence_text(sequence)
    return Event(
        id=text, source="/router/engine", tenant_id=TENANT, subject=subject, time_ms=NOW_MS, data=data, sequence=text
    )
