"""What handlers read and write, whatever keeps it: `crm.store` in PostgreSQL, `crm.testing` in memory."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from servicekit.errors import RejectError, RetryLaterError
from servicekit.store import Tenant, TransactionBase

from crm.domain.calls import CallStep, Transcript
from crm.domain.facts import Profile
from crm.domain.identity import Decision, Holding, Identifier, Key
from crm.domain.routing import Step, Task
from crm.domain.stories import FailedMessage, Interaction, Message
from crm.domain.written import Change, Status, Window

Named = tuple[str, str]
"""Tenant and id."""


class TakenMeanwhileError(RetryLaterError):
    """Another transaction gave the identifier to a customer after it was looked up; decide again with what is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """A decision as it is kept for good; `decision_id` is also the id of a customer that it made."""

    tenant_id: str
    decision_id: str
    interaction_id: str
    claims: tuple[Identifier, ...]
    decision: Decision
    decided_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the handlers of a batch will ask for."""

    interactions: Collection[Named]
    tasks: Collection[Named]
    identifiers: Collection[tuple[str, str, str]]
    """Tenant, type and value."""
    domains: Collection[Named] = ()
    """Of tenants: where last agents of the interactions' customers will be asked for."""
    messages: Collection[Named] = ()
    """Those that are told of, and those whose words or place change."""
    changes: bool = False
    """Whether words or places change."""


class CrmTransaction(TransactionBase, Protocol):
    """One unit of work over every tenant: each method names the tenant itself."""

    async def expect(self, expected: Expected) -> None:
        """Look all of it up together. What was not expected is looked up when it is asked for."""
        ...

    async def interaction(self, tenant_id: str, interaction_id: str) -> Interaction | None:
        """The interaction, locked until the end of the transaction."""
        ...

    async def save_interaction(self, interaction: Interaction) -> None:
        """Keep it as it is now."""
        ...

    async def claims(self, tenant_id: str, interaction_id: str) -> Sequence[Identifier]:
        """What the interaction's decisions so far were made from, in their order."""
        ...

    async def holdings(self, tenant_id: str, keys: Collection[Key]) -> Mapping[Key, Holding]:
        """Who holds these identifiers."""
        ...

    async def add_customer(self, tenant_id: str, customer_id: str, *, created_at_ms: int) -> None:
        """Keep a new customer."""
        ...

    async def name_customer(self, tenant_id: str, customer_id: str, name: str, *, verified: bool, at_ms: int) -> bool:
        """Take the name and say so: a verified one replaces an older one, an unverified one only fills a gap."""
        ...

    async def attach(
        self, tenant_id: str, identifier: Identifier, *, customer_id: str, decision_id: str, held_by: str | None
    ) -> None:
        """The customer holds the identifier now; raises TakenMeanwhileError unless it is held as `held_by` says."""
        ...

    async def add_decision(self, row: DecisionRow) -> None:
        """Keep the evidence."""
        ...

    async def profile(self, tenant_id: str, customer_id: str, domain: str) -> Profile:
        """What is known of the customer, and who owned their newest task in the domain that ever was assigned."""
        ...

    async def renew_words(self, tenant_id: str, customer_id: str) -> None:
        """The customer is found by name and identifiers as they are now."""
        ...

    async def add_message(self, message: Message) -> None:
        """Keep the message, once. Raises RejectError, by the commit at the latest: see `check_same`."""
        ...

    async def message(self, tenant_id: str, message_id: str) -> Message | None:
        """The message, if it is here."""
        ...

    async def change(self, tenant_id: str, message_id: str) -> Change | None:
        """What became of the message's words and place by now; nobody else changes them or adds the message before
        this transaction is over."""
        ...

    async def save_change(self, change: Change) -> None:
        """Keep it as it is now, and the message by it if that is here. Raises RejectError, by the commit at the latest,
        when its new number stands for another one."""
        ...

    async def tell_status(self, status: Status) -> None:
        """Keep how far a message got; what is told last stands."""
        ...

    async def tell_window(self, window: Window) -> None:
        """Keep until when one may write, unless what is kept is of later."""
        ...

    async def mark_delivered(self, tenant_id: str, interaction_id: str, *, number: int, delivered_at_ms: int) -> None:
        """Agents' messages up to the number have arrived, those that had not before."""
        ...

    async def add_failed_message(self, message: FailedMessage) -> None:
        """Keep the failure; a second time changes nothing."""
        ...

    async def task(self, tenant_id: str, task_id: str) -> Task | None:
        """The task, if it is here."""
        ...

    async def save_task(self, task: Task) -> None:
        """Keep it as it is now."""
        ...

    async def add_step(self, step: Step) -> None:
        """Keep the step, once."""
        ...

    async def add_call_step(self, step: CallStep) -> None:
        """Keep the step, once."""
        ...

    async def keep_transcript(self, transcript: Transcript) -> None:
        """Keep it; what is told last stands."""
        ...


class CrmStore(Protocol):
    """Opens transactions."""

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[CrmTransaction]:
        """Begin; see TransactionBase."""
        ...


def check_same(message: Message, kept: Message | None) -> None:
    """Raise RejectError unless what is kept under the message's number or id is this very message."""
    if kept is None or kept.message_id != message.message_id:
        raise RejectError("message_number_taken")
    if (kept.interaction_id, kept.number) != (message.interaction_id, message.number):
        raise RejectError("message_id_taken")
