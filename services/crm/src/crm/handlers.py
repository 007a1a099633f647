"""What happens for each event: one function per type, in the transaction that also moves the consumer's position.

All are idempotent, and none needs another topic's event to have come before.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar
from uuid import NAMESPACE_URL, uuid5

from contracts import Event
from contracts.calls import TranscriptAttached
from contracts.commands import CustomerFacts
from contracts.interactions import InteractionEnded, InteractionStarted, InteractionUpdated
from contracts.messages import MessageDelivered, MessageFailed
from contracts.written import (
    MessageEdited,
    MessageErased,
    MessageFilesChanged,
    MessagesMoved,
    MessageStatusChanged,
    WindowChanged,
)
from servicekit.ports import Clock
from servicekit.reactions import Delivery

from crm.domain import calls, identity, routing, stories, written
from crm.domain.calls import CallEvent
from crm.domain.facts import NOBODY
from crm.domain.identity import Identifier
from crm.domain.routing import PartEvent, StepEvent, Task, TaskEvent
from crm.domain.stories import FailedMessage, Interaction, Said
from crm.domain.words import cleaned
from crm.domain.written import Change
from crm.transaction import CrmTransaction, DecisionRow, Expected, Named

SOURCE: Final = "/crm"


async def expect(tx: CrmTransaction, deliveries: Sequence[Delivery[object]]) -> None:
    """Before a batch is handled: look up together what the functions below will ask for."""
    interactions, tasks, domains, messages = set[Named](), set[Named](), set[Named](), set[Named]()
    changes = False
    identifiers = set[tuple[str, str, str]]()
    for delivery in deliveries:
        tenant_id, data = delivery.event.tenant_id, delivery.data
        match data:
            case InteractionStarted() | InteractionUpdated() | InteractionEnded():
                interactions.add((tenant_id, data.interaction_id))
                if not isinstance(data, InteractionEnded):
                    domains.add((tenant_id, data.domain))
                    identifiers |= {(tenant_id, *claim.key) for claim in identity.claims_of(data.personal)}
            case MessageEdited() | MessageErased() | MessageFilesChanged() | MessagesMoved():
                changes = True
                messages |= {(tenant_id, message_id) for message_id in _changed_by(data)}
            case _ if isinstance(data, Said):
                messages.add((tenant_id, data.message_id))
            case _ if isinstance(data, StepEvent):
                tasks.add((tenant_id, routing.task_id_of(data)))
            case _:
                pass
    expected = Expected(
        interactions=interactions,
        tasks=tasks,
        identifiers=identifiers,
        domains=domains,
        messages=messages,
        changes=changes,
    )
    await tx.expect(expected)


class Identification:
    """Finds out whose interactions are, and tells the router what it may need to know of them.

    The facts go to the partition in which the interaction's own event stands: that is the domain's, and whatever engine
    forwards the one forwards the other.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def interaction_started(self, tx: CrmTransaction, delivery: Delivery[InteractionStarted]) -> None:
        """A conversation began: keep it, find out whose it is, and say so, also that nothing is known."""
        event, data = delivery.event, delivery.data
        now = stories.started(await _interaction(tx, event, data), data)
        customer_id = await _identify(tx, event, now, data.personal, at_ms=data.started_at_ms)
        await tx.save_interaction(replace(now, customer_id=customer_id))
        await self._tell(tx, delivery, customer_id)

    async def interaction_updated(self, tx: CrmTransaction, delivery: Delivery[InteractionUpdated]) -> None:
        """More is known of it; maybe also who the customer is, which the router is told then."""
        event, data = delivery.event, delivery.data
        before = await _interaction(tx, event, data)
        now = stories.updated(before, data)
        customer_id = await _identify(tx, event, now, data.personal, at_ms=data.updated_at_ms)
        await tx.save_interaction(replace(now, customer_id=customer_id))
        if customer_id != before.customer_id:
            await self._tell(tx, delivery, customer_id)

    async def _tell(
        self,
        tx: CrmTransaction,
        delivery: Delivery[InteractionStarted] | Delivery[InteractionUpdated],
        customer_id: str,
    ) -> None:
        event, data = delivery.event, delivery.data
        known = customer_id != _decision_id(event)  # else this very event made the customer
        profile = await tx.profile(event.tenant_id, customer_id, data.domain) if known else NOBODY
        facts = CustomerFacts(
            interaction_id=data.interaction_id,
            domain=data.domain,
            known=known,
            found_at_ms=self._clock.now_ms(),
            tier=profile.tier,
            language=profile.language,
            last_agent_id=profile.last_agent_id,
            labels=profile.labels,
        )
        told = Event(
            id=f"{_decision_id(event)}.facts",
            source=SOURCE,
            tenant_id=event.tenant_id,
            subject=data.interaction_id,
            time_ms=facts.found_at_ms,
            data=facts,
            causation_id=event.id,
        )
        await tx.announce(told, partition=delivery.record.partition)


async def interaction_ended(tx: CrmTransaction, delivery: Delivery[InteractionEnded]) -> None:
    """It is over."""
    before = await _interaction(tx, delivery.event, delivery.data)
    await tx.save_interaction(stories.ended(before, delivery.data))


AnySaid = TypeVar("AnySaid", bound=Said)


async def message_said(tx: CrmTransaction, delivery: Delivery[AnySaid]) -> None:
    """Keep a message, once, as it is by now. Raises RejectError when its number or id stands for another one."""
    message = stories.message_of(delivery.event.tenant_id, delivery.data)
    change = await tx.change(message.tenant_id, message.message_id)
    await tx.add_message(written.changed(message, change) if change else message)


async def message_edited(tx: CrmTransaction, delivery: Delivery[MessageEdited]) -> None:
    """The customer changed their words."""
    before = await _change(tx, delivery.event, delivery.data.message_id)
    await _save_change(tx, before, written.edited(before, delivery.data))


async def message_erased(tx: CrmTransaction, delivery: Delivery[MessageErased]) -> None:
    """The customer took the message back: its words go, and what tells of files."""
    before = await _change(tx, delivery.event, delivery.data.message_id)
    await _save_change(tx, before, written.erased(before, delivery.data))


async def message_files_changed(tx: CrmTransaction, delivery: Delivery[MessageFilesChanged]) -> None:
    """Files of the message have come after it."""
    before = await _change(tx, delivery.event, delivery.data.message_id)
    await _save_change(tx, before, written.files_changed(before, delivery.data))


async def messages_moved(tx: CrmTransaction, delivery: Delivery[MessagesMoved]) -> None:
    """An agent split a conversation or joined two. Raises RejectError when a new number stands for another message."""
    for place in delivery.data.moved:
        before = await _change(tx, delivery.event, place.message_id)
        await _save_change(tx, before, written.moved(before, delivery.data, place))


async def message_status_changed(tx: CrmTransaction, delivery: Delivery[MessageStatusChanged]) -> None:
    """The provider or the mail server said how far a message got."""
    await tx.tell_status(written.status_of(delivery.event.tenant_id, delivery.data))


async def window_changed(tx: CrmTransaction, delivery: Delivery[WindowChanged]) -> None:
    """The customer may be written to freely until another time."""
    await tx.tell_window(written.window_of(delivery.event.tenant_id, delivery.data))


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


AnyPartEvent = TypeVar("AnyPartEvent", bound=PartEvent)


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
    await tx.save_task(routing.followed(before, data))
    await _keep_step(tx, delivery.event, data)


async def part_changed(tx: CrmTransaction, delivery: Delivery[AnyPartEvent]) -> None:
    """Somebody's part in a task is another; of a task that is not here, only the step is kept."""
    data = delivery.data
    before = await tx.task(delivery.event.tenant_id, routing.task_id_of(data))
    after = routing.followed(before, data) if before else None
    if after and after != before:
        await tx.save_task(after)
    await _keep_step(tx, delivery.event, data)


async def _keep_step(tx: CrmTransaction, event: Event, data: StepEvent) -> None:
    step = routing.step_of(
        data,
        tenant_id=event.tenant_id,
        sequence=event.sequence or event.id,
        event_type=event.type.name,
        at_ms=event.time_ms,
    )
    await tx.add_step(step)


AnyCallEvent = TypeVar("AnyCallEvent", bound=CallEvent)


async def call_happened(tx: CrmTransaction, delivery: Delivery[AnyCallEvent]) -> None:
    """Something happened on a call; a transcript has words, too."""
    event, data = delivery.event, delivery.data
    step = calls.step_of(
        data,
        tenant_id=event.tenant_id,
        event_id=event.id,
        number=delivery.record.offset + 1,
        event_type=event.type.name,
        at_ms=event.time_ms,
    )
    await tx.add_call_step(step)
    if isinstance(data, TranscriptAttached):
        await tx.keep_transcript(calls.transcript_of(event.tenant_id, data))


def _changed_by(data: MessageEdited | MessageErased | MessageFilesChanged | MessagesMoved) -> list[str]:
    return [each.message_id for each in data.moved] if isinstance(data, MessagesMoved) else [data.message_id]


async def _change(tx: CrmTransaction, event: Event, message_id: str) -> Change:
    kept = await tx.change(event.tenant_id, message_id)
    return kept or Change(tenant_id=event.tenant_id, message_id=message_id)


async def _save_change(tx: CrmTransaction, before: Change, after: Change) -> None:
    if after != before:
        await tx.save_change(after)


def _decision_id(event: Event) -> str:
    """Follows from the event, so that a decision that is made again has the same outcome."""
    return uuid5(NAMESPACE_URL, f"centralino/crm/{event.tenant_id}/{event.source}/{event.id}").hex


async def _interaction(
    tx: CrmTransaction, event: Event, data: InteractionStarted | InteractionUpdated | InteractionEnded
) -> Interaction:
    kept = await tx.interaction(event.tenant_id, data.interaction_id)
    return kept or Interaction(tenant_id=event.tenant_id, interaction_id=data.interaction_id, domain=data.domain)


async def _identify(
    tx: CrmTransaction, event: Event, interaction: Interaction, personal: dict[str, object], *, at_ms: int
) -> str:
    """Whose interaction it is, by all that it claimed so far. What was claimed before is not decided again."""
    claims, name = identity.claims_of(personal), stories.name_of(personal)
    if identity.disowned(interaction.attributes):
        claims = identity.without_proof(claims)
    said = await tx.claims(event.tenant_id, interaction.interaction_id)
    customer_id, stale = interaction.customer_id, set[str]()
    if customer_id is None or not set(claims) <= set(said):
        customer_id, stale = await _decide(tx, event, interaction, identity.merged(said, claims), at_ms=at_ms)
    verified = any(claim.verified for claim in (*said, *claims))
    if name and await tx.name_customer(event.tenant_id, customer_id, name, verified=verified, at_ms=at_ms):
        stale.add(customer_id)
    for each in sorted(stale):  # in one order for all, so that writers wait for each other instead of deadlocking
        await tx.renew_words(event.tenant_id, each)
    return customer_id


async def _decide(
    tx: CrmTransaction, event: Event, interaction: Interaction, claims: tuple[Identifier, ...], *, at_ms: int
) -> tuple[str, set[str]]:
    """Decide and keep the outcome with its evidence; returns whose it is, and who has got or lost an identifier."""
    tenant_id = event.tenant_id
    decision_id = _decision_id(event)
    held = await tx.holdings(tenant_id, [claim.key for claim in claims])
    disowned = identity.disowned(interaction.attributes)
    decision = identity.decide(claims, held, new_customer_id=decision_id, disowned=disowned)
    if decision.is_new:
        await tx.add_customer(tenant_id, decision.customer_id, created_at_ms=at_ms)
    for claim in sorted(decision.attach, key=lambda each: each.key):
        held_by = held[claim.key].customer_id if claim.key in held else None
        await tx.attach(tenant_id, claim, customer_id=decision.customer_id, decision_id=decision_id, held_by=held_by)
    await tx.add_decision(
        DecisionRow(
            tenant_id=tenant_id,
            decision_id=decision_id,
            interaction_id=interaction.interaction_id,
            claims=claims,
            decision=decision,
            decided_at_ms=at_ms,
        )
    )
    stale = {held[claim.key].customer_id for claim in decision.attach if claim.key in held}
    return decision.customer_id, stale | ({decision.customer_id} if decision.attach else set())
