"""Parts of a configuration document that say how written channels work: providers' accounts, mailboxes, templates."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.fields import Channel, Code, Id
from contracts.part import Label, Part, Seconds
from contracts.placeholders import variables_in

SecretName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""Names a secret that the gateway is given by its operator, among the tenant's own; never the secret itself."""

Secrets = dict[Code, Annotated[list[SecretName], Field(min_length=1, max_length=2)]]
"""By use; the current one first. While one is rotated the one before still counts for what comes in."""

Body = Annotated[str, Field(min_length=1, max_length=4000)]
"""Text for customers; `{name}` stands for a variable, `{{` for a brace."""


class Account(Part):
    """The provider's account behind an address."""

    provider: Code
    account_id: Annotated[str, Field(min_length=1, max_length=200)]
    """What the provider calls it: phone number id, page id, bot id, Account SID, ..."""
    secrets: Secrets = Field(default_factory=dict)
    options: dict[Code, Annotated[str, Field(max_length=500)]] = Field(default_factory=dict)


class Imap(Part):
    """A mailbox that is read where it is."""

    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65_535)] = 993
    tls: Literal["implicit", "starttls"] = "implicit"
    user: Annotated[str, Field(min_length=1, max_length=320)]
    password: SecretName
    folder: Annotated[str, Field(min_length=1, max_length=200)] = "INBOX"
    poll_seconds: Seconds = 60
    """How often it is looked at where the server cannot tell of new mail (IDLE, RFC 2177)."""
    authserv_id: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """The name under which this server writes `Authentication-Results` (RFC 8601) into each message that it takes:
    its topmost such field is believed. None: nobody vouches for those who write to the mailbox."""


class Dkim(Part):
    """Signs what is sent (RFC 6376)."""

    domain: Annotated[str, Field(min_length=1, max_length=253)]
    selector: Annotated[str, Field(min_length=1, max_length=63)]
    private_key: SecretName


class Mailbox(Part):
    """How an e-mail address receives and answers."""

    sender_name: Label
    """Stands beside the address in what is sent."""
    signature: Body | None = None
    acknowledgement: Body | None = None
    """Sent to who writes for the first time in a conversation, at most once a day to each."""
    imap: Imap | None = None
    """None: mail comes by SMTP to the gateway."""
    dkim: Dkim | None = None


class Template(Part):
    """A text that a provider has approved beforehand: it may be sent when a conversation's window is closed. Of an
    e-mail address: a text that agents send as it is, but for its variables."""

    id: Code
    domain: Id
    address: Id
    name: Annotated[str, Field(min_length=1, max_length=512)]
    """As the provider knows it; of an e-mail address: as agents choose it."""
    language: Annotated[str, Field(min_length=2, max_length=20)]
    text: Body
    """As customers read it; the variables in their order fill the provider's places."""
    options: dict[Code, Annotated[str, Field(max_length=500)]] = Field(default_factory=dict)
    subject: Annotated[str, Field(min_length=1, max_length=400)] | None = None
    """E-mail: instead of that of the message that is answered."""
    html: Annotated[str, Field(min_length=1, max_length=20_000)] | None = None
    """E-mail: the text as HTML, for those who see it."""

    def variables(self) -> list[str]:
        """The names of all that must be given, each once: those of the text in their order, then the others."""
        texts = (self.text, self.subject or "", self.html or "")
        return list(dict.fromkeys(name for text in texts for name in variables_in(text)))


class CannedReply(Part):
    """A text that agents take and change before they send it."""

    id: Code
    domain: Id
    name: Label
    text: Body
    channels: list[Channel] = Field(default_factory=list, max_length=50)
    """None: every channel."""
    queues: list[Code] = Field(default_factory=list, max_length=200)
    """None: every queue."""
    language: Code | None = None
