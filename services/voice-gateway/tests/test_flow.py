"""What a caller goes through before the router is asked, and while it looks for an agent."""

from voice_gateway.domain.flow_asking import ATTRIBUTES_MAX, ROUNDS_MAX
from voice_gateway.domain.flow_plan import Announcements, CallbackOffer, FlowPlan, LanguageKey, Menu, MenuItem
from voice_gateway.domain.flow_queueing import CALLBACKS_ASKED_MAX, ROUTER_SECONDS_MAX
from voice_gateway.domain.flow_words import (
    Ask,
    Begun,
    CallbackRefused,
    CalledBack,
    ConsentAnswered,
    HangUp,
    Key,
    MenuChosen,
    Played,
    PlayPrompt,
    Queued,
    RequestCallback,
    StopPrompt,
    Talking,
    TimerDue,
)
from voice_gateway.testing.callers import Caller

LANGUAGES = (LanguageKey(key="1", language="en"), LanguageKey(key="2", language="it"))
BILLS = Menu(
    name="bills",
    prompt="which_bill",
    items=(MenuItem(key="1", queue="invoices"), MenuItem(key="2", queue="reminders", attributes=(("late", "yes"),))),
)
MAIN = Menu(
    name="main",
    prompt="what_about",
    items=(
        MenuItem(key="1", menu="bills", attributes=(("about", "bills"),)),
        MenuItem(key="2", queue="support", prompt="have_your_number_ready"),
        MenuItem(key="3", prompt="opening_hours"),
    ),
)
MENUS = FlowPlan(menu="main", menus=(MAIN, BILLS), repeat_key="*", back_key="#")
WAITING = FlowPlan(announcements=Announcements(every_seconds=30, prompts=("tip", "thanks")))
OFFERED = FlowPlan(announcements=Announcements(every_seconds=30), callback=CallbackOffer(key="5"))


def asked(caller: Caller) -> Ask:
    (ask,) = caller.did(Ask)
    assert isinstance(ask, Ask)
    return ask


def test_an_empty_plan_asks_the_router_at_once_and_says_nothing() -> None:
    caller = Caller(FlowPlan(), Begun())

    assert caller.acts == [Ask(queue_hint=None, language=None, attributes=())]


def test_a_caller_is_welcomed_and_chooses_a_language_in_which_all_else_is_said() -> None:
    caller = Caller(FlowPlan(welcome="hello", languages=LANGUAGES, menu="main", menus=(MAIN, BILLS)), Begun())
    assert caller.listens() == ["hello", "language", "language"]
    assert [(each.language, each.values) for each in caller.heard[1:]] == [
        ("en", (("key", "1"),)),
        ("it", (("key", "2"),)),
    ]

    caller.press("2")
    assert (caller.heard[-1].prompt, caller.heard[-1].language) == ("what_about", "it")

    caller.press("2")
    assert asked(caller) == Ask(queue_hint="support", language="it", attributes=())


def test_who_chooses_no_language_is_asked_again_and_then_has_the_plans_which_the_facts_may_change() -> None:
    caller = Caller(FlowPlan(language="it", languages=LANGUAGES, announcements=Announcements()), Begun())
    caller.listens()

    assert caller.waits() == ["language", "language"]
    caller.press("7")
    assert caller.listens() == ["wrong_key", "language", "language"]
    assert caller.waits() == []
    assert asked(caller).language is None

    caller.tell(Queued(queue="q", position=2, language="en"))
    assert caller.heard[-1].language == "en"

    chosen = Caller(FlowPlan(languages=LANGUAGES), Begun(language="it"))
    chosen.tell(Queued(queue="q", language="en"))
    assert chosen.position.language == "it"


def test_who_is_known_to_speak_a_language_of_the_plan_is_not_asked_and_another_one_changes_nothing() -> None:
    known = Caller(FlowPlan(languages=LANGUAGES), Begun(language="it"))
    foreign = Caller(FlowPlan(languages=LANGUAGES), Begun(language="de"))

    assert asked(known).language == "it"
    assert foreign.listens() == ["language", "language"]


def test_menus_lead_to_a_queue_and_gather_what_the_router_is_told() -> None:
    caller = Caller(MENUS, Begun())
    assert caller.listens() == ["what_about"]

    caller.press("1")
    assert caller.listens() == ["which_bill"]
    caller.press("2")

    assert caller.did(MenuChosen) == [MenuChosen(menu="main", key="1"), MenuChosen(menu="bills", key="2")]
    assert asked(caller) == Ask(queue_hint="reminders", language=None, attributes=(("about", "bills"), ("late", "yes")))


def test_no_more_attributes_are_gathered_than_an_interaction_takes() -> None:
    def many(letter: str) -> tuple[tuple[str, str], ...]:
        return tuple((f"{letter}{number}", "x") for number in range(16))

    first = Menu(name="1", prompt="p", items=(MenuItem(key="1", menu="2", attributes=many("a")),))
    second = Menu(name="2", prompt="p", items=(MenuItem(key="1", queue="q", attributes=many("b")),))
    caller = Caller(FlowPlan(menu="1", menus=(first, second)), Begun())
    caller.press("11")

    assert len(asked(caller).attributes) == ATTRIBUTES_MAX
    assert asked(caller).attributes[-1] == ("b15", "x")


def test_a_key_stops_the_prompt_and_the_end_of_the_stopped_playback_changes_nothing() -> None:
    caller = Caller(MENUS, Begun())
    first = caller.heard[-1].number

    assert caller.tell(Key(key="1")) == (
        StopPrompt(number=first),
        MenuChosen(menu="main", key="1"),
        PlayPrompt(number=first + 1, prompt="which_bill", language="en"),
    )
    assert caller.tell(Played(number=first)) == ()
    assert caller.playing == first + 1


def test_keys_typed_ahead_answer_the_next_questions_and_no_more_than_eight_are_kept() -> None:
    plan = FlowPlan(welcome="hello", languages=LANGUAGES, menu="main", menus=(MAIN, BILLS))
    caller = Caller(plan)
    caller.press("212")
    caller.tell(Begun())

    assert caller.heard == []
    assert asked(caller) == Ask(queue_hint="reminders", language="it", attributes=(("about", "bills"), ("late", "yes")))

    early = Caller(plan)
    early.press("9" * 50)
    assert early.position.typed == "9" * 8


def test_an_item_may_say_something_first_and_the_router_is_asked_meanwhile() -> None:
    caller = Caller(MENUS, Begun())
    caller.press("2")

    assert asked(caller).queue_hint == "support"
    assert caller.listens() == ["have_your_number_ready"]


def test_an_item_that_leads_nowhere_says_its_prompt_and_the_menu_again() -> None:
    caller = Caller(MENUS, Begun())
    caller.press("3")

    assert caller.listens() == ["opening_hours", "what_about"]
    assert not caller.did(Ask)


def test_the_keys_to_repeat_and_to_go_back_work_in_every_menu_if_there_are_any() -> None:
    caller = Caller(MENUS, Begun())
    for key, prompt in (("*", "what_about"), ("#", "what_about"), ("1", "which_bill"), ("*", "which_bill")):
        caller.press(key)
        assert caller.listens() == [prompt]
    caller.press("#")
    assert caller.listens() == ["what_about"]

    without = Caller(FlowPlan(menu="main", menus=(MAIN, BILLS)), Begun())
    without.press("*")
    assert without.listens() == ["wrong_key", "what_about"]


def test_going_back_leads_to_the_menu_above_and_not_to_the_first() -> None:
    deep = tuple(Menu(name=str(n), prompt=f"menu_{n}", items=(MenuItem(key="1", menu=str(n + 1)),)) for n in range(3))
    caller = Caller(FlowPlan(menu="0", menus=deep, back_key="#"), Begun())
    caller.press("11#")

    assert caller.listens() == ["menu_1"]


def test_wrong_keys_and_silence_lead_to_the_default_of_the_menu_or_of_the_address() -> None:
    caller = Caller(MENUS, Begun())
    caller.press("1")
    caller.listens()
    caller.press("8")
    assert caller.listens() == ["wrong_key", "which_bill"]
    assert caller.waits() == ["which_bill"]
    assert caller.waits() == []
    assert asked(caller) == Ask(queue_hint=None, language=None, attributes=(("about", "bills"),))

    default = Caller(
        FlowPlan(menu="m", menus=(Menu(name="m", prompt="p", items=MAIN.items, default_key="2"),), attempts_max=1),
        Begun(),
    )
    default.press("0")
    assert asked(default).queue_hint == "support"
    assert default.did(MenuChosen) == []


def test_a_default_that_leads_nowhere_is_none() -> None:
    menu = Menu(name="m", prompt="p", items=MAIN.items, default_key="3")
    caller = Caller(FlowPlan(menu="m", menus=(menu,), attempts_max=1), Begun())
    caller.press("0")

    assert asked(caller).queue_hint is None


def test_nobody_is_kept_in_menus_for_ever() -> None:
    caller = Caller(MENUS, Begun())
    for _ in range(ROUNDS_MAX):
        caller.press("*")

    assert asked(caller).queue_hint is None


def test_consent_is_asked_for_and_neither_given_by_a_key_before_it_was_heard_nor_by_silence() -> None:
    caller = Caller(FlowPlan(consent="ask", menu="main", menus=(MAIN, BILLS)), Begun())
    caller.press("211")
    assert not caller.did(ConsentAnswered)
    assert caller.listens() == ["have_your_number_ready", "consent"]
    caller.press("1")
    assert caller.did(ConsentAnswered) == [ConsentAnswered(granted=True)]
    assert caller.position.consent == "granted"
    assert caller.position.due_ms is None
    assert asked(caller).queue_hint == "support"

    silent = Caller(FlowPlan(consent="ask"), Begun())
    assert silent.listens() == ["consent"]
    silent.press("7")
    assert silent.listens() == ["wrong_key", "consent"]
    assert silent.waits() == ["consent"]
    silent.waits()
    assert silent.did(ConsentAnswered, Ask) == [
        ConsentAnswered(granted=False),
        Ask(queue_hint=None, language=None, attributes=()),
    ]


def test_that_a_call_is_recorded_is_said_to_the_end_where_the_policy_says_so() -> None:
    caller = Caller(FlowPlan(), Begun(consent="announce"))
    caller.press("123")

    assert caller.listens() == ["recorded"]
    assert caller.position.consent == "told"
    assert len(caller.did(Ask)) == 1


def test_a_prompt_whose_end_is_never_told_ends_by_the_timer() -> None:
    caller = Caller(FlowPlan(welcome="hello", menu="main", menus=(MAIN, BILLS)), Begun())
    assert caller.position.due_ms is not None
    assert caller.tell(TimerDue()) == ()

    caller.now_ms = caller.position.due_ms
    acts = caller.tell(TimerDue())
    assert acts == (StopPrompt(number=1), PlayPrompt(number=2, prompt="what_about", language="en"))
    assert caller.tell(TimerDue()) == ()


def test_who_waits_hears_the_place_and_a_range_of_the_wait_and_then_something_from_time_to_time() -> None:
    caller = Caller(WAITING, Begun())
    caller.tell(Queued(queue="q", position=3, expected_wait_ms=600_000))
    assert caller.listens() == ["position", "expected_wait", "tip"]
    assert [each.values for each in caller.heard] == [(("position", "3"),), (("from", "7"), ("to", "13")), ()]

    assert caller.position.due_ms == caller.now_ms + 30_000
    assert caller.waits() == ["expected_wait", "thanks"]
    assert caller.waits(place=2) == ["position", "expected_wait", "tip"]
    assert caller.heard[-3].values == (("position", "2"),)


def test_what_is_expected_is_not_told_when_it_is_past_and_told_roughly_when_it_is_short_or_long() -> None:
    def heard(expected_wait_ms: int) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
        caller = Caller(FlowPlan(announcements=Announcements(position=False)), Begun())
        caller.tell(Queued(queue="q", expected_wait_ms=expected_wait_ms))
        caller.listens()
        return [(each.prompt, each.values) for each in caller.heard]

    assert heard(20_000) == [("expected_wait_short", (("to", "2"),))]
    assert heard(80_000) == [("expected_wait_short", (("to", "2"),))]
    assert heard(120_000) == [("expected_wait", (("from", "1"), ("to", "3")))]
    assert heard(7_200_000) == [("expected_wait_long", ())]

    late = Caller(FlowPlan(announcements=Announcements(every_seconds=60)), Begun())
    late.tell(Queued(queue="q", expected_wait_ms=59_000))
    late.listens()
    assert late.waits() == []


def test_for_whom_an_agent_is_free_nothing_is_said() -> None:
    caller = Caller(WAITING, Begun())
    caller.tell(Queued(queue="q", position=1, expected_wait_ms=0))

    assert caller.heard == []


def test_an_announcement_never_talks_over_another_prompt_and_other_keys_do_not_stop_it() -> None:
    caller = Caller(FlowPlan(menu="main", menus=(MAIN, BILLS), announcements=Announcements()), Begun())
    caller.press("2")
    caller.tell(Queued(queue="support", position=4))
    assert caller.heard[-1].prompt == "have_your_number_ready"

    caller.press("1")
    assert caller.listens() == ["have_your_number_ready", "position"]


def test_where_there_is_nothing_to_announce_the_prompt_under_way_keeps_its_time() -> None:
    silent = Announcements(every_seconds=10, position=False, expected_wait=False)
    caller = Caller(FlowPlan(menu="main", menus=(MAIN,), announcements=silent), Begun())
    caller.press("2")
    due_ms = caller.position.due_ms
    caller.tell(Queued(queue="support", position=4))

    assert caller.position.due_ms == due_ms


def test_the_agent_is_heard_at_once_whatever_is_being_said() -> None:
    caller = Caller(WAITING, Begun())
    caller.tell(Queued(queue="q", position=3))
    playing = caller.heard[-1].number

    assert caller.tell(Talking()) == (StopPrompt(number=playing),)
    assert caller.position.due_ms is None
    caller.press("1")
    assert caller.tell(Talking()) == ()


def test_who_could_not_be_connected_waits_again() -> None:
    caller = Caller(WAITING, Begun())
    caller.tell(Talking())
    caller.tell(Queued(queue="q", position=1))

    assert caller.listens() == ["position", "tip"]
    assert caller.position.stage == "queued"


def test_who_presses_the_key_and_confirms_the_number_is_called_back_and_let_go_with_words() -> None:
    caller = Caller(OFFERED, Begun())
    caller.tell(Queued(queue="q", position=3))
    assert caller.listens() == ["position", "callback_offer"]

    caller.press("5")
    assert (caller.heard[-1].prompt, caller.heard[-1].with_caller) == ("callback_confirm", True)
    assert caller.heard[-1].values == (("key", "1"),)
    caller.press("1")
    assert caller.did(RequestCallback) == [RequestCallback(attempt=1)]
    assert not caller.did(HangUp)

    caller.tell(CalledBack())
    assert caller.listens() == ["callback_made"]
    assert caller.acts[-1] == HangUp()


def test_who_does_not_confirm_waits_on() -> None:
    caller = Caller(OFFERED, Begun())
    caller.press("53")
    assert caller.position.stage == "queued"

    caller.press("5")
    caller.listens()
    assert caller.waits() == ["callback_confirm"]
    assert caller.waits() == ["callback_confirm"]
    assert caller.waits() == []
    assert caller.position.stage == "queued"
    assert not caller.did(RequestCallback)


def test_a_refused_callback_is_told_as_is_one_that_the_router_does_not_answer_which_may_come_all_the_same() -> None:
    caller = Caller(OFFERED, Begun())
    caller.press("51")
    caller.tell(CallbackRefused())
    assert caller.listens() == ["callback_refused"]

    caller.press("51")
    assert caller.did(RequestCallback) == [RequestCallback(attempt=1), RequestCallback(attempt=2)]
    assert caller.position.due_ms == caller.now_ms + ROUTER_SECONDS_MAX * 1000
    assert caller.waits() == ["callback_refused"]

    caller.tell(CalledBack(message="We will ring."))
    assert caller.heard[-1].text == "We will ring."
    assert caller.listens() == ["callback_made"]
    assert caller.acts[-1] == HangUp()


def test_a_callback_may_be_asked_for_a_few_times() -> None:
    caller = Caller(OFFERED, Begun())
    for _ in range(CALLBACKS_ASKED_MAX + 1):
        caller.press("51")
        caller.tell(CallbackRefused())
        caller.listens()

    assert len(caller.did(RequestCallback)) == CALLBACKS_ASKED_MAX


def test_who_cannot_be_called_back_is_offered_nothing() -> None:
    caller = Caller(OFFERED, Begun(callback_possible=False))
    caller.tell(Queued(queue="q", position=3))
    assert caller.listens() == ["position"]

    caller.press("51")
    assert not caller.did(RequestCallback)
