"""What the CRM makes of transfers, parking, holding and giving up, and what it tells the router of customers."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
from contracts import Event, decode
from contracts.agents import AgentClocked
from contracts.assignments import AssignmentHeld, AssignmentRetrieved, AssignmentRoleChanged, TransferChanged
from contracts.commands import CustomerFacts
from contracts.interactions import InteractionUpdated
from contracts.messages import MessageAnnounced, MessageDelivered, MessageNoted
from contracts.offers import OfferWithdrawn
from contracts.tasks import (
    Origin,
    Role,
    TaskAssigned,
    TaskDeferred,
    TaskQueued,
    TaskRerouted,
    TaskResumed,
    TaskTransferredOut,
    TaskUnassigned,
    Terms,
    WrapupStarted,
)
from crm.consumers import GROUP, reactions
from crm.domain import routing
from crm.domain.facts import Profile
from crm.store import PostgresCrmStore
from crm.testing import Conversation, MemoryCrmStore, Topics
from crm.transaction import CrmStore
from crm.views import CrmViews
from servicekit.outbox import PostgresOutbox
from servicekit.store import EVERY_TENANT, Outbox
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.virtual import VirtualClock
from servicekit.transactional import TransactionalProcessor

CUSTOMER = {"type": "external", "value": "c-77", "verified": True}
CHAT = Conversation(personal={"name": "Maria", "identifiers": [CUSTOMER]})
STARTED, SAID, QUEUED, ASSIGNED, *_ = CHAT.events()
Json = dict[str, Any]  # Any: fields of any event
PARTITION = 3


class Crm:
    """The consumer over a store, fed by hand."""

    def __init__(self, store: CrmStore, outbox: Outbox, views: CrmViews | None = None) -> None:
        self.store = store
        self.outbox = outbox
        self.views = views
        self._topics = Topics()
        self._processor = TransactionalProcessor(
            group=GROUP, store=store, reactions=reactions(VirtualClock()), telemetry=Telemetry("test")
        )

    async def read(self, *events: Event, together: bool = False) -> None:
        """Consume these, one by one or in one batch of the partition."""
        records = [replace(self._topics.land(event), partition=PARTITION) for event in events]
        for batch in [records] if together else [[record] for record in records]:
            await self._processor.process(batch)

    async def told(self) -> list[tuple[int | None, CustomerFacts]]:
        """The facts that wait to be published, with their partitions."""
        async with self.outbox.batch(rows_max=100) as batch:
            rows = [(row.outgoing.partition, decode(row.outgoing.value, row.outgoing.headers)) for row in batch.rows]
        return [(partition, event.data) for partition, event in rows if isinstance(event.data, CustomerFacts)]

    async def facts(self) -> list[Json]:
        """The facts, without where they belong."""
        left_out = {"interaction_id", "domain", "found_at_ms"}
        return [
            {name: getattr(data, name) for name in data.__slots__ if name not in left_out}
            for _, data in await self.told()
        ]


def place(task: int = 1) -> Json:
    return {"task_id": f"chat-1-t{task}", "interaction_id": "chat-1", "domain": "acme.main", "queue": "sales"}


def part(task: int, agent_id: str) -> Json:
    values = {**place(task), "assignment_id": f"chat-1-a{task}", "agent_id": agent_id}
    del values["queue"]
    return values


def event(data: object, name: str) -> Event:
    return CHAT.event(data, name)


def transfer(state: Any, reason: str | None = None, to_agent_id: str | None = "bob") -> Event:  # Any: a state
    data = TransferChanged(
        transfer_id="chat-1-t2",
        interaction_id="chat-1",
        domain="acme.main",
        kind="consult",
        state=state,
        from_task_id="chat-1-t1",
        from_assignment_id="chat-1-a1",
        from_agent_id="ana",
        to_agent_id=to_agent_id,
        reason=reason,
        changed_at_ms=CHAT.first_ms,
    )
    return event(data, f"transfer.{state}")


def origin(agent_id: str | None) -> Origin:
    return Origin(
        kind="consult",
        from_task_id="chat-1-t1",
        from_assignment_id="chat-1-a1",
        from_agent_id="ana",
        requested_by="ana",
        target="queue" if agent_id is None else "agent",
        to_agent_id=agent_id,
    )


def asked(agent_id: str | None = None) -> Event:
    data = TaskQueued(
        **place(2),
        client="acme-outdoor",
        channel="webchat",
        priority=5,
        cost=1,
        requirements=(),
        queued_at_ms=CHAT.first_ms + 10,
        transfer=origin(agent_id),
    )
    return event(data, "asked")


def moved_to(agent_id: str) -> Event:
    data = TaskRerouted(
        **place(2),
        from_queue="sales",
        reason="moved",
        priority=5,
        requirements=(),
        terms=Terms(),
        rerouted_at_ms=1,
        entered_at_ms=1,
        transfer=origin(agent_id),
    )
    return event(data, f"moved.{agent_id}")


def joined(role: Role = "consultant") -> Event:
    data = TaskAssigned(
        **place(2),
        channel="webchat",
        assignment_id="chat-1-a2",
        offer_id="o-2",
        agent_id="bob",
        assigned_at_ms=CHAT.first_ms + 6_000,
        waited_ms=5_990,
        role=role,
    )
    return event(data, "joined")


def wrapped_up(handed_over_to: str | None) -> Event:
    data = WrapupStarted(
        **place(),
        assignment_id="chat-1-a1",
        agent_id="ana",
        reason="agent_ended",
        then="keep_open",
        seen_number=None,
        started_at_ms=CHAT.first_ms + 7_000,
        ends_at_ms=CHAT.first_ms + 9_000,
        handed_over_to=handed_over_to,
    )
    return event(data, "wrapup")


def given_up(to: Any, task: int = 1, **more: Any) -> Event:  # Any: fields of the event
    data = TaskTransferredOut(
        **place(task), to=to, transferred_at_ms=CHAT.first_ms + 9_000, waited_ms=4_000, **{"reason": "full", **more}
    )
    return event(data, f"given_up.{task}")


WARM = [
    asked(),
    transfer("requested", to_agent_id=None),
    joined(),
    transfer("consulting"),
    event(AssignmentRoleChanged(**part(2, "bob"), role="owner", changed_at_ms=CHAT.first_ms), "role"),
    transfer("completed"),
    wrapped_up("chat-1-t2"),
]


class RoutingStories:
    """Inherit and give a fixture `crm`."""

    async def test_a_new_customer_is_told_as_unknown_to_the_partition_of_the_interaction(self, crm: Crm) -> None:
        await crm.read(STARTED)
        [(partition, facts)] = await crm.told()

        assert partition == PARTITION
        assert (facts.interaction_id, facts.domain, facts.known) == ("chat-1", "acme.main", False)
        assert (facts.tier, facts.last_agent_id, facts.labels) == (None, None, ())

    @pytest.mark.parametrize("personal", [{}, {"identifiers": "?"}, {"kid": "k", "ct": "x"}])
    async def test_who_cannot_be_resolved_is_told_as_unknown_so_that_nobody_waits_in_vain(
        self, crm: Crm, personal: Json
    ) -> None:
        await crm.read(Conversation(personal=personal).events()[0])

        assert [facts["known"] for facts in await crm.facts()] == [False]

    async def test_a_customer_who_comes_back_is_told_with_their_last_agent(self, crm: Crm) -> None:
        again = replace(CHAT, interaction_id="chat-2")
        await crm.read(*CHAT.events())
        await crm.read(again.events()[0])

        assert (await crm.facts())[-1] == {
            "known": True,
            "tier": None,
            "language": None,
            "last_agent_id": "ana",
            "labels": (),
        }

    async def test_the_last_agent_is_the_newest_owner_in_this_domain(self, crm: Crm) -> None:
        later = replace(CHAT, interaction_id="chat-2", first_ms=CHAT.first_ms + 1_000_000)
        assigned = later.events()[3]
        assert isinstance(assigned.data, TaskAssigned)
        elsewhere = replace(assigned, data=replace(assigned.data, domain="acme.other", agent_id="eve"))
        await crm.read(*CHAT.events(), *WARM, later.events()[0], elsewhere)
        await crm.read(asked_by("chat-3"))

        assert (await crm.facts())[-1]["last_agent_id"] == "bob"

    async def test_a_consultant_is_not_the_customers_last_agent(self, crm: Crm) -> None:
        await crm.read(*CHAT.events(), asked(), joined())
        await crm.read(asked_by("chat-3"))

        assert (await crm.facts())[-1]["last_agent_id"] == "ana"

    async def test_a_repeated_start_is_told_again_as_the_same_fact(self, crm: Crm) -> None:
        await crm.read(STARTED, STARTED)
        async with crm.outbox.batch(rows_max=10) as batch:
            ids = [decode(row.outgoing.value, row.outgoing.headers).id for row in batch.rows]

        assert [facts["known"] for facts in await crm.facts()] == [False, False]
        assert len(set(ids)) == 1

    async def test_a_batch_tells_of_each_interaction(self, crm: Crm) -> None:
        await crm.read(*CHAT.events())
        await crm.read(asked_by("chat-2"), Conversation(interaction_id="chat-x").events()[0], together=True)

        told = [(facts.interaction_id, facts.known, facts.last_agent_id) for _, facts in (await crm.told())[1:]]
        assert told == [("chat-2", True, "ana"), ("chat-x", False, None)]

    async def test_who_proves_who_they_are_during_the_chat_is_told_then(self, crm: Crm) -> None:
        visitor = Conversation(interaction_id="chat-9")
        update = InteractionUpdated(
            interaction_id="chat-9",
            domain="acme.main",
            updated_at_ms=CHAT.first_ms + 1,
            personal={"identifiers": [CUSTOMER]},
        )
        nothing_new = replace(update, personal={}, attributes={"page": "boots"})
        await crm.read(*CHAT.events(), visitor.events()[0])
        await crm.read(visitor.event(nothing_new, "u0"), visitor.event(update, "u1"))

        assert [(facts["known"], facts["last_agent_id"]) for facts in await crm.facts()] == [
            (False, None),
            (False, None),
            (True, "ana"),
        ]

    async def test_a_warm_transfer_leaves_the_second_task_as_the_conversations(self, crm: Crm) -> None:
        await crm.read(STARTED, QUEUED, ASSIGNED, *WARM, given_up("handed_over", reason="transferred", handled_ms=7))
        async with crm.store.transaction(EVERY_TENANT) as tx:
            first, second = await tx.task("acme", "chat-1-t1"), await tx.task("acme", "chat-1-t2")

        assert first is not None
        assert second is not None
        assert (first.state, first.given_to, first.ended_at_ms) == (
            "transferred-out",
            "handed_over",
            CHAT.first_ms + 9_000,
        )
        assert (first.agent_id, first.handled_ms) == ("ana", 7)
        assert (second.state, second.role, second.agent_id) == ("assigned", "owner", "bob")

    @pytest.mark.parametrize("told", [WARM[4], WARM[5]], ids=["role", "transfer"])
    async def test_either_word_of_the_router_makes_a_helper_the_owner(self, crm: Crm, told: Event) -> None:
        await crm.read(STARTED, QUEUED, ASSIGNED, asked(), joined(), told)
        async with crm.store.transaction(EVERY_TENANT) as tx:
            task = await tx.task("acme", "chat-1-t2")

        assert task is not None
        assert task.role == "owner"

    @pytest.mark.parametrize("to", ["callback", "voicemail", "message", "finished"])
    async def test_a_task_that_was_given_up_is_over(self, crm: Crm, to: str) -> None:
        await crm.read(STARTED, QUEUED, given_up(to))
        async with crm.store.transaction(EVERY_TENANT) as tx:
            task = await tx.task("acme", "chat-1-t1")

        assert task is not None
        assert (task.state, task.given_to, task.reason, task.waited_ms) == ("transferred-out", to, "full", 4_000)
        assert task.ended_at_ms is not None

    async def test_a_parked_task_waits_and_says_so_until_it_is_back(self, crm: Crm) -> None:
        unassigned = TaskUnassigned(
            **place(),
            assignment_id="chat-1-a1",
            agent_id="ana",
            reason="parked",
            queued_at_ms=CHAT.first_ms + 10,
            unassigned_at_ms=CHAT.first_ms,
            handled_ms=1,
        )
        deferred = TaskDeferred(**place(), reason="parked", until_ms=None, deferred_at_ms=CHAT.first_ms)
        resumed = TaskResumed(**place(), reason="customer_returned", resumed_at_ms=CHAT.first_ms)
        found = []
        for data in (QUEUED, ASSIGNED, event(unassigned, "u"), event(deferred, "d"), event(resumed, "r")):
            await crm.read(data)
            async with crm.store.transaction(EVERY_TENANT) as tx:
                task = await tx.task("acme", "chat-1-t1")
            found.append((task.state, task.deferred_for) if task else None)

        assert found == [
            ("waiting", None),
            ("assigned", None),
            ("waiting", None),
            ("waiting", "parked"),
            ("waiting", None),
        ]

    async def test_internal_words_are_kept_as_such_and_never_count_as_delivered(self, crm: Crm) -> None:
        said = MessageNoted(
            message_id="m-2",
            interaction_id="chat-1",
            domain="acme.main",
            channel="webchat",
            number=2,
            agent_id="bob",
            assignment_id="chat-1-a2",
            noted_at_ms=1,
            personal={"text": "psst"},
        )
        last = MessageAnnounced(
            message_id="m-3",
            interaction_id="chat-1",
            domain="acme.main",
            channel="webchat",
            number=3,
            reason="closed",
            announced_at_ms=2,
            personal={"text": "We are closed."},
        )
        delivered = MessageDelivered(interaction_id="chat-1", domain="acme.main", number=3, delivered_at_ms=9)
        await crm.read(SAID, *(event(data, str(number)) for number, data in enumerate((said, last, delivered), 7)))
        async with crm.store.transaction(EVERY_TENANT) as tx:
            kept = [await tx.message("acme", name) for name in ("m-2", "m-3")]

        assert [(each.visibility, each.agent_id, each.delivered_at_ms, each.text) for each in kept if each] == [
            ("internal", "bob", None, "psst"),
            ("customer", None, 9, "We are closed."),
        ]

    async def test_what_is_no_task_of_the_crms_is_passed_over(self, crm: Crm) -> None:
        agent = {"agent_id": "ana", "domain": "acme.main"}
        await crm.read(
            event(AgentClocked(**agent, clocked_in=True, clocked_at_ms=1), "c"),
            event(OfferWithdrawn(**agent, offer_id="o", task_id="t", reason="rerouted", withdrawn_at_ms=1), "w"),
            transfer("failed", "target_gone"),  # of a task that was never told
        )

        async with crm.store.transaction(EVERY_TENANT) as tx:
            assert await tx.task("acme", "chat-1-t2") is None


def asked_by(interaction_id: str) -> Event:
    """The customer comes again."""
    return replace(CHAT, interaction_id=interaction_id).events()[0]


class TestMemory(RoutingStories):
    @pytest.fixture
    def crm(self) -> Crm:
        store = MemoryCrmStore()
        return Crm(store, store.database.outbox)


class TestPostgres(RoutingStories):
    @pytest.fixture
    async def crm(self, postgres: FreshDatabase) -> AsyncGenerator[Crm, None]:
        async with migrated(postgres.admin_url, "crm") as kept:
            yield Crm(PostgresCrmStore(kept.database), PostgresOutbox(kept.database), CrmViews(kept.database))

    async def test_what_is_said_of_a_customer_is_told_with_their_next_interaction(self, crm: Crm) -> None:
        await crm.read(STARTED)
        assert crm.views is not None
        async with crm.views.of("acme") as view:
            [row] = await view.all("SELECT customer_id FROM customer")
            await view.change_profile(row["customer_id"], Profile(tier="gold", language="es", labels=("vip", "b2b")))
        await crm.read(asked_by("chat-2"))

        assert (await crm.facts())[-1] == {
            "known": True,
            "tier": "gold",
            "language": "es",
            "last_agent_id": None,
            "labels": ("vip", "b2b"),
        }

    async def test_the_story_of_an_interaction_tells_queues_transfers_holds_and_the_end_in_order(
        self, crm: Crm
    ) -> None:
        rerouted = TaskRerouted(
            **place(),
            from_queue="support",
            reason="overflowed",
            priority=5,
            requirements=(),
            terms=Terms(),
            rerouted_at_ms=1,
            entered_at_ms=1,
        )
        held = AssignmentHeld(**part(1, "ana"), held_at_ms=1)
        retrieved = AssignmentRetrieved(**part(1, "ana"), held_ms=900, retrieved_at_ms=2)
        told = [QUEUED, event(rerouted, "r"), ASSIGNED, event(held, "h"), event(retrieved, "g"), *WARM]
        await crm.read(*told, given_up("handed_over", reason="transferred", to_task_id="chat-1-t2"))
        await crm.read(given_up("callback", task=2), *told)  # and all of it again
        assert crm.views is not None
        async with crm.views.of("acme") as view:
            steps = await view.steps("chat-1")
            tasks = await view.last_tasks(["chat-1"])
        async with crm.views.of("globex") as view:
            others = await view.steps("chat-1")

        assert list(routing.sentences(steps)) == [
            "waits in sales",
            "moved from support to sales (overflowed)",
            "assigned to ana as owner",
            "put on hold by ana",
            "off hold after 900 ms",
            "waits in sales",
            "consult transfer from ana: requested",
            "assigned to bob as consultant",
            "consult transfer from ana to bob: consulting",
            "bob is owner",
            "consult transfer from ana to bob: completed",
            "ana wraps up (agent_ended)",
            "handed_over from sales (transferred)",
            "callback from sales (full)",
        ]
        assert routing.summary("voice", tasks["chat-1"], is_over=True) == "voice with bob, callback from sales"
        assert others == []

    async def test_the_story_names_the_agent_who_alone_is_asked_before_anybody_has_accepted(self, crm: Crm) -> None:
        requested, failed = (transfer(state, to_agent_id=None) for state in ("requested", "failed"))
        await crm.read(QUEUED, ASSIGNED, asked("olga"), requested, moved_to("vera"), failed)
        assert crm.views is not None
        async with crm.views.of("acme") as view:
            steps = await view.steps("chat-1")

        assert list(routing.sentences(steps))[3:] == [
            "consult transfer from ana to olga: requested",
            "waits on in sales (moved)",
            "consult transfer from ana to vera: failed",
        ]

    @pytest.mark.parametrize("events", [[], [asked()], [asked(), joined()], [asked(), joined(), transfer("cancelled")]])
    async def test_a_transfer_that_is_not_done_does_not_hide_the_owners_task(
        self, crm: Crm, events: list[Event]
    ) -> None:
        await crm.read(STARTED, QUEUED, ASSIGNED, *events)
        assert crm.views is not None
        async with crm.views.of("acme") as view:
            tasks = await view.last_tasks(["chat-1"])

        assert tasks["chat-1"].task_id == "chat-1-t1"
