"""What a call goes through, as configuration has it: a value that the call keeps until its end, so that a change of the
configuration changes no call under way."""

from dataclasses import dataclass
from typing import Literal

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
    menu: "Menu | None" = None
    queue: str | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    """Given to the router with the call, and kept through the menus below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """A question by keys; at most three of them one below the other."""

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
    menu: Menu | None = None
    repeat_key: str | None = None
    """Of menus: the question again."""
    back_key: str | None = None
    """Of menus: the menu above."""
    key_seconds: int = 6
    """How long a key is waited for after a question."""
    attempts_max: int = 3
    music: str | None = None
    announcements: Announcements | None = None
    callback: CallbackOffer | None = None
    voicemail: Voicemail = Voicemail()
    closed_wait_seconds: int = 0
    """Who waits for an opening that is so near stays on the line; to others the flow says that it is closed and hangs
    up."""
    survey: Survey | None = None
