"""Parts of a configuration document that say how calls go: what callers hear and may press, what is recorded, and where
agents are called."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from contracts.fields import Code, Direction, Id
from contracts.part import Label, Part, Seconds

VOICE: Final = "voice"
MENUS_DEEP_MAX: Final = 3
"""So many menus one below the other: nobody keeps more in mind."""

Key = Annotated[str, Field(pattern=r"^[0-9*#]$")]
"""Of a telephone's keypad."""
Keys = Annotated[str, Field(pattern=r"^[0-9*#]{1,12}$")]
PhoneNumber = Annotated[str, Field(pattern=r"^\+?[0-9]{2,15}$")]
"""In E.164 with its `+`, or as the trunk dials it."""
PromptFile = Annotated[
    str, Field(max_length=500, pattern=r"^(https://\S+|[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9_-]+)*\.[a-z0-9]{2,4})$")
]
"""A sound by its URL, which is fetched once, or by its name in the tenant's folder of the voice gateway's sounds."""
Consent = Literal["none", "announce", "ask"]
"""Before a call is recorded: nothing is said, callers are told, or callers are asked."""

OWN_PROMPTS: Final[Mapping[str, tuple[str, ...]]] = {
    "language": ("key",),
    "voicemail": ("key",),
    "wrong_key": (),
    "recorded": (),
    "consent": ("yes", "no"),
    "position": ("position",),
    "expected_wait": ("from", "to"),
    "expected_wait_short": ("to",),
    "expected_wait_long": (),
    "callback_offer": ("key",),
    "callback_confirm": ("number", "key"),
    "callback_made": (),
    "callback_refused": (),
    "closed": (),
    "nobody": (),
    "beep": (),
    "voicemail_taken": (),
    "voicemail_empty": (),
    "survey_thanks": (),
    "goodbye": (),
}
"""The prompts that every flow may play, and the values that their words may name. The gateway has words of its own for
each, in OWN_LANGUAGES; a tenant's prompt of the same id takes their place."""
OWN_LANGUAGES: Final = ("de", "en", "es", "fr", "it")


def address_of(number: str) -> str:
    """Under which a number stands in the channel registry: `tel:` and its digits, as the trunk says them; an extension
    or a name that is no number has what it has of letters and digits."""
    return "tel:" + "".join(each for each in number.lower() if each.isascii() and each.isalnum())


class Prompt(Part):
    """Something that callers hear: words that a voice reads, or a recorded sound, in as many languages as needed."""

    id: Code
    domain: Id
    texts: Annotated[dict[Code, Annotated[str, Field(min_length=1, max_length=1000)]], Field(max_length=50)] = Field(
        default_factory=dict
    )
    """By language; `{name}` stands for a value, `{{` for a brace."""
    files: Annotated[dict[Code, PromptFile], Field(max_length=50)] = Field(default_factory=dict)
    """By language: in that one the sound is played and nothing is read."""
    voice: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/-]*$")] | None = None
    """Who reads, as the gateway's text-to-speech knows them; none: its usual voice for the language."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.texts and not self.files:
            raise ValueError("a prompt has `texts` or `files`, by language")
        both = sorted(self.texts.keys() & self.files.keys())
        if both:
            raise ValueError(f"{', '.join(both)} stands in `texts` and in `files`: keep one of them")
        return self

    def languages(self) -> set[str]:
        """In which it can be heard."""
        return {*self.texts, *self.files}


class LanguageChoice(Part):
    """The key by which callers choose a language; the prompt `language` is played in each."""

    key: Key
    language: Code


class MenuItem(Part):
    """What a key does: its `prompt` is said, then comes the menu below, or the queue, or the same menu again."""

    key: Key
    prompt: Code | None = None
    menu: Code | None = None
    queue: Code | None = None
    """Asked of the router, which takes it if the address has it among its `queues`."""
    attributes: Annotated[dict[Code, Annotated[str, Field(max_length=500)]], Field(max_length=16)] = Field(
        default_factory=dict
    )
    """Facts for the rules of routing, of the call from now on."""

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if self.menu is not None and self.queue is not None:
            raise ValueError("a key leads to a `menu` or to a `queue`, not to both")
        if self.menu is None and self.queue is None and self.prompt is None and not self.attributes:
            raise ValueError("a key without effect: give it a `prompt`, a `menu`, a `queue` or `attributes`")
        return self


class Menu(Part):
    """A question that is answered by a key."""

    id: Code
    prompt: Code
    items: Annotated[list[MenuItem], Field(min_length=1, max_length=12)]
    default_key: Key | None = None
    """The choice of who makes none; none: the queue of the address."""


class Announcements(Part):
    """What who waits is told from time to time, over the music."""

    every_seconds: Annotated[int, Field(ge=10, le=3600)] = 60
    position: bool = True
    expected_wait: bool = True
    prompts: Annotated[list[Code], Field(max_length=20)] = Field(default_factory=list)
    """Said by turns, one each time."""


class CallbackByKey(Part):
    """Who waits may press a key to be called back, and keeps the place in line."""

    key: Key
    confirm_key: Key = "1"


class Voicemail(Part):
    """How a message is taken where the queue says `to: voicemail`; it becomes a task."""

    prompt: Code = "voicemail"
    seconds_max: Annotated[int, Field(ge=5, le=1800)] = 180
    seconds_min: Annotated[int, Field(ge=0, le=60)] = 2
    """What is shorter is no message."""
    end_key: Key = "#"
    queue: Code | None = None
    """Of its task; none: the one that gave the call up."""


class SurveyQuestion(Part):
    """A question that is answered by one key."""

    id: Code
    prompt: Code
    keys: Keys = "12345"
    """Which count as an answer."""


class Survey(Part):
    """What callers who are still there after the talk are asked."""

    id: Code
    questions: Annotated[list[SurveyQuestion], Field(min_length=1, max_length=10)]


class Flow(Part):
    """What a call goes through before and after the talk. Prompts are those of the domain, or of `OWN_PROMPTS`."""

    id: Code
    domain: Id
    language: Code = "en"
    """Until another is chosen, or known of the customer."""
    languages: Annotated[list[LanguageChoice], Field(max_length=10)] = Field(default_factory=list)
    language_prompt: Code = "language"
    welcome: Code | None = None
    consent: Consent = "none"
    """Of everybody who comes by this flow, whatever the recording policies say later."""
    menu: Code | None = None
    """The first of `menus`; none: callers choose nothing."""
    menus: Annotated[list[Menu], Field(max_length=50)] = Field(default_factory=list)
    repeat_key: Key | None = None
    """In every menu: the question again."""
    back_key: Key | None = None
    """In every menu: the one above."""
    key_seconds: Annotated[int, Field(ge=1, le=60)] = 6
    """How long a key is waited for."""
    attempts_max: Annotated[int, Field(ge=1, le=10)] = 3
    """Then who chooses nothing has the default."""
    music: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] | None = None
    """Of who waits, as the node names it; none: the node's own."""
    announcements: Announcements | None = None
    callback: CallbackByKey | None = None
    voicemail: Voicemail | None = None
    """None: as a `Voicemail` without fields says."""
    closed_wait_seconds: Annotated[int, Field(ge=0, le=86_400)] = 0
    """Who waits for an opening that is so near stays on the line; others are told that it is closed."""
    survey: Survey | None = None

    def prompts(self) -> Iterator[tuple[str, str]]:
        """All that it plays beside the gateway's own: the path from the flow, and the name."""
        yield from (("/language_prompt", self.language_prompt),) if self.languages else ()
        yield from (("/welcome", self.welcome),) if self.welcome else ()
        for place, menu in enumerate(self.menus):
            yield f"/menus/{place}/prompt", menu.prompt
            for number, item in enumerate(menu.items):
                yield from ((f"/menus/{place}/items/{number}/prompt", item.prompt),) if item.prompt else ()
        for place, prompt in enumerate(self.announcements.prompts if self.announcements else ()):
            yield f"/announcements/prompts/{place}", prompt
        yield from (("/voicemail/prompt", self.voicemail.prompt),) if self.voicemail else ()
        for place, question in enumerate(self.survey.questions if self.survey else ()):
            yield f"/survey/questions/{place}/prompt", question.prompt


class RecordingPolicy(Part):
    """Whether calls are recorded. Of a domain the first that fits counts, in their order; none fits: not recorded."""

    id: Code
    domain: Id
    queues: Annotated[list[Code], Field(max_length=200)] = Field(default_factory=list)
    """None: every queue."""
    clients: Annotated[list[Id], Field(max_length=1000)] = Field(default_factory=list)
    """None: every client."""
    directions: Annotated[list[Direction], Field(max_length=2)] = Field(default_factory=list)
    """None: both."""
    record: bool = True
    consent: Consent = "announce"
    keep_days: Annotated[int, Field(ge=1, le=3650)] = 90
    """A recording is removed after so many days."""


class Supervision(Part):
    """How supervisors may have a part in calls."""

    announced: bool = True
    """The agent is told when somebody listens to them."""


class Phone(Part):
    """Where an agent is called: a SIP phone or a browser that the gateway gives a password, or a number outside."""

    kind: Literal["sip", "browser", "number"]
    number: PhoneNumber | None = None
    answers_itself: bool = False
    """The phone is asked to answer without a hand: who accepts an offer talks at once."""
    ring_seconds: Seconds = 20
    """Then the call goes back to the queue."""

    @model_validator(mode="after")
    def _number_of_its_kind(self) -> Self:
        if (self.kind == "number") != (self.number is not None):
            raise ValueError("`number` belongs to `kind: number`, and to nothing else")
        return self


class Extension(Part):
    """What may be dialled on an agent's phone to give a call away: it leads to a queue, or to an agent."""

    id: Keys
    domain: Id
    queue: Code | None = None
    agent: Id | None = None
    name: Label | None = None

    @model_validator(mode="after")
    def _leads_to_one(self) -> Self:
        if (self.queue is None) == (self.agent is None):
            raise ValueError("an extension leads either to a `queue` or to an `agent`")
        return self
