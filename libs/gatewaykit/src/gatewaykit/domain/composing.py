"""From an agent's words to what goes to a provider, or why it cannot go: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Final

from contracts.channel_parts import Template
from contracts.placeholders import filled, variables_in

from gatewaykit.domain.content import File, TemplateUse, Window
from gatewaykit.domain.outgoing import WINDOW_CLOSED, Part
from gatewaykit.domain.provider import Capabilities
from gatewaykit.domain.records import Conversation

FILES_MAX: Final = 10
VARIABLE_MAX: Final = 1000
HOUR_MS: Final = 3_600_000
ALWAYS: Final = Window(opens_at_ms=0, closes_at_ms=None, basis="always")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: a Code, and a sentence for the agent."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What an agent wants to say; `reply_to` is the provider's id of the message that is answered."""

    text: str
    files: tuple[File, ...] = ()
    template: TemplateUse | None = None
    reply_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """The message as the customer will have it, and the parts in which it goes."""

    text: str
    files: tuple[File, ...]
    parts: tuple[Part, ...]
    personal: Mapping[str, object] = field(default_factory=dict)
    """What else `message.sent` tells of it, as `message.received` does: `subject`, `html`, `to`, ..."""


def words_of(personal: Mapping[str, object], *, files_max: int = FILES_MAX) -> Words | Refusal:
    """Free words and files of a command."""
    text, files = personal.get("text", ""), personal.get("files", [])
    if not isinstance(text, str) or "\x00" in text:
        return Refusal("text_invalid", "A message is text without NUL.")
    if not isinstance(files, Sequence) or isinstance(files, str) or len(files) > files_max:
        return Refusal("files_invalid", f"A message has at most {files_max} files.")
    read = [_file(each) for each in files]
    known = tuple(file for file in read if file is not None)
    if len(known) < len(read):
        return Refusal("files_invalid", "A file has blob_id, name, mime, size_bytes and sha256.")
    return Words(text=text, files=known)


def templated(template: Template, personal: Mapping[str, object]) -> Words | Refusal:
    """The template with `personal.variables` in its places, in their order."""
    values = values_of(template, personal)
    if isinstance(values, Refusal):
        return values
    use = TemplateUse(
        name=template.name,
        language=template.language,
        variables=tuple(values[name] for name in variables_in(template.text)),
        attributes=dict(template.options),
    )
    return Words(text=filled(template.text, values).text, template=use)


def values_of(template: Template, personal: Mapping[str, object]) -> Mapping[str, str] | Refusal:
    """`personal.variables` by the names that the template has, in their order."""
    names, given = template.variables(), personal.get("variables", [])
    values = [str(each) for each in given if _fits(each)] if isinstance(given, list) else []
    if not isinstance(given, list) or len(values) != len(given) or len(given) != len(names):
        detail = f"The template has {len(names)} variables; each is a text of 1 to {VARIABLE_MAX} characters."
        return Refusal("variables_wrong", detail)
    if personal.get("files"):
        return Refusal("file_not_allowed", "A template goes without files.")
    return dict(zip(names, values, strict=True))


def composed(words: Words, capabilities: Capabilities, standing: Window | None, now_ms: int) -> Composed | Refusal:
    """How it goes; `standing` is the conversation's reply window."""
    refusal = _template_refusal(capabilities) if words.template else _refusal(words, capabilities)
    refusal = refusal or closed(standing, capabilities, now_ms, is_template=words.template is not None)
    if refusal:
        return refusal
    first, *others = _parts(words, capabilities)
    return Composed(text=words.text, files=words.files, parts=(replace(first, reply_to=words.reply_to), *others))


def window_now(standing: Window | None, capabilities: Capabilities, now_ms: int) -> Window | None:
    """By which the customer may be written to freely now: the one that stands, or what the provider allows people
    beyond it; none: not at all. Whoever sends tells the provider this one."""
    if standing is None:
        return ALWAYS if capabilities.window_hours is None else None
    if standing.basis == "blocked":
        return None
    if standing.closes_at_ms is None or now_ms < standing.closes_at_ms:
        return standing
    if standing.basis == "human_agent":
        return None
    person_ms = standing.opens_at_ms + (capabilities.human_agent_hours or 0) * HOUR_MS
    if now_ms < person_ms:
        return Window(opens_at_ms=standing.opens_at_ms, closes_at_ms=person_ms, basis="human_agent")
    return None


def closed(
    standing: Window | None, capabilities: Capabilities, now_ms: int, *, is_template: bool = False
) -> Refusal | None:
    """Why the customer may not be written to now; none: they may. Whoever has blocked us gets no template either."""
    if standing is not None and standing.basis == "blocked":
        return Refusal("blocked", "The customer has blocked this channel.")
    if is_template or window_now(standing, capabilities, now_ms) is not None:
        return None
    instead = "send a template" if capabilities.templates else "wait until the customer writes again"
    return Refusal(WINDOW_CLOSED, f"The time in which the channel carries free words is over: {instead}.")


def announcing(conversation: Conversation, text: str) -> tuple[Part, ...]:
    """What the gateway itself says, if it goes to a provider."""
    return (Part(text=text, automatic=True),) if conversation.counterpart is not None else ()


def _template_refusal(capabilities: Capabilities) -> Refusal | None:
    if capabilities.templates:
        return None
    return Refusal("template_not_allowed", "The channel carries no templates.")


def _refusal(words: Words, capabilities: Capabilities) -> Refusal | None:
    if not words.text.strip() and not words.files:
        return Refusal("text_invalid", f"A message has 1 to {capabilities.text_max} characters, or files.")
    if len(words.text) > capabilities.text_max:
        return Refusal(
            "text_too_long", f"The channel carries {capabilities.text_max} characters; these are {len(words.text)}."
        )
    for file in words.files:
        if not any(fnmatchcase(file.mime, allowed) for allowed in capabilities.file_types):
            return Refusal("file_not_allowed", "The channel carries no files of this type.")
        if file.size_bytes > capabilities.file_bytes_max:
            return Refusal("file_too_large", f"The channel carries files of {capabilities.file_bytes_max} bytes.")
    return None


def _parts(words: Words, capabilities: Capabilities) -> list[Part]:
    """The text goes with the first file where it may; nothing that is heard has a caption."""
    if words.template:
        return [Part(text=words.text, template=words.template)]
    files = [Part(file=file) for file in words.files]
    if not words.text.strip():
        return files
    if files and len(words.text) <= capabilities.caption_max and not words.files[0].mime.startswith("audio/"):
        return [replace(files[0], text=words.text), *files[1:]]
    return [Part(text=words.text), *files]


def _file(value: object) -> File | None:
    if not isinstance(value, Mapping):
        return None
    texts = [value.get(name) for name in ("blob_id", "name", "mime", "sha256")]
    size, inline = value.get("size_bytes"), value.get("inline_id")
    if not all(_fits(each) for each in texts) or not (inline is None or _fits(inline)):
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        return None
    blob_id, name, mime, sha256 = (str(each) for each in texts)
    return File(blob_id=blob_id, name=name, mime=mime, size_bytes=size, sha256=sha256, inline_id=inline)


def _fits(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= VARIABLE_MAX and "\x00" not in value
