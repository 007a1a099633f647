"""While the router looks for an agent: announcements over the music, closed hours, the offer to be called back."""

from typing import Final

from voice_gateway.domain import flow_prompts
from voice_gateway.domain.flow_asking import tried_enough, wait_for_key
from voice_gateway.domain.flow_turn import Handling, Turn, plain
from voice_gateway.domain.flow_words import Ask, CalledBack, Line, Queued, RequestCallback

ROUTER_SECONDS_MAX: Final = 10
"""How long a caller waits to hear whether there will be a callback."""
CALLBACKS_ASKED_MAX: Final = 5
LONG_MINUTES: Final = 60
WIDE: Final = 0.3
"""What is expected errs by about so much of itself (docs/expected-wait.md): a range is told."""


def told(turn: Turn, data: Queued) -> None:
    """The router has said how the task waits."""
    if turn.at.stage not in ("queued", "closed", "callback", "calling_back", "talking") or not turn.at.asked:
        return
    _learn(turn, data)
    if turn.at.closed:
        if turn.at.stage in ("queued", "talking"):
            turn.hush()
            turn.enter("closed")
    elif turn.at.stage in ("closed", "talking"):
        turn.hush()
        turn.enter("queued")
    elif turn.at.stage == "queued" and turn.silent() and _has_news(turn):
        _announce(turn)


def _learn(turn: Turn, data: Queued) -> None:
    at = turn.at
    expected, place = data.expected_wait_ms, at.place if data.position is None else data.position
    known = data.language in {each.language for each in turn.plan.languages}
    turn.become(
        queue=data.queue or at.queue,
        place=None if expected == 0 else place,
        expected_at_ms=at.expected_at_ms if expected is None else turn.now_ms + expected,
        language=data.language if known and not at.language_chosen else at.language,
        callback_possible=at.callback_possible if data.callback_possible is None else data.callback_possible,
        closed=at.closed if data.closed is None else data.closed and not _opens_soon(turn, data),
    )


def _opens_soon(turn: Turn, data: Queued) -> bool:
    within_ms = turn.plan.closed_wait_seconds * 1000
    return data.opens_at_ms is not None and data.opens_at_ms - turn.now_ms <= within_ms


def called_back(turn: Turn, data: CalledBack) -> None:
    """There will be a callback: the caller is told, and let go."""
    if turn.at.stage in ("queued", "closed", "callback", "calling_back"):
        turn.hush()
        turn.say(Line(prompt=flow_prompts.CALLBACK_MADE, text=data.message))
        turn.enter("leaving")


def refused(turn: Turn) -> None:
    """There will be none, or the router does not say: the caller is told, and waits on."""
    if turn.at.stage == "calling_back":
        turn.say(plain(flow_prompts.CALLBACK_REFUSED))
        _go_on_waiting(turn)


def _queued(turn: Turn) -> None:
    turn.become(typed="")
    if not turn.at.asked:
        turn.become(asked=True)
        language = turn.at.language if turn.at.language_chosen else None
        turn.do(Ask(queue_hint=turn.at.queue_hint, language=language, attributes=turn.at.attributes))


def _has_news(turn: Turn) -> bool:
    """Of the place and the wait nothing has been told yet; of who is expected to wait for nothing, there is none."""
    return turn.at.announced == 0 and (turn.at.place is not None or (turn.at.expected_at_ms or 0) > turn.now_ms)


def _wait_for_agent(turn: Turn) -> None:
    if _has_news(turn):
        _announce(turn)
    elif turn.plan.announcements is not None:
        turn.wait(turn.plan.announcements.every_seconds)


def _announce(turn: Turn) -> None:
    lines = _announcement(turn)
    turn.become(announced=turn.at.announced + 1, place=None)
    turn.say(*lines)
    if not lines:
        _wait_for_agent(turn)


def _announcement(turn: Turn) -> list[Line]:
    plan, lines = turn.plan.announcements, list[Line]()
    if plan is None:
        return _offer(turn)
    if plan.position and turn.at.place:
        lines.append(plain(flow_prompts.POSITION, position=turn.at.place))
    if plan.expected_wait and turn.at.expected_at_ms is not None:
        lines += _expected(turn.at.expected_at_ms - turn.now_ms)
    if plan.prompts:
        lines.append(plain(plan.prompts[turn.at.announced % len(plan.prompts)]))
    return lines + _offer(turn)


def _expected(left_ms: int) -> list[Line]:
    """A range of whole minutes; nothing once it has taken longer than was expected."""
    if left_ms <= 0:
        return []
    least, most = int(left_ms * (1 - WIDE) / 60_000), -int(-left_ms * (1 + WIDE) // 60_000)
    if least >= LONG_MINUTES:
        return [plain(flow_prompts.EXPECTED_WAIT_LONG)]
    if least == 0:
        return [plain(flow_prompts.EXPECTED_WAIT_SHORT, to=max(most, 2))]
    return [plain(flow_prompts.EXPECTED_WAIT, **{"from": least, "to": most})]


def _offer(turn: Turn) -> list[Line]:
    if turn.plan.callback is None or not _may_ask(turn):
        return []
    return [plain(flow_prompts.CALLBACK_OFFER, key=turn.plan.callback.key)]


def _may_ask(turn: Turn) -> bool:
    return turn.at.callback_possible and turn.at.callbacks_asked < CALLBACKS_ASKED_MAX


def _queue_key(turn: Turn, key: str) -> None:
    """No other key stops what is being said."""
    if turn.plan.callback is not None and key == turn.plan.callback.key and _may_ask(turn):
        turn.hush()
        turn.enter("callback")


def _closed(turn: Turn) -> None:
    turn.say(plain(flow_prompts.CLOSED), *_offer(turn))


def _closed_said(turn: Turn) -> None:
    if _offer(turn):
        wait_for_key(turn)
    else:
        _leave_closed(turn)


def _leave_closed(turn: Turn) -> None:
    turn.say(plain(flow_prompts.GOODBYE))
    turn.enter("leaving")


def _confirm(turn: Turn) -> None:
    turn.become(attempts=0)
    turn.say(*_confirmation(turn))


def _confirmation(turn: Turn) -> list[Line]:
    key = turn.plan.callback.confirm_key if turn.plan.callback else ""
    return [Line(prompt=flow_prompts.CALLBACK_CONFIRM, values=(("key", key),), with_caller=True)]


def _confirm_key(turn: Turn, key: str) -> None:
    turn.hush()
    if turn.plan.callback is None or key != turn.plan.callback.confirm_key:
        _go_on_waiting(turn)
        return
    attempt = turn.at.callbacks_asked + 1
    turn.become(callbacks_asked=attempt)
    turn.do(RequestCallback(attempt=attempt))
    turn.enter("calling_back")


def _not_confirmed(turn: Turn) -> None:
    if tried_enough(turn):
        _go_on_waiting(turn)
    else:
        turn.say(*_confirmation(turn))


def _go_on_waiting(turn: Turn) -> None:
    turn.enter("closed" if turn.at.closed else "queued")


QUEUED: Final = Handling(enter=_queued, said=_wait_for_agent, waited=_announce, key=_queue_key)
CLOSED: Final = Handling(enter=_closed, said=_closed_said, waited=_leave_closed, key=_queue_key)
CALLBACK: Final = Handling(enter=_confirm, said=wait_for_key, waited=_not_confirmed, key=_confirm_key)
CALLING_BACK: Final = Handling(enter=lambda turn: turn.wait(ROUTER_SECONDS_MAX), waited=refused)
