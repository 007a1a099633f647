"""An agent's message, and an acknowledgement, as the part that waits to be sent, and back."""

import html as entities
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Final

from contracts.channel_parts import Mailbox, Template
from contracts.commands import SendMessage
from contracts.placeholders import filled, variables_in
from gatewaykit.domain import composing
from gatewaykit.domain.composing import Refusal
from gatewaykit.domain.content import File
from gatewaykit.domain.outgoing import Part
from pydantic import TypeAdapter, ValidationError

from email_gateway.domain.outgoing import Draft, Original, UnfitError


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What is sent: the words, files by name, and values for the signature's variables."""

    draft: Draft
    files: tuple[File, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Personal:
    """What `message.send` may hold in `personal` for an e-mail."""

    text: str = ""
    html: str = ""
    subject: str = ""
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()


_MAIL: Final = TypeAdapter(Mail)
_PERSONAL: Final = TypeAdapter(_Personal)


def part_of(mail: Mail, recipients: tuple[str, ...]) -> Part:
    """As it waits. One part, however many files and recipients: it is one e-mail."""
    return Part(extra={"mail": _MAIL.dump_python(mail, mode="json")}, recipients=recipients)


def mail_of(part: Part) -> Mail:
    """What was kept. Raises ValueError for what is no e-mail."""
    return _MAIL.validate_python(part.extra.get("mail"))


def mail_from(
    command: SendMessage,
    *,
    original: Original | None,
    counterpart: str,
    files: Sequence[File],
    values: Mapping[str, str],
) -> Mail:
    """What an agent asks for. Raises UnfitError."""
    known = {name for name in _Personal.__dataclass_fields__ if name in command.personal}
    try:
        said = _PERSONAL.validate_python({name: command.personal[name] for name in known})
    except ValidationError as error:
        raise UnfitError("text_invalid", "Text, HTML and subject are strings, recipients lists of strings.") from error
    draft = Draft(mode=command.mode or "reply", original=original, counterpart=counterpart, **asdict(said))
    return Mail(draft=draft, files=tuple(files), values=values)


def templated(template: Template, personal: Mapping[str, object]) -> dict[str, object] | Refusal:
    """What the agent gives, with the template's words: its own subject stays. Values are text in HTML, too."""
    values = composing.values_of(template, personal)
    if isinstance(values, Refusal):
        return values
    given = {name: value for name, value in personal.items() if name != "variables"}
    in_html = {name: entities.escape(value).replace("\n", "<br>\n") for name, value in values.items()}
    return {
        "subject": filled(template.subject or "", values).text,
        **given,
        "text": filled(template.text, values).text,
        "html": filled(template.html or "", in_html).text,
    }


def acknowledgement_of(mailbox: Mailbox, original: Original, values: Mapping[str, str]) -> Mail | None:
    """What who wrote for the first time is told at once, if the mailbox says anything. Whether it may be said within
    the day is for `SendingTransaction.may_acknowledge`."""
    if mailbox.acknowledgement is None:
        return None
    return automatic_mail(put(mailbox.acknowledgement, values), original)


def automatic_mail(text: str, original: Original) -> Mail | None:
    """What nobody of the centre wrote: to the sender, whatever Reply-To says. None: a machine may not answer this."""
    if original.from_ is None or not original.may_be_answered:
        return None
    quiet = replace(original, reply_to=(), to=(), cc=())
    return Mail(draft=Draft(text=text, original=quiet, automatic=True))


def put(text: str, values: Mapping[str, str]) -> str:
    """A text of the configuration with its variables; nobody reads of one that is not known."""
    return filled(text, {name: values.get(name, "") for name in variables_in(text)}).text
