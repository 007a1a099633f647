"""A chat that does not end is explained by what was tried, and by what the topics have about it."""

from centralino.proof.history import History, Request, Stood, Tables
from centralino.proof.leftovers import events, tries
from contracts import Event
from contracts.agents import CommandResult, Refusal
from contracts.commands import CompleteTask
from contracts.topics import ROUTING_EVENTS, ROUTING_INPUTS
from servicekit.ports import Partition


def completion(interaction_id: str, command_id: str) -> CompleteTask:
    return CompleteTask(
        command_id=command_id, domain="acme.main", agent_id="ann", assignment_id=f"{interaction_id}.t1.o1.a"
    )


def refused(command_id: str) -> CommandResult:
    return CommandResult(
        command_id=command_id,
        domain="acme.main",
        agent_id="ann",
        outcome="refused",
        refusal=Refusal(code="assignment_gone", detail="It is over.", http_status=404),
        decided_at_ms=1,
        assignment_id=None,
    )


def stood(topic: str, offset: int, data: CompleteTask | CommandResult) -> Stood:
    event = Event(id=data.command_id, source="/test", tenant_id="acme", subject="ann", time_ms=1, data=data)
    return Stood(Partition(topic, 0), offset, event, appended_at_ms=offset)


def test_the_events_of_a_chat_are_told_with_its_commands_and_their_results_and_no_others() -> None:
    history = History(
        journal=[],
        routing=[stood(ROUTING_EVENTS.name, 3, refused("c1")), stood(ROUTING_EVENTS.name, 4, refused("c2"))],
        interactions=[],
        messages=[],
        configuration=[],
        inputs=[
            stood(ROUTING_INPUTS.name, 2, completion("i1", "c1")),
            stood(ROUTING_INPUTS.name, 1, completion("i2", "c2")),
        ],
        malformed=[],
        dead_letters=[],
        accepted=[],
        tables=Tables(gateway=[], crm=[], crm_tasks={}),
    )

    asked, answered = events(history, "i1")

    assert asked.startswith("2 routing.inputs[0]@2")
    assert answered.startswith("3 routing.events[0]@3")
    assert "assignment_gone" in answered


def test_tries_are_those_about_the_chat() -> None:
    requests = [
        Request(
            who="ann",
            kind="complete",
            about=f"{chat}.t1.o1.a",
            key=chat,
            asked_at_ms=1,
            answered_at_ms=2,
            outcome="failed",
        )
        for chat in ("i1", "i2")
    ]

    assert [request.key for request in tries(requests, "i1")] == ["i1"]
