"""Interactions start, ask for attention and end; what is not configured yet waits for configuration."""

from contracts.configuration import Domain
from contracts.interactions import InteractionUpdated
from contracts.offers import OfferIssued, OfferRescinded
from contracts.tasks import TaskAbandoned, TaskQueued, WrapupStarted
from router.domain.inputs import InteractionInput
from router.domain.internal import AttentionJoined, InteractionClosed, InteractionParked
from router.domain.state import DAY_MS
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import TENANT, Story


def story(*, agents: int = 1) -> Story:
    told = Story()
    names = [f"agent-{number}" for number in range(agents)]
    told.configure(
        Domain(id=DOMAIN), queue("chats"), queue("calls"), address("chats", "calls"), *[agent(name) for name in names]
    )
    told.on_duty(*names)
    return told


def kinds(happened: list[object]) -> list[type]:
    return [type(data) for data in happened]


def test_a_repeated_start_changes_nothing() -> None:
    told = story()
    told.start("i1")

    assert told.start("i1") == []


def test_a_start_is_remembered_for_eight_days() -> None:
    told = story()
    told.start("i1")
    told.end("i1")
    told.wait(7.9 * DAY_MS / 1000)
    told.start("i2")

    assert told.start("i1") == []
    assert "i1" in told.domain.interactions
    told.wait(0.2 * DAY_MS / 1000)
    told.start("i3")
    assert "i1" not in told.domain.interactions


def test_a_request_for_attention_is_remembered_for_eight_days() -> None:
    told = story()
    told.attention("i1", "first")
    told.wait(7.9 * DAY_MS / 1000)
    told.attention("i2", "second")

    assert told.attention("i1", "first") == []
    told.wait(0.2 * DAY_MS / 1000)
    told.attention("i3", "third")
    assert list(told.domain.requests) == ["second", "third"]


def test_an_interaction_whose_task_lives_is_remembered_as_long_as_that() -> None:
    told = story(agents=0)
    told.start("i1")
    told.wait(9 * DAY_MS / 1000)
    told.start("i2")
    told.wait(9 * DAY_MS / 1000)
    told.start("i3")

    assert told.start("i1") == []


def test_a_task_of_a_forgotten_interaction_gets_an_id_of_its_own() -> None:
    told = story()
    told.start("i1")
    told.accept("agent-0", "i1.t1.o1")
    told.complete("agent-0", "i1.t1.o1.a")
    told.wait(9 * DAY_MS / 1000)
    told.start("i2")

    queued = told.attention("i1", "r1")[0]

    assert isinstance(queued, TaskQueued)
    assert queued.task_id == f"i1.t{told.now_ms + 1}"


def test_the_queue_that_the_customer_chose_is_taken_if_the_address_allows_it() -> None:
    told = story(agents=0)
    told.configure(queue("secret"))

    assert _queue(told.start("i1", queue="calls")) == "calls"
    assert _queue(told.start("i2", queue="secret")) == "chats"
    assert _queue(told.start("i3")) == "chats"


def test_an_unknown_address_leads_to_the_hint_or_to_the_first_queue() -> None:
    told = story(agents=0)
    told.configure(removed="channel:web:main")

    assert _queue(told.start("i1", queue="chats")) == "chats"
    assert _queue(told.start("i2", queue="nowhere")) == "calls"


def test_waiting_time_counts_from_the_start_of_the_interaction_and_never_from_the_future() -> None:
    told = story(agents=0)
    told.start("i1")
    told.now_ms += 5000
    [queued, _] = told.start("i2")

    assert isinstance(queued, TaskQueued)
    assert queued.queued_at_ms == told.now_ms


def test_attention_joins_a_live_task_once() -> None:
    told = story(agents=0)
    told.start("i1")

    assert kinds(told.attention("i1", "r1")) == [AttentionJoined]
    assert told.attention("i1", "r1") == []


def test_attention_makes_a_new_task_when_the_old_one_is_in_wrapup() -> None:
    told = story(agents=2)
    told.start("i1")
    told.accept("agent-0", "i1.t1.o1")
    told.end_task("agent-0", "i1.t1.o1.a")

    happened = told.attention("i1", "r1")

    assert kinds(happened) == [TaskQueued, OfferIssued]
    assert told.domain.tasks["i1.t2"].state == "offered"
    assert told.domain.tasks["i1.t1"].state == "wrapup"


def test_attention_after_the_end_is_ignored() -> None:
    told = story()
    told.start("i1")
    told.end("i1")

    assert told.attention("i1", "r1") == []


def test_an_end_abandons_a_waiting_task() -> None:
    told = story(agents=0)
    told.start("i1")
    told.wait(7)

    [abandoned] = told.end("i1")

    assert isinstance(abandoned, TaskAbandoned)
    assert (abandoned.reason, abandoned.waited_ms) == ("customer_left", 7000)


def test_an_end_takes_an_offer_back_and_the_agent_gets_the_next_task() -> None:
    told = story()
    told.start("i1")
    told.start("i2")

    assert kinds(told.end("i1")) == [OfferRescinded, TaskAbandoned, OfferIssued]


def test_an_end_sends_an_assigned_task_to_wrapup() -> None:
    told = story()
    told.start("i1")
    told.accept("agent-0", "i1.t1.o1")

    [started] = told.end("i1")

    assert isinstance(started, WrapupStarted)
    assert (started.reason, started.ends_at_ms) == ("interaction_ended", told.now_ms + 60_000)
    assert told.end("i1") == []


def test_an_end_before_the_start_closes_the_interaction() -> None:
    told = story()

    assert kinds(told.end("i1")) == [InteractionClosed]
    assert told.start("i1") == []


def test_an_update_changes_nothing() -> None:
    told = story()
    updated = InteractionUpdated(interaction_id="i1", domain=DOMAIN, updated_at_ms=told.now_ms)

    assert told.give(InteractionInput(TENANT, updated)) == []


def test_what_came_before_its_configuration_is_queued_by_it_with_its_waiting_time() -> None:
    told = Story()
    came_at_ms = told.now_ms
    parked = told.start("i1")
    told.wait(60)
    told.start("i2")
    told.configure(Domain(id=DOMAIN), queue("chats"), agent("ann"))
    told.on_duty("ann")

    queued, offered, *_ = told.wait(0)

    assert kinds(parked) == [InteractionParked]
    assert isinstance(queued, TaskQueued)
    assert (queued.task_id, queued.queued_at_ms) == ("i1.t1", came_at_ms)
    assert isinstance(offered, OfferIssued)
    assert offered.decision.waited_ms == 60_000


def test_who_leaves_while_parked_is_not_queued() -> None:
    told = Story()
    told.start("i1")
    told.attention("i1", "r1")
    told.end("i1")
    told.configure(Domain(id=DOMAIN), queue("chats"))

    assert told.wait(1) == []


def test_who_is_parked_waits_on_when_the_new_queue_goes_away_at_once() -> None:
    told = Story()
    told.start("i1")
    told.configure(Domain(id=DOMAIN), queue("chats"))
    told.configure(removed=f"queue:{DOMAIN}/chats")

    assert kinds(told.wait(1)) == [InteractionParked]
    assert told.state.next_due_ms() is None


def _queue(happened: list[object]) -> str:
    queued = happened[0]
    assert isinstance(queued, TaskQueued)
    return queued.queue
