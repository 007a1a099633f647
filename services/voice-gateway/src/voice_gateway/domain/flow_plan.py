"""What a call goes through, as configuration has it: a value that the call keeps until its end, so that a change of the
configuration changes no call under way."""

from dataclasses import dataclass
from typing import Literal

from contracts import voice_parts
from contracts.voice_parts import Flow

Consent = Literal["none", "announce", "ask"]
"""Before a call is recorded: nothing is said, the caller is told, or the caller is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageKey:
    """The key by which a caller chooses a language."""

    key: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuItem:
    """What a key of a menu does. Its `prompt` is said first; then comes the menu below, or the queue, or, with neither,
    the same menu again."""

    key: str
    prompt: str | None = None
    menu: str | None = None
    queue: str | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    """Given to the router with the call, and kept through the menus below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """A question by keys."""

    name: str
    prompt: str
    items: tuple[MenuItem, ...]
    default_key: str | None = None
    """The item for who chooses nothing; none: the queue of the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcements:
    """What who waits is told from time to time, over the music."""

    every_seconds: int = 60
    position: bool = True
    expected_wait: bool = True
    prompts: tuple[str, ...] = ()
    """Said by turns, one each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackOffer:
    """By this key who waits may ask to be called back."""

    key: str
    confirm_key: str = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Voicemail:
    """A message is recorded when the router gives a call up to voicemail."""

    prompt: str = "voicemail"
    seconds_max: int = 180
    seconds_min: int = 2
    """What is shorter is no message."""
    end_key: str = "#"
    queue: str | None = None
    """Where its task goes; none: the queue that gave the call up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyQuestion:
    """A question that is answered by one key."""

    name: str
    prompt: str
    keys: str = "12345"


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What who is still there after the talk is asked."""

    name: str
    questions: tuple[SurveyQuestion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPlan:
    """A whole call. Prompts are named; `flow_prompts` names those that every call may need."""

    name: str = "default"
    language: str = "en"
    """Until another one is chosen or known."""
    languages: tuple[LanguageKey, ...] = ()
    language_prompt: str = "language"
    welcome: str | None = None
    consent: Consent = "none"
    menu: str | None = None
    """The first of `menus`."""
    menus: tuple[Menu, ...] = ()
    repeat_key: str | None = None
    """Of menus: the question again."""
    back_key: str | None = None
    """Of menus: the menu above."""
    key_seconds: int = 6
    """How long a key is waited for after a question."""
    attempts_max: int = 3
    announcements: Announcements | None = None
    callback: CallbackOffer | None = None
    voicemail: Voicemail = Voicemail()
    closed_wait_seconds: int = 0
    """Who waits for an opening that is so near stays on the line; to others the flow says that it is closed and hangs
    up."""
    survey: Survey | None = None


def from_configuration(flow: Flow) -> FlowPlan:
    """The plan of a configured flow; it plays what the flow names, and the music is the wait room's."""
    message = flow.voicemail or voice_parts.Voicemail()
    return FlowPlan(
        name=flow.id,
        language=flow.language,
        languages=tuple(LanguageKey(key=each.key, language=each.language) for each in flow.languages),
        language_prompt=flow.language_prompt,
        welcome=flow.welcome,
        consent=flow.consent,
        menu=flow.menu,
        menus=tuple(_menu(each) for each in flow.menus),
        repeat_key=flow.repeat_key,
        back_key=flow.back_key,
        key_seconds=flow.key_seconds,
        attempts_max=flow.attempts_max,
        announcements=_announcements(flow),
        callback=_callback(flow),
        voicemail=Voicemail(
            prompt=message.prompt,
            seconds_max=message.seconds_max,
            seconds_min=message.seconds_min,
            end_key=message.end_key,
            queue=message.queue,
        ),
        closed_wait_seconds=flow.closed_wait_seconds,
        survey=_survey(flow),
    )


def _menu(menu: voice_parts.Menu) -> Menu:
    items = (
        MenuItem(
            key=each.key,
            prompt=each.prompt,
            menu=each.menu,
            queue=each.queue,
            attributes=tuple(each.attributes.items()),
        )
        for each in menu.items
    )
    return Menu(name=menu.id, prompt=menu.prompt, items=tuple(items), default_key=menu.default_key)


def _callback(flow: Flow) -> CallbackOffer | None:
    offer = flow.callback
    return None if offer is None else CallbackOffer(key=offer.key, confirm_key=offer.confirm_key)


def _announcements(flow: Flow) -> Announcements | None:
    told = flow.announcements
    if told is None:
        return None
    return Announcements(
        every_seconds=told.every_seconds,
        position=told.position,
        expected_wait=told.expected_wait,
        prompts=tuple(told.prompts),
    )


def _survey(flow: Flow) -> Survey | None:
    if flow.survey is None:
        return None
    questions = (SurveyQuestion(name=each.id, prompt=each.prompt, keys=each.keys) for each in flow.survey.questions)
    return Survey(name=flow.survey.id, questions=tuple(questions))
