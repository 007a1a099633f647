"""The pure decisions about a conversation."""

from dataclasses import replace

import pytest
from chat_gateway.domain import decisions
from chat_gateway.testing.samples import place, spoken, visit
from contracts.commands import AddNote, SendMessage
from contracts.interactions import ActivityChanged, AttentionRequested, InteractionEnded, InteractionStarted
from contracts.messages import MessageReceived, MessageSent
from contracts.tasks import Then
from gatewaykit.domain import decisions as kit
from gatewaykit.domain import routed
from gatewaykit.domain.records import PRESENCE_MS, Change, Conversation, Said, Seat, State
from hypothesis import given
from hypothesis import strategies as st
from servicekit.testing.set_clock import NOW_MS

OWNER = Seat(assignment_id="i1.t1.o1.a", task_id="i1.t1", agent_id="agent-1", agent_name="Grace", role="owner")


def fresh() -> Conversation:
    return decisions.opened(visit(), place(), NOW_MS)


def says(before: Conversation, text: str = "hi", *, now_ms: int = NOW_MS) -> Change:
    name = f"m{before.last_number + 1}"
    said = Said(message_id=name, client_message_id=name, text=text)
    return kit.customer_says(before, visit().opening, said, now_ms)


def assigned() -> Conversation:
    waiting = says(fresh()).conversation
    return routed.assigned(waiting, OWNER, NOW_MS).conversation


def finish(before: Conversation, *, then: Then = "close", seen_number: int | None = 1, request_id: str = "r") -> Change:
    return routed.finished(
        before, task_id="i1.t1", request_id=request_id, then=then, seen_number=seen_number, now_ms=NOW_MS
    )


def test_the_first_message_starts_the_interaction_before_it_is_announced_itself() -> None:
    change = says(fresh(), "hello")

    assert [type(each) for each in change.announce] == [InteractionStarted, MessageReceived]
    assert change.conversation.state == "waiting"
    assert change.conversation.last_number == 1


def test_a_message_while_a_task_is_asked_for_or_assigned_asks_for_nothing() -> None:
    waiting = says(fresh()).conversation

    assert [type(each) for each in says(waiting).announce] == [MessageReceived]
    assert [type(each) for each in says(assigned()).announce] == [MessageReceived]


def test_messages_that_nobody_would_read_ask_for_attention_once() -> None:
    kept_open = finish(assigned(), then="keep_open").conversation
    first = says(kept_open)
    second = says(first.conversation)

    assert kept_open.state == "open"
    assert [type(each) for each in first.announce] == [MessageReceived, AttentionRequested]
    assert [type(each) for each in second.announce] == [MessageReceived]


def test_closing_ends_the_interaction_when_the_agent_saw_everything() -> None:
    change = finish(assigned(), seen_number=1)

    assert [type(each) for each in change.announce] == [InteractionEnded]
    assert change.conversation.end_reason == "agent_closed"


@pytest.mark.parametrize("then", ["close", "keep_open"])
def test_a_later_message_asks_again_instead(then: Then) -> None:
    later = says(assigned()).conversation
    change = finish(later, then=then, seen_number=1)

    assert isinstance(change.announce[0], AttentionRequested)
    assert change.announce[0].message_id == "m2"
    assert change.conversation.state == "waiting"
    assert change.conversation.assignment_id is None


def test_an_agent_who_does_not_tell_counts_as_having_seen_everything() -> None:
    assert finish(says(assigned()).conversation, seen_number=None).conversation.state == "ended"


def test_what_was_asked_during_wrapup_is_asked_again_when_the_task_completes_without_a_new_one() -> None:
    asked = finish(says(assigned()).conversation, request_id="wrapup").conversation
    change = finish(asked, seen_number=None, request_id="completed")

    assert isinstance(change.announce[0], AttentionRequested)
    assert change.announce[0].request_id == "completed"


def test_the_end_of_an_older_task_changes_nothing() -> None:
    next_task = routed.queued(assigned(), "i1.t2").conversation

    assert finish(next_task) == Change(next_task)


def test_an_ended_conversation_stays_as_it_is() -> None:
    over = kit.ended(assigned(), "customer_left", NOW_MS).conversation

    assert routed.queued(over, "i1.t2").conversation == over
    assert routed.abandoned(over, "i1.t1").conversation == over
    assert finish(over).conversation == over
    assert kit.ended(over, "idle", NOW_MS) == Change(over)


def test_only_the_current_assignment_may_say_something() -> None:
    current, data = replace(assigned(), routed_sequence="0001-000000000000005-00000"), spoken(sequence=5).data
    assert isinstance(data, SendMessage)

    assert kit.may_say(current, data) is True
    assert kit.may_say(current, replace(data, agent_id="agent-2")) is False
    assert kit.may_say(current, replace(data, assignment_id="i1.t1.o0.a")) is False
    later = replace(data, assignment_id="i1.t2.o1.a", assignment_sequence="0001-000000000000009-00000")
    assert kit.may_say(current, later) is None


def test_delivery_goes_only_forward_and_never_past_the_last_message() -> None:
    conversation = says(says(fresh()).conversation).conversation
    confirmed = decisions.delivered(conversation, 2, NOW_MS)

    assert len(confirmed.announce) == 1
    assert decisions.delivered(confirmed.conversation, 2, NOW_MS).announce == ()
    assert decisions.delivered(confirmed.conversation, 1, NOW_MS).announce == ()
    assert decisions.delivered(conversation, 3, NOW_MS).announce == ()


def test_a_visitor_who_is_gone_for_the_configured_time_has_left() -> None:
    gone = decisions.left(assigned(), NOW_MS).conversation
    before = kit.looked_at(gone, present=False, now_ms=NOW_MS + 59_999)
    after = kit.looked_at(before.conversation, present=False, now_ms=NOW_MS + 60_000)

    assert before.conversation.state == "assigned"
    assert before.conversation.check_at_ms == NOW_MS + 60_000
    assert after.conversation.end_reason == "customer_left"


def test_nobody_is_declared_gone_while_nobody_can_say() -> None:
    gone = decisions.left(assigned(), NOW_MS).conversation
    unknown = kit.looked_at(gone, present=None, now_ms=NOW_MS + 600_000).conversation

    assert unknown.state == "assigned"
    assert unknown.check_at_ms == NOW_MS + 605_000


def test_a_visitor_who_is_back_is_not_gone() -> None:
    gone = decisions.left(assigned(), NOW_MS).conversation

    assert kit.looked_at(gone, present=True, now_ms=NOW_MS + 600_000).conversation.gone_at_ms is None


def test_a_conversation_in_which_nobody_writes_is_closed_but_not_while_the_customer_waits_for_us() -> None:
    late_ms = NOW_MS + 1_800_000
    waiting = says(fresh()).conversation

    assert kit.looked_at(waiting, present=True, now_ms=late_ms).conversation.state == "waiting"
    assert kit.looked_at(assigned(), present=True, now_ms=late_ms).conversation.end_reason == "idle"


def test_silence_counts_from_the_assignment_for_who_waited_long() -> None:
    waiting = says(fresh()).conversation
    late_ms = NOW_MS + 1_800_000
    after = routed.assigned(waiting, OWNER, late_ms).conversation

    assert kit.looked_at(after, present=True, now_ms=late_ms).conversation.state == "assigned"


def spoken_to(*, idle_release_seconds: int | None = 600) -> Conversation:
    """The agent has said the last word."""
    data = spoken(sequence=5).data
    assert isinstance(data, SendMessage)
    before = replace(assigned(), idle_release_seconds=idle_release_seconds)
    return kit.agent_says(before, data, "Which order?", NOW_MS).conversation


def look(before: Conversation, after_seconds: int) -> Change:
    return kit.looked_at(before, present=True, now_ms=NOW_MS + after_seconds * 1000)


def test_a_customer_who_does_not_answer_the_agent_is_silent_after_the_configured_time() -> None:
    before = look(spoken_to(), 599)
    after = look(before.conversation, 600)

    assert before.announce == ()
    assert before.conversation.check_at_ms == NOW_MS + 600_000
    assert after.announce == (
        ActivityChanged(interaction_id="i1", domain="acme.main", active=False, changed_at_ms=NOW_MS + 600_000),
    )
    assert look(after.conversation, 640).announce == ()


def test_a_customer_who_waits_for_the_agents_answer_is_not_silent() -> None:
    asked = says(spoken_to(), "Still there?").conversation

    assert look(asked, 700).announce == ()
    assert look(replace(spoken_to(), state="open"), 700).announce == ()


def test_without_a_configured_time_nobody_is_silent() -> None:
    assert look(spoken_to(idle_release_seconds=None), 1700).announce == ()


def test_what_the_agent_says_meanwhile_does_not_bring_the_customer_back_but_their_message_does() -> None:
    silent = look(spoken_to(), 600).conversation
    data = spoken(sequence=5).data
    assert isinstance(data, SendMessage)
    urged = kit.agent_says(silent, data, "Are you there?", NOW_MS + 650_000)
    back = says(urged.conversation, now_ms=NOW_MS + 700_000)

    assert [type(each) for each in urged.announce] == [MessageSent]
    assert [type(each) for each in back.announce] == [MessageReceived, ActivityChanged]
    assert back.announce[1].active  # type: ignore[union-attr]  # the types were compared just now
    assert [type(each) for each in says(back.conversation).announce] == [MessageReceived]


def test_the_next_agent_of_a_silent_customer_has_the_capacity_taken() -> None:
    silent = look(spoken_to(), 600).conversation
    again = routed.queued(silent, "i1.t1").conversation
    next_agent = replace(OWNER, assignment_id="i1.t1.o2.a", agent_id="agent-2")
    taken = routed.assigned(again, next_agent, NOW_MS + 700_000)

    assert again.silent
    assert [type(each) for each in taken.announce] == [ActivityChanged]
    assert not taken.conversation.silent
    assert look(taken.conversation, 1299).announce == ()
    assert [type(each) for each in look(taken.conversation, 1300).announce] == [ActivityChanged]


HELPER = Seat(assignment_id="i1.t2.o1.a", task_id="i1.t2", agent_id="agent-2", agent_name="Linus", role="consultant")
BACK = ActivityChanged(interaction_id="i1", domain="acme.main", active=True, changed_at_ms=NOW_MS + 700_000)


def test_who_comes_to_help_does_not_end_a_silence_and_the_customer_still_does() -> None:
    silent = look(spoken_to(), 600).conversation
    consulted = routed.assigned(silent, HELPER, NOW_MS + 700_000)
    shared = routed.role_changed(consulted.conversation, HELPER.assignment_id, "participant", NOW_MS + 700_000)
    alone = routed.transfer_changed(shared.conversation, HELPER.task_id, "cancelled", NOW_MS + 700_000)

    assert [change.announce for change in (consulted, shared, alone)] == [(), (), ()]
    assert all(change.conversation.silent for change in (consulted, shared, alone))
    assert BACK in says(shared.conversation, now_ms=NOW_MS + 700_000).announce


def test_a_consultant_who_comes_does_not_put_a_silence_off() -> None:
    consulted = routed.assigned(spoken_to(), HELPER, NOW_MS + 300_000).conversation

    assert [type(each) for each in look(consulted, 600).announce] == [ActivityChanged]


def handed_over(before: Conversation, told_by: str) -> Change:
    now_ms = NOW_MS + 700_000
    if told_by == "role":
        return routed.role_changed(before, HELPER.assignment_id, "owner", now_ms)
    if told_by == "transfer":
        return routed.transfer_changed(before, HELPER.task_id, "completed", now_ms)
    return routed.finished(
        before,
        task_id=OWNER.task_id,
        request_id="r",
        then="keep_open",
        seen_number=None,
        now_ms=now_ms,
        handed_over_to=HELPER.task_id,
    )


@pytest.mark.parametrize("told_by", ["role", "transfer", "wrapup"])
def test_who_becomes_the_owner_of_a_silent_customer_has_the_capacity_taken_once(told_by: str) -> None:
    consulted = routed.assigned(look(spoken_to(), 600).conversation, HELPER, NOW_MS + 650_000).conversation
    taken = handed_over(consulted, told_by)
    told_again = [handed_over(taken.conversation, each).announce for each in ("role", "transfer", "wrapup")]

    assert taken.announce == (BACK,)
    assert told_again == [(), (), ()]
    assert look(taken.conversation, 1299).announce == ()
    assert [type(each) for each in look(taken.conversation, 1300).announce] == [ActivityChanged]


def test_words_among_agents_are_no_words_to_the_customer() -> None:
    data = spoken(sequence=5, note=True).data
    assert isinstance(data, AddNote)
    asked = says(spoken_to(), "Still there?").conversation
    discussed = kit.agent_notes(asked, data, "What shall I say?", NOW_MS + 1000).conversation
    noted = kit.agent_notes(spoken_to(), data, "No answer yet.", NOW_MS + 300_000).conversation

    assert look(discussed, 700).announce == ()
    assert [type(each) for each in look(noted, 600).announce] == [ActivityChanged]


def test_a_short_silence_is_noticed_before_the_next_regular_look() -> None:
    assert spoken_to(idle_release_seconds=10).check_at_ms == NOW_MS + 10_000


@given(
    present=st.sampled_from([True, False, None]),
    elapsed_ms=st.integers(0, 4_000_000),
    state=st.sampled_from(["open", "waiting", "assigned"]),
)
def test_a_look_always_names_a_later_look(present: bool | None, elapsed_ms: int, state: State) -> None:
    now_ms = NOW_MS + elapsed_ms
    after = kit.looked_at(replace(spoken_to(), state=state), present=present, now_ms=now_ms).conversation

    assert after.check_at_ms > now_ms
    assert after.gone_at_ms is None or present is False or after.state == "ended"


def test_a_short_abandon_time_is_never_shorter_than_presence_takes_to_show() -> None:
    gone = decisions.left(replace(assigned(), abandon_seconds=1), NOW_MS).conversation

    assert kit.looked_at(gone, present=False, now_ms=NOW_MS + PRESENCE_MS - 1).conversation.state == "assigned"
    assert kit.looked_at(gone, present=False, now_ms=NOW_MS + PRESENCE_MS).conversation.state == "ended"
