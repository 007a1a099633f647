"""What may be sent in a written conversation now, and what is wrong with a message: pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from contracts.channel_limits import ChannelLimits
from contracts.channel_parts import Template
from contracts.written import WindowChanged
from servicekit.problems import Fault, ProblemError

from router.api.models_written import MessageRequest

HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """Whether free text may be sent now (none: nobody here knows), and until when (none: without end, or unknown)."""

    now: bool | None
    until_ms: int | None = None
    blocked: bool = False
    """Nothing may: the customer has blocked us."""


def free_text(limits: ChannelLimits, window: WindowChanged | None, now_ms: int) -> Free:
    """By what was heard of the conversation's window last. For how long a person may answer counts from its opening, as
    the gateways do."""
    if window is not None and window.basis == "blocked":
        return Free(now=False, blocked=True)
    if limits.window_hours is None:
        return Free(now=True)
    if window is None:
        return Free(now=None)
    if window.closes_at_ms is None:
        return Free(now=True)
    closes_at_ms = window.closes_at_ms
    if limits.human_agent_hours is not None and window.basis != "human_agent":
        closes_at_ms = max(closes_at_ms, window.opens_at_ms + limits.human_agent_hours * HOUR_MS)
    return Free(now=now_ms < closes_at_ms, until_ms=closes_at_ms)


def check(
    message: MessageRequest, limits: ChannelLimits, free: Free, *, channel: str, template: Template | None
) -> None:
    """Raises ProblemError: 409 when the customer cannot be written to now, 422 with everything that is wrong with the
    message. `template` is the configured one that the message names."""
    if free.blocked or (free.now is False and message.template is None):
        raise _closed(limits, free)
    faults = [*_of_channel(message, limits, channel), *_of_template(message, template)]
    if faults:
        named = ", ".join(dict.fromkeys(fault.path for fault in faults))
        detail = f"The channel {channel} cannot carry this: {named}. GET …/channel tells what it can."
        raise ProblemError(422, "channel_cannot", detail, faults=[fault.model_dump() for fault in faults])


def check_file(mime: str, limits: ChannelLimits, channel: str, *, size_bytes: int) -> None:
    """Raises ProblemError 415 for a type that the channel does not take, 422 for an empty file."""
    if size_bytes == 0:
        raise ProblemError(422, "file_empty", "The file is empty.")
    if not limits.takes(mime):
        detail = f"The channel {channel} takes no file of the type {mime}, only {', '.join(limits.file_types)}."
        raise ProblemError(415, "file_type_not_allowed", detail)


def _closed(limits: ChannelLimits, free: Free) -> ProblemError:
    if limits.templates and not free.blocked:
        detail = "The customer wrote too long ago for free text. Send a `template` (GET …/templates)."
    else:
        detail = "The customer cannot be written to now. Wait until they write again, or reach them by another channel."
    return ProblemError(409, "window_closed", detail)


def _of_channel(message: MessageRequest, limits: ChannelLimits, channel: str) -> Iterator[Fault]:
    yield from _of_text(message, limits)
    mail = {"to": message.to, "cc": message.cc, "bcc": message.bcc, "subject": message.subject}
    for name in (name for name, value in mail.items() if value and not limits.subject):
        yield _fault(name, f"{channel} has no `{name}`; leave it out")
    if message.mode is not None and message.mode not in limits.modes:
        yield _fault("mode", f"{channel} knows {', '.join(limits.modes)}")
    if message.in_reply_to is not None and not limits.replies:
        yield _fault("in_reply_to", f"no message of {channel} names the one that it answers; leave it out")
    if message.template is not None and not limits.templates:
        yield _fault("template", f"{channel} has no templates; send a `text`")
    if len(message.files) > (limits.files_max if limits.file_types else 0):
        most = (
            f"at most {limits.files_max} files in one message" if limits.file_types else f"{channel} carries no files"
        )
        yield _fault("files", most)


def _of_text(message: MessageRequest, limits: ChannelLimits) -> Iterator[Fault]:
    if len(message.text) > limits.text_max:
        yield _fault("text", f"has {len(message.text)} characters, {limits.text_max} at most; send it in parts")
    if message.html is not None and len(message.html) > limits.html_max:
        words = (
            f"{limits.html_max} characters at most" if limits.html_max else "is not shown there; send the `text` alone"
        )
        yield _fault("html", words)


def _of_template(message: MessageRequest, template: Template | None) -> Iterator[Fault]:
    if message.template is None:
        return
    if template is None:
        yield _fault("template", "there is none of this name for the address; GET …/templates lists them")
        return
    wanted = template.variables()
    for name in (name for name in wanted if not message.variables.get(name)):
        yield _fault(f"variables/{name}", "the template needs it")
    for name in message.variables.keys() - set(wanted):
        yield _fault(f"variables/{name}", "the template has no such variable")


def _fault(path: str, message: str) -> Fault:
    return Fault(where="body", path=f"/{path}", message=message)


def fitting_language(language: str | None, wanted: str | None) -> bool:
    """Whether a text in a language (none: for all) is for who reads another: `es` fits `es_MX` and the other way."""
    if language is None or wanted is None:
        return True
    return _first(language) == _first(wanted)


def _first(language: str) -> str:
    return language.replace("-", "_").partition("_")[0].lower()
