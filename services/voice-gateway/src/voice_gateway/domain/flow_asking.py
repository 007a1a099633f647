"""Before the router is asked: welcome, language, menus, consent to a recording.

Whoever presses nothing, or what is no key of the question, is asked again a few times; then the default is taken.
"""

from typing import Final

from voice_gateway.domain import flow_prompts
from voice_gateway.domain.flow_plan import Menu, MenuItem
from voice_gateway.domain.flow_turn import Handling, Turn, plain
from voice_gateway.domain.flow_words import ConsentAnswered, ConsentGiven, Line, MenuChosen

TYPED_MAX: Final = 8
ROUNDS_MAX: Final = 20
"""So many menus are asked in one call, by repeating and going back too."""
ATTRIBUTES_MAX: Final = 24
"""The last ones of all menus; an interaction has 32, and the gateway gives some of its own."""
YES, NO = "1", "2"


def type_ahead(turn: Turn, key: str) -> None:
    """Keep a key for the question to come; beyond a few they are dropped."""
    turn.become(typed=(turn.at.typed + key)[:TYPED_MAX])


def wait_for_key(turn: Turn) -> None:
    """The question has been asked."""
    turn.wait(turn.plan.key_seconds)


def tried_enough(turn: Turn) -> bool:
    """Count an answer that was wrong or did not come."""
    turn.become(attempts=turn.at.attempts + 1, typed="")
    return turn.at.attempts >= turn.plan.attempts_max


def _welcome(turn: Turn) -> None:
    if turn.plan.welcome is None or turn.at.typed:
        turn.enter("language")
    else:
        turn.say(plain(turn.plan.welcome))


def _skip_welcome(turn: Turn, key: str) -> None:
    type_ahead(turn, key)
    turn.hush()
    turn.enter("language")


def _ask_language(turn: Turn) -> None:
    if turn.at.language_chosen or not turn.plan.languages:
        turn.enter("menu")
        return
    turn.become(attempts=0)
    turn.say(*_language_lines(turn))


def _language_lines(turn: Turn) -> list[Line]:
    return [
        Line(prompt=turn.plan.language_prompt, values=(("key", each.key),), language=each.language)
        for each in turn.plan.languages
    ]


def _language_key(turn: Turn, key: str) -> None:
    turn.hush()
    chosen = next((each.language for each in turn.plan.languages if each.key == key), None)
    if chosen is not None:
        turn.become(language=chosen, language_chosen=True)
        turn.enter("menu")
    elif tried_enough(turn):
        turn.enter("menu")
    else:
        turn.say(plain(flow_prompts.WRONG_KEY), *_language_lines(turn))


def _no_language(turn: Turn) -> None:
    if tried_enough(turn):
        turn.enter("menu")
    else:
        turn.say(*_language_lines(turn))


def _ask_menu(turn: Turn) -> None:
    menu = _menu(turn)
    if menu is None or turn.at.rounds >= ROUNDS_MAX:
        turn.enter("consent")
        return
    turn.become(attempts=0, rounds=turn.at.rounds + 1)
    turn.say(plain(menu.prompt))


def _menu(turn: Turn) -> Menu | None:
    """The one that the caller has come to."""
    name = turn.at.path[-1] if turn.at.path else turn.plan.menu
    return next((menu for menu in turn.plan.menus if menu.name == name), None)


def _item(menu: Menu, key: str | None) -> MenuItem | None:
    return next((item for item in menu.items if item.key == key), None)


def _menu_key(turn: Turn, key: str) -> None:
    turn.hush()
    menu = _menu(turn)
    item = _item(menu, key) if menu else None
    if menu is not None and item is not None:
        turn.do(MenuChosen(menu=menu.name, key=key))
        _take(turn, item)
    elif key == turn.plan.repeat_key:
        turn.enter("menu")
    elif key == turn.plan.back_key:
        turn.become(path=turn.at.path[:-1])
        turn.enter("menu")
    elif tried_enough(turn):
        _take_default(turn)
    else:
        turn.say(plain(flow_prompts.WRONG_KEY), plain(menu.prompt if menu else flow_prompts.WRONG_KEY))


def _no_menu_key(turn: Turn) -> None:
    menu = _menu(turn)
    if menu is None or tried_enough(turn):
        _take_default(turn)
    else:
        turn.say(plain(menu.prompt))


def _take_default(turn: Turn) -> None:
    menu = _menu(turn)
    item = _item(menu, menu.default_key) if menu else None
    if item is not None and (item.menu or item.queue):
        _take(turn, item)
    else:
        turn.enter("consent")


def _take(turn: Turn, item: MenuItem) -> None:
    given = {**dict(turn.at.attributes), **dict(item.attributes)}
    turn.become(attributes=tuple(given.items())[-ATTRIBUTES_MAX:])
    if item.prompt is not None:
        turn.say(plain(item.prompt))
    if item.menu is not None:
        turn.become(path=(*turn.at.path, item.menu))
    elif item.queue is not None:
        turn.become(queue_hint=item.queue)
        turn.enter("consent")
        return
    turn.enter("menu")


def _ask_consent(turn: Turn) -> None:
    """What was pressed before it was asked is no consent, nor is what is pressed while it is asked."""
    turn.become(attempts=0)
    match turn.at.consent_asked_for:
        case "none":
            turn.enter("queued")
        case "announce":
            turn.say(plain(flow_prompts.RECORDED))
        case "ask":
            turn.say(plain(flow_prompts.CONSENT, yes=YES, no=NO))


def _consent_asked(turn: Turn) -> None:
    if turn.at.consent_asked_for == "ask":
        wait_for_key(turn)
    else:
        turn.become(consent="told")
        turn.enter("queued")


def _consent_key(turn: Turn, key: str) -> None:
    if not turn.silent():
        return
    if key in (YES, NO):
        _consented(turn, "granted" if key == YES else "refused")
    elif tried_enough(turn):
        _consented(turn, "refused")
    else:
        turn.say(plain(flow_prompts.WRONG_KEY), plain(flow_prompts.CONSENT, yes=YES, no=NO))


def _no_consent(turn: Turn) -> None:
    if tried_enough(turn):
        _consented(turn, "refused")
    else:
        turn.say(plain(flow_prompts.CONSENT, yes=YES, no=NO))


def _consented(turn: Turn, given: ConsentGiven) -> None:
    turn.become(consent=given)
    turn.do(ConsentAnswered(granted=given == "granted"))
    turn.enter("queued")


WELCOME: Final = Handling(enter=_welcome, said=lambda turn: turn.enter("language"), key=_skip_welcome)
LANGUAGE: Final = Handling(
    enter=_ask_language, said=wait_for_key, waited=_no_language, key=_language_key, types_ahead=True
)
MENU: Final = Handling(enter=_ask_menu, said=wait_for_key, waited=_no_menu_key, key=_menu_key, types_ahead=True)
CONSENT: Final = Handling(enter=_ask_consent, said=_consent_asked, waited=_no_consent, key=_consent_key)
