"""Who gets what of a conversation that several agents are in: the reactions and the scripts, over real Redis."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from contracts import Event, encode
from contracts.agents import AgentAdherenceChanged, AgentClocked
from contracts.assignments import (
    AssignmentCapacityChanged,
    AssignmentConnected,
    AssignmentHeld,
    AssignmentRetrieved,
    AssignmentRoleChanged,
    TransferChanged,
)
from contracts.messages import MessageFailed, MessageNoted, MessageReceived, MessageSent
from contracts.tasks import Role, TaskAssigned, TaskRequeued, TaskTransferredOut, TaskUnassigned, WrapupStarted
from router.api.consumers import reactions
from router.api.live import ApiLive, Place
from router.api.models import AssignmentView
from servicekit.consume import ReactionsProcessor
from servicekit.live import open_redis
from servicekit.ports import Record
from servicekit.system import SystemIds
from servicekit.telemetry import Telemetry


@dataclass(slots=True)
class Push:
    """The group's processor, fed by hand."""

    live: ApiLive
    place: Place
    processor: ReactionsProcessor
    _offsets: dict[str, int] = field(default_factory=dict)

    async def feed(self, *facts: object) -> list[Record]:
        """These, as records of their topics."""
        records = [self.record(fact) for fact in facts]
        for record in records:
            await self.processor.process([record])
        return records

    def record(self, data: Any) -> Record:  # Any: the data of any event
        event = Event(id="e", source="/test", tenant_id=self.place.tenant_id, subject="i1", time_ms=0, data=data)
        topic = event.type.topic.name
        offset = self._offsets.get(topic, 0)
        self._offsets[topic] = offset + 1
        sequenced = Event(
            id="e",
            source="/test",
            tenant_id=self.place.tenant_id,
            subject="i1",
            time_ms=0,
            data=data,
            sequence=f"0001-{offset:015d}-00000" if topic.startswith("routing") else None,
        )
        value, headers = encode(sequenced)
        return Record(topic, 0, offset, b"i1", value, tuple(headers), 0)

    async def frames(self, agent_id: str) -> list[str]:
        """What the agent's stream holds: the type, with the text of a message."""
        entries: Any = await self.live.redis.xrange(self.place.key(f"push:{agent_id}"))
        documents = [json.loads(fields[b"frame"]) for _, fields in entries]
        return [
            " ".join([each["type"], *filter(None, [each["data"].get("personal", {}).get("text")])])
            for each in documents
        ]

    def assigned(self, agent_id: str, *, task: int = 1, role: Role = "owner") -> TaskAssigned:
        """The agent takes the task."""
        return TaskAssigned(
            **self.seat(agent_id, task),
            queue="help",
            channel="webchat",
            offer_id=f"i1.t{task}.o1",
            assigned_at_ms=1,
            waited_ms=1,
            role=role,
        )

    def transferred_out(self, agent_id: str, *, task: int = 1) -> TaskTransferredOut:
        """The agent's part in the task is over for good."""
        return TaskTransferredOut(
            **self.seat(agent_id, task),
            queue="help",
            to="handed_over",
            reason="transferred",
            transferred_at_ms=1,
            waited_ms=1,
        )

    def wrapup(self, agent_id: str, *, handed_over_to: str | None) -> WrapupStarted:
        """The agent's conversation is over."""
        return WrapupStarted(
            **self.seat(agent_id, 1),
            queue="help",
            reason="agent_ended",
            then="keep_open",
            seen_number=None,
            started_at_ms=1,
            ends_at_ms=2,
            handed_over_to=handed_over_to,
        )

    def role_changed(self, agent_id: str, role: Role, *, task: int = 2) -> AssignmentRoleChanged:
        """The agent has another part."""
        return AssignmentRoleChanged(**self.seat(agent_id, task), role=role, changed_at_ms=1)

    def seat(self, agent_id: str, task: int) -> dict[str, Any]:  # Any: fields of any event
        """Fields of whatever is about an assignment."""
        return {
            "assignment_id": f"i1.t{task}.o1.a",
            "task_id": f"i1.t{task}",
            "interaction_id": "i1",
            "domain": self.place.domain,
            "agent_id": agent_id,
        }

    def received(self, text: str) -> MessageReceived:
        """The customer says something."""
        return MessageReceived(
            message_id=text,
            interaction_id="i1",
            domain=self.place.domain,
            channel="webchat",
            number=1,
            received_at_ms=1,
            personal={"text": text},
        )

    def noted(self, text: str, agent_id: str) -> MessageNoted:
        """An agent says something to the other agents."""
        return MessageNoted(
            message_id=text,
            interaction_id="i1",
            domain=self.place.domain,
            channel="webchat",
            number=1,
            agent_id=agent_id,
            assignment_id="a",
            noted_at_ms=1,
            personal={"text": text},
        )

    def sent(self, text: str, agent_id: str) -> MessageSent:
        """An agent says something."""
        return MessageSent(
            message_id=text,
            interaction_id="i1",
            domain=self.place.domain,
            channel="webchat",
            number=1,
            agent_id=agent_id,
            assignment_id="a",
            sent_at_ms=1,
            personal={"text": text},
        )

    def view(self, agent_id: str, *, task: int = 1, role: Role = "owner") -> AssignmentView:
        """The assignment as projected."""
        return AssignmentView(
            assignment_id=f"i1.t{task}.o1.a",
            task_id=f"i1.t{task}",
            interaction_id="i1",
            agent_id=agent_id,
            queue="help",
            channel="webchat",
            sequence="",
            state="assigned",
            role=role,
        )


@pytest.fixture
async def push(redis_url: str) -> AsyncIterator[Push]:
    async with open_redis(redis_url) as redis:
        live = ApiLive(redis)
        tenant_id = f"t{SystemIds().new_id()[-12:]}"
        processor = ReactionsProcessor(reactions(), Telemetry("test"), live.push)
        yield Push(live, Place(tenant_id, f"{tenant_id}.main"), processor)


async def test_a_consultant_gets_the_talk_so_far_and_both_get_what_follows(push: Push) -> None:
    await push.feed(push.assigned("ann"), push.received("hello"), push.sent("hi", "ann"))
    await push.feed(push.assigned("bob", task=2, role="consultant"))
    await push.feed(push.received("well"), push.noted("psst", "bob"), push.sent("so", "ann"))

    talk = [
        "message.received hello",
        "message.sent hi",
        "message.received well",
        "message.noted psst",
        "message.sent so",
    ]
    assert await push.frames("ann") == ["task.assigned", *talk]
    assert await push.frames("bob") == ["task.assigned", *talk]


async def test_an_agent_whose_assignment_is_over_gets_no_more_and_the_other_does(push: Push) -> None:
    await push.feed(push.assigned("ann"), push.assigned("bob", task=2, role="consultant"))
    await push.feed(push.transferred_out("bob", task=2), push.received("hello"))

    assert await push.frames("ann") == ["task.assigned", "message.received hello"]
    assert await push.frames("bob") == ["task.assigned", "task.transferred_out"]


async def test_whoever_handed_over_gets_nothing_of_what_follows(push: Push) -> None:
    await push.feed(push.assigned("ann"), push.assigned("bob", task=2), push.wrapup("ann", handed_over_to="i1.t2"))
    await push.feed(push.received("hello"), push.transferred_out("ann"))

    assert await push.frames("ann") == ["task.assigned", "task.wrapup_started", "task.transferred_out"]
    assert await push.frames("bob") == ["task.assigned", "message.received hello"]


async def test_a_wrap_up_of_ones_own_still_gets_what_the_customer_adds(push: Push) -> None:
    await push.feed(push.assigned("ann"), push.wrapup("ann", handed_over_to=None), push.received("thanks"))

    assert await push.frames("ann") == ["task.assigned", "task.wrapup_started", "message.received thanks"]


@pytest.mark.parametrize("released", ["unassigned", "requeued"])
async def test_a_task_that_waits_again_takes_its_agent_out(push: Push, released: str) -> None:
    values: dict[str, Any] = {**push.seat("ann", 1), "queue": "help", "queued_at_ms": 1}
    facts = {
        "unassigned": TaskUnassigned(**values, reason="parked", unassigned_at_ms=1, handled_ms=1),
        "requeued": TaskRequeued(**values, reason="agent_lost", requeued_at_ms=1),
    }
    await push.feed(push.assigned("ann"), facts[released], push.received("hello"))

    assert await push.frames("ann") == ["task.assigned", f"task.{released}"]


async def test_a_transfer_is_told_to_both_its_agents_once(push: Push) -> None:
    told = TransferChanged(
        transfer_id="i1.t2",
        interaction_id="i1",
        domain=push.place.domain,
        kind="consult",
        state="consulting",
        from_task_id="i1.t1",
        from_assignment_id="i1.t1.o1.a",
        from_agent_id="ann",
        to_agent_id="bob",
        reason=None,
        changed_at_ms=1,
    )
    records = await push.feed(told)
    await push.processor.process(records)

    assert await push.frames("ann") == await push.frames("bob") == ["transfer.changed"]


async def test_what_happens_to_an_assignment_or_a_shift_is_told_to_its_agent(push: Push) -> None:
    seat, agent = push.seat("ann", 1), {"agent_id": "ann", "domain": push.place.domain}
    facts = [
        AssignmentConnected(**seat, connected_at_ms=1),
        AssignmentHeld(**seat, held_at_ms=1),
        AssignmentRetrieved(**seat, held_ms=1, retrieved_at_ms=1),
        AssignmentCapacityChanged(**seat, counted=False, changed_at_ms=1),
        push.role_changed("ann", "participant", task=1),
        AgentClocked(**agent, clocked_in=True, clocked_at_ms=1),
        AgentAdherenceChanged(**agent, adherent=True, expected=True, clocked_in=True, changed_at_ms=1),
    ]
    await push.feed(*facts)

    assert await push.frames("ann") == [
        "assignment.connected",
        "assignment.held",
        "assignment.retrieved",
        "assignment.capacity_changed",
        "assignment.role_changed",
        "agent.clocked",
        "agent.adherence_changed",
    ]


async def test_what_failed_is_told_to_who_said_it_alone(push: Push) -> None:
    failed = MessageFailed(
        message_id="m9",
        interaction_id="i1",
        domain=push.place.domain,
        agent_id="bob",
        reason="role_forbids",
        detail="No.",
        failed_at_ms=1,
    )
    await push.feed(push.assigned("ann"), push.assigned("bob", task=2, role="consultant"), failed)

    assert await push.frames("ann") == ["task.assigned"]
    assert await push.frames("bob") == ["task.assigned", "message.failed"]


async def test_an_agent_with_two_seats_gets_each_message_once_until_the_last_is_over(push: Push) -> None:
    await push.feed(push.assigned("ann"), push.assigned("ann", task=3), push.received("one"))
    await push.feed(push.transferred_out("ann"), push.received("two"))
    await push.feed(push.transferred_out("ann", task=3), push.received("three"))

    assert [each for each in await push.frames("ann") if each.startswith("message")] == [
        "message.received one",
        "message.received two",
    ]


async def test_after_a_loss_each_seat_is_restored_but_none_that_is_over(push: Push) -> None:
    await push.feed(push.assigned("ann"), push.transferred_out("ann"))
    await push.live.restore_seat(push.place, push.view("ann"))
    await push.live.restore_seat(push.place, push.view("bob", task=2, role="consultant"))
    await push.live.restore_seat(push.place, push.view("cid", task=3))
    await push.feed(push.received("hello"))

    assert "message.received hello" not in await push.frames("ann")
    assert await push.frames("bob") == await push.frames("cid") == ["message.received hello"]


async def test_a_change_of_role_does_not_stand_in_for_a_seat_that_was_lost(push: Push) -> None:
    await push.feed(push.received("before"), push.role_changed("bob", "participant"))
    await push.live.restore_seat(push.place, push.view("bob", task=2, role="participant"))

    assert await push.frames("bob") == ["assignment.role_changed", "message.received before"]


async def test_the_customer_sees_owners_and_participants_typing_and_no_consultant(push: Push) -> None:
    async def seen() -> list[bool]:
        return [await push.live.talks_to_customer(push.place, name, "i1") for name in ("ann", "bob", "cid")]

    await push.feed(push.assigned("ann"), push.assigned("bob", task=2, role="consultant"))
    consulting = await seen()
    await push.feed(push.role_changed("bob", "participant"))
    together = await seen()
    await push.feed(push.transferred_out("bob", task=2), push.role_changed("bob", "owner"))

    assert consulting == [True, False, False]
    assert together == [True, True, False]
    assert await seen() == [True, False, False]
