"""One contact, followed through all hops by the spans that the real processes export."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from centralino.proof.faults import report
from centralino.proof.running import Running, running_stack
from centralino.proof.spans import Collector, Exported, collecting
from centralino.proof.story import Story
from servicekit.testing.eventually import eventually

pytestmark = pytest.mark.timeout(300)

Hop = tuple[str, str]
TAKEN: Hop = ("chat-gateway", "take message")
ASKED: Hop = ("router-engine", "decide interaction.started")
ACCEPT: Hop = ("router-api", "POST /offers/{offer_id}/accept")
ACCEPTED: Hop = ("router-engine", "decide offer.accept")
SAY: Hop = ("router-api", "POST /assignments/{assignment_id}/messages")
SAID: Hop = ("chat-gateway", "handle message.send")
COMPLETE: Hop = ("router-api", "POST /assignments/{assignment_id}/complete")
COMPLETED: Hop = ("router-engine", "decide task.complete")
PUSHED: Hop = ("router-api", "handle offer.issued")
HOPS: tuple[tuple[Hop, Hop | None], ...] = (  # each with its parent; none: with any of the trace
    (("chat-gateway", "publish interactions"), TAKEN),
    (("chat-gateway", "publish messages"), TAKEN),
    (("crm", "handle interaction.started"), TAKEN),
    (("crm", "handle message.received"), TAKEN),
    (ASKED, TAKEN),
    (("router-engine", "append routing.journal"), ASKED),
    (("router-engine", "publish routing.events"), ASKED),
    (("crm", "handle task.queued"), ASKED),
    (("chat-gateway", "handle task.queued"), ASKED),
    (PUSHED, ASKED),
    (ACCEPT, PUSHED),
    (("router-api", "publish routing.inputs"), ACCEPT),
    (ACCEPTED, ACCEPT),
    (("router-engine", "append routing.journal"), ACCEPTED),
    (("router-engine", "publish routing.events"), ACCEPTED),
    (("router-api", "handle command.result"), ACCEPTED),
    (("router-api", "handle task.assigned"), ACCEPTED),
    (("chat-gateway", "handle task.assigned"), ACCEPTED),
    (("crm", "handle task.assigned"), ACCEPTED),
    (SAY, None),
    (("router-api", "publish commands.chat"), SAY),
    (SAID, SAY),
    (("chat-gateway", "publish messages"), SAID),
    (("router-api", "handle message.sent"), SAID),
    (("crm", "handle message.sent"), SAID),
    (COMPLETE, None),
    (COMPLETED, COMPLETE),
    (("crm", "handle task.completed"), COMPLETED),
    (("chat-gateway", "handle task.completed"), COMPLETED),
)


@pytest.fixture
def traced_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Running, Collector]]:
    with collecting() as collector:
        for name, value in collector.variables.items():
            monkeypatch.setenv(name, value)
        with running_stack(tmp_path) as stack:
            yield stack, collector


async def test_one_trace_follows_a_contact_from_the_customer_to_the_crm(
    traced_stack: tuple[Running, Collector],
) -> None:
    stack, collector = traced_stack
    story = Story(home=stack.home, addresses=stack.addresses, chats=1, agents=2)
    await story.run()
    faults = await story.faults()
    await eventually(partial(all_hops_are_there, collector), timeout_seconds=60)
    contact = contact_spans(collector.spans)
    words = [said.text.encode() for said in story.accepted()] + [b"Customer 0", b"answer 0 of"]

    assert not faults, report(faults)
    assert {(span.service, span.name) for span in contact if not span.parent_id} == {TAKEN}
    assert {span.parent_id for span in contact if span.parent_id} <= {span.span_id for span in contact}
    assert [(span.name, word) for span in collector.spans for word in words if word in span.raw] == []


def all_hops_are_there(collector: Collector) -> bool:
    assert missing_hops(contact_spans(collector.spans)) == []
    return True


def contact_spans(spans: list[Exported]) -> list[Exported]:
    """The spans of the trace that the customer's first message began."""
    first = next((span for span in spans if span.name == "decide interaction.started"), None)
    return [span for span in spans if first is not None and span.trace_id == first.trace_id]


def missing_hops(spans: list[Exported]) -> list[tuple[Hop, Hop | None]]:
    """Which hops of the way no span shows, or none with the right parent."""
    by_id = {span.span_id: (span.service, span.name) for span in spans}
    shown = {((span.service, span.name), by_id.get(span.parent_id)) for span in spans}
    named = {hop for hop, _ in shown}
    return [(hop, parent) for hop, parent in HOPS if (hop, parent) not in shown and (parent or hop not in named)]
