"""What happens for each event: one function per type, in the transaction that also moves the consumer's position.

All are idempotent, and none needs another topic's event to have come before.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar
from uuid import NAMESPACE_URL, uuid5

from contracts import Event
from contracts.interactions import InteractionEnded, InteractionStarted, InteractionUpdated
from contracts.messages import MessageDelivered, MessageFailed, MessageReceived, MessageSent
from contracts.tasks import TaskAbandoned, TaskAssigned, TaskCompleted, TaskQueued, TaskRequeued, WrapupStarted
from servicekit.reactions import Delivery

from crm.domain import identity, stories
from crm.domain.identity import Identifier
from crm.domain.stories import FailedMessage, Interaction, Task, TaskEvent
from crm.domain.words import cleaned
from crm.transaction import CrmTransaction, DecisionRow, Expected, Named


async def expect(tx: CrmTransaction, deliveries: Sequence[Delivery[object]]) -> None:
    """Before a batch is handled: look up together what the functions below will ask for."""
    interactions, tasks = set[Named](), set[Named]()
    identifiers = set[tuple[str, str, str]]()
    for delivery in deliveries:
        tenant_id, data = delivery.event.tenant_id, delivery.data
        match data:
            case InteractionStarted() | InteractionUpdated() | InteractionEnded():
                interactions.add((tenant_id, data.interaction_id))
                if not isinstance(data, InteractionEnded):
                    identifiers |= {(tenant_id, *claim.key) for claim in identity.claims_of(data.personal)}
            case TaskQueued() | TaskAssigned() | TaskRequeued() | WrapupStarted() | TaskCompleted() | TaskAbandoned():
                tasks.add((tenant_id, data.task_id))
            case _:
                pass
    await tx.expect(Expected(interactions=interactions, tasks=tasks, identifiers=identifiers))


async def interaction_started(tx: CrmTransaction, delivery: Delivery[InteractionStarted]) -> None:
    """A conversation began: keep it and find out whose it is."""
    event, data = delivery.event, delivery.data
    before = await _interaction(tx, event, data)
    customer_id = await _identify(tx, event, before, data.personal, at_ms=data.started_at_ms)
    await tx.save_interaction(replace(stories.started(before, data), customer_id=customer_id))


async def interaction_updated(tx: CrmTransaction, delivery: Delivery[InteractionUpdated]) -> None:
    """More is known of it; maybe also who the customer is."""
    event, data = delivery.event, delivery.data
    before = await _interaction(tx, event, data)
    customer_id = await _identify(tx, event, before, data.personal, at_ms=data.updated_at_ms)
    await tx.save_interaction(replace(stories.updated(before, data), customer_id=customer_id))


async def interaction_ended(tx: CrmTransaction, delivery: Delivery[InteractionEnded]) -> None:
    """It is over."""
    before = await _interaction(tx, delivery.event, delivery.data)
    await tx.save_interaction(stories.ended(before, delivery.data))


async def message_said(tx: CrmTransaction, delivery: Delivery[MessageReceived] | Delivery[MessageSent]) -> None:
    """Keep a message, once. Raises RejectError when its number or id stands for another one."""
    await tx.add_message(stories.message_of(delivery.event.tenant_id, delivery.data))


async def message_delivered(tx: CrmTransaction, delivery: Delivery[MessageDelivered]) -> None:
    """The customer has the agent's messages up to a number."""
    data = delivery.data
    await tx.mark_delivered(
        delivery.event.tenant_id, data.interaction_id, number=data.number, delivered_at_ms=data.delivered_at_ms
    )


async def message_failed(tx: CrmTransaction, delivery: Delivery[MessageFailed]) -> None:
    """An agent's message did not get through; keep it apart from the conversation."""
    data = delivery.data
    failed = FailedMessage(
        tenant_id=delivery.event.tenant_id,
        message_id=data.message_id,
        interaction_id=data.interaction_id,
        agent_id=data.agent_id,
        reason=data.reason,
        detail=cleaned(data.detail),
        failed_at_ms=data.failed_at_ms,
    )
    await tx.add_failed_message(failed)


AnyTaskEvent = TypeVar("AnyTaskEvent", bound=TaskEvent)


async def task_changed(tx: CrmTransaction, delivery: Delivery[AnyTaskEvent]) -> None:
    """The router did something with a task."""
    tenant_id, data = delivery.event.tenant_id, delivery.data
    before = await tx.task(tenant_id, data.task_id) or Task(
        tenant_id=tenant_id,
        task_id=data.task_id,
        interaction_id=data.interaction_id,
        domain=data.domain,
        queue=data.queue,
    )
    await tx.save_task(stories.followed(before, data))


async def _interaction(
    tx: CrmTransaction, event: Event, data: InteractionStarted | InteractionUpdated | InteractionEnded
) -> Interaction:
    kept = await tx.interaction(event.tenant_id, data.interaction_id)
    return kept or Interaction(tenant_id=event.tenant_id, interaction_id=data.interaction_id, domain=data.domain)


async def _identify(
    tx: CrmTransaction, event: Event, before: Interaction, personal: dict[str, object], *, at_ms: int
) -> str:
    """Whose interaction it is, by all that it claimed so far. What was claimed before is not decided again."""
    claims, name = identity.claims_of(personal), stories.name_of(personal)
    said = await tx.claims(event.tenant_id, before.interaction_id)
    customer_id, stale = before.customer_id, set[str]()
    if customer_id is None or not set(claims) <= set(said):
        all_claims = identity.merged(said, claims)
        customer_id, stale = await _decide(tx, event, before.interaction_id, all_claims, at_ms=at_ms)
    verified = any(claim.verified for claim in (*said, *claims))
    if name and await tx.name_customer(event.tenant_id, customer_id, name, verified=verified, at_ms=at_ms):
        stale.add(customer_id)
    for each in sorted(stale):  # in one order for all, so that writers wait for each other instead of deadlocking
        await tx.renew_words(event.tenant_id, each)
    return customer_id


async def _decide(
    tx: CrmTransaction, event: Event, interaction_id: str, claims: tuple[Identifier, ...], *, at_ms: int
) -> tuple[str, set[str]]:
    """Decide and keep the outcome with its evidence; returns whose it is, and who has got or lost an identifier."""
    tenant_id = event.tenant_id
    # Follows from the event, so that a decision that is made again has the same outcome.
    decision_id = uuid5(NAMESPACE_URL, f"centralino/crm/{tenant_id}/{event.source}/{event.id}").hex
    held = await tx.holdings(tenant_id, [claim.key for claim in claims])
    decision = identity.decide(claims, held, new_customer_id=decision_id)
    if decision.is_new:
        await tx.add_customer(tenant_id, decision.customer_id, created_at_ms=at_ms)
    for claim in sorted(decision.attach, key=lambda each: each.key):
        held_by = held[claim.key].customer_id if claim.key in held else None
        await tx.attach(tenant_id, claim, customer_id=decision.customer_id, decision_id=decision_id, held_by=held_by)
    await tx.add_decision(
        DecisionRow(
            tenant_id=tenant_id,
            decision_id=decision_id,
            interaction_id=interaction_id,
            claims=claims,
            decision=decision,
            decided_at_ms=at_ms,
        )
    )
    stale = {held[claim.key].customer_id for claim in decision.attach if claim.key in held}
    return decision.customer_id, stale | ({decision.customer_id} if decision.attach else set())
