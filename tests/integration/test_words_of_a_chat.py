"""What a visitor writes first is what the domain's rules read: from the chat gateway's event to the router's task."""

from chat_gateway.domain import decisions
from chat_gateway.testing.samples import ADDRESS, DOMAIN, place, visit
from contracts import Event, decode, encode
from contracts.configuration import Domain
from contracts.interactions import InteractionStarted
from contracts.tasks import TaskQueued
from gatewaykit.domain import decisions as kit
from gatewaykit.domain.records import Said
from router.domain.inputs import InteractionInput
from router.testing.parts import address, queue, rules
from router.testing.story import TENANT, Story
from servicekit.testing.set_clock import NOW_MS


def started(text: str) -> InteractionStarted:
    """As it stands in the log."""
    change = kit.customer_says(
        decisions.opened(visit(), place(), NOW_MS),
        visit().opening,
        Said(message_id="m1", client_message_id="client-m1", text=text),
        NOW_MS,
    )
    data = change.announce[0]
    event = Event(id="i1.started", source="/chat-gateway", tenant_id=TENANT, subject="i1", time_ms=NOW_MS, data=data)
    read = decode(*encode(event)).data
    assert isinstance(read, InteractionStarted)
    return read


def test_a_rule_about_the_first_words_of_a_chat_labels_its_task_and_the_words_stay_out_of_the_journal() -> None:
    told = Story(reruns=True)
    told.configure(
        Domain(id=DOMAIN),
        queue("support-en"),
        queue("refunds"),
        rules(refund={"when": "text.contains('money back')", "labels": ["refund"], "queue": "refunds"}),
        address("support-en").model_copy(update={"address": ADDRESS}),
    )
    happened = told.give(InteractionInput(TENANT, started("I want my money back for order 4111")))

    [task] = [data for data in happened if isinstance(data, TaskQueued)]
    assert (task.queue, task.labels) == ("refunds", ("refund",))
    assert "4111" not in str(happened)
