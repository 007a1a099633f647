"""The protocol between a gateway and a provider file, all of it data: a provider verifies, reads and writes requests
and never sends or fetches anything itself. One file for each provider; the same conformance suite runs against each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from gatewaykit.domain.content import Identifier, MediaRef, TemplateUse, Window
from gatewaykit.domain.recipients import Recipient

ITEMS_MAX: Final = 2000
"""So many things one delivery may hold; Meta batches up to 1,000."""


class ForgedError(Exception):
    """The request is not the provider's: no or a wrong signature or token. Nothing of it is believed (401)."""


class StaleError(Exception):
    """The signature is right and too old, or of the future: perhaps a replay (403)."""


class NotUnderstoodError(Exception):
    """A request of the provider whose body is not what its documents say (400)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One configured channel address and the provider's account behind it."""

    tenant_id: str
    address: str
    channel: str
    provider: str
    account_id: str
    """What the provider calls it: phone number id, page id, bot id, Account SID, ..."""
    api_url: str
    """Where the provider's API is, without a slash at the end; the operator may point it at a simulator."""
    webhook_url: str
    """The public URL of this account's webhooks: what some providers sign, and where they report what became of
    messages."""
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By use (`app_secret`, `access_token`, ...), the current one first and perhaps the one before."""
    options: Mapping[str, str] = field(default_factory=dict)

    def secret(self, use: str) -> str:
        """The current one. Raises KeyError if there is none."""
        return self.secrets[use][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebRequest:
    """A request as it came: `headers` by lower-case name, `body` before anybody has parsed it, `url` the public one
    with its query."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAnswer:
    """What the provider is answered."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A customer said something."""

    provider_message_id: str
    """The same for every repetition; unique within the account."""
    account_id: str
    """Of which of our accounts: one delivery may be about several."""
    counterpart: str
    """The conversation partner's key: whoever has the same one at the same account is in the same conversation."""
    identifiers: tuple[Identifier, ...]
    text: str = ""
    media: tuple[MediaRef, ...] = ()
    name: str | None = None
    language: str | None = None
    reply_to: str | None = None
    """The provider's id of the message that is answered."""
    edits: str | None = None
    """The provider's id of the message whose text this one replaces."""
    sent_at_ms: int | None = None
    window: Window | None = None
    """Open since this message, beside any that is open longer; none: it opened none, or the channel has none."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """For routing rules, without personal data: `referral`, `payload`, ... `kind` says what it is if neither text nor
    file: `reaction`, `unsupported`, ...; or `automatic`: a machine's, to which nobody has to answer."""
    html: str | None = None
    """Safe to show."""
    subject: str | None = None
    """Of an e-mail: the conversation that it opens gets it."""
    personal: Mapping[str, object] = field(default_factory=dict)
    """What else agents see of the message: `from`, `to`, `cc`, ... of an e-mail."""


StatusWord = Literal["sent", "delivered", "read", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """What became of a message of ours, named by the provider's id, by our own reference, or by both. Reports come
    late, twice and in any order."""

    account_id: str
    status: StatusWord
    provider_message_id: str | None = None
    reference: str | None = None
    up_to_ms: int | None = None
    """Not one message but all that were sent to the counterpart by then (Messenger's watermarks)."""
    counterpart: str | None = None
    at_ms: int | None = None
    code: str | None = None
    """Why it failed, as in Refused."""
    detail: str | None = None
    recipient: str | None = None
    """For which of several recipients it is so; none: for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """A message that left our account, by us (`reference`) or past us, by the vendor's own inbox."""

    provider_message_id: str
    account_id: str
    counterpart: str
    reference: str | None = None
    text: str = ""
    sent_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """The customer took a message back: its words and files must be erased."""

    provider_message_id: str
    account_id: str
    counterpart: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowChanged:
    """The customer may be written to, or not any more, for another reason than a message."""

    account_id: str
    counterpart: str
    window: Window | None
    """None: they have blocked us."""
    at_ms: int | None = None
    """When they have, as far as the provider tells: what comes late undoes nothing that they did since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityChanged:
    """The provider calls the customer otherwise from now on, as WhatsApp does when their phone number changes."""

    account_id: str
    counterpart: str
    """Before."""
    to: str
    identifiers: tuple[Identifier, ...]
    """Those that count now: what the conversation knew of these and of `gone` types counts no more."""
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Typing:
    """The customer is writing: a hint for the moment, which nobody keeps."""

    account_id: str
    counterpart: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """Something that concerns nobody's conversation (`kind`, as the provider calls it); counted and forgotten."""

    kind: str


Item = Received | StatusReport | Echo | Unsent | WindowChanged | IdentityChanged | Typing | Passed


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingFile:
    """A file to be sent: the provider fetches `url` (signed, short-lived), or is given `content`, whichever the
    provider's `Capabilities.uploads` says."""

    name: str
    mime: str
    size_bytes: int
    url: str
    content: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One thing to be sent: text, a file (perhaps with a caption, the text), or a template."""

    reference: str
    """Ours (a UUID): where the provider takes one, sending it twice is one message."""
    counterpart: str
    text: str = ""
    file: OutgoingFile | None = None
    template: TemplateUse | None = None
    reply_to: str | None = None
    window: Window | None = None
    """As it stands; beyond it only a template goes, or what the provider allows people (`human_agent`)."""
    identifiers: tuple[Identifier, ...] = ()
    author: str | None = None
    """The agent's name as the customer may read it."""
    said_at_ms: int | None = None
    """When the agent said it: the same at each attempt."""
    attempt_at_ms: int = 0
    """The instant of this attempt, for providers to whom requests are signed with one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request to the provider."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """What the provider answered; `headers` by lower-case name."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    recipients: tuple[Recipient, ...] = ()
    """What it means for each of several recipients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent(_Answer):
    """The provider has it."""

    provider_message_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(_Answer):
    """The provider will not send it, however often it is asked. `code` is ours where the cause is a known one
    (`window_closed`, `recipient_unknown`, `recipient_opted_out`, `content_refused`, `not_authorised`), else the
    provider's; `detail` holds no personal data."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Again(_Answer):
    """Not now, and certainly not sent: after so long, and until then nothing else of the account or of the pair."""

    after_ms: int
    scope: Literal["account", "pair"]
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertain(_Answer):
    """Nobody can say whether it was sent: never sent again blindly. Where it is sent again (`idempotent`), then not
    before `after_ms`, and if it `throttles`, for a while nothing else of the account either."""

    detail: str = ""
    after_ms: int = 0
    throttles: bool = False


Outcome = Sent | Refused | Again | Uncertain


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider's channel can carry, and how fast."""

    text_max: int
    """Characters of one message; longer ones are refused before they are sent."""
    caption_max: int = 0
    """Characters of the text that goes with a file; longer ones go as a message of their own."""
    file_types: tuple[str, ...] = ()
    """MIME types or `image/*`; none: the channel carries no files."""
    file_bytes_max: int = 0
    uploads: Literal["url", "content"] = "url"
    templates: bool = False
    window_hours: int | None = None
    human_agent_hours: int | None = None
    """So long after a customer's message a person may still answer, in a window whose basis is `human_agent`."""
    statuses: tuple[StatusWord, ...] = ()
    replies: bool = False
    """A message may name the one it answers."""
    idempotent: bool = False
    """The same reference twice is one message, so an uncertain one is sent again."""
    echoes: bool = False
    """Echoes or reports name our reference, so that an uncertain message is resolved by one."""
    account_per_second: float = 30.0
    pair_every_ms: int = 0
    """Between two messages to the same counterpart, beyond a burst of `pair_burst`."""
    pair_burst: int = 1
    pause_ms: tuple[int, int] = (500, 300_000)
    """Before the second attempt, doubled for each further one, and at most; longer if the provider says so."""
    attempts_max: int = 20
    replays: bool = False
    """However late, the same reference is the same message, so what it has taken may be handed to it once more
    (gatewaykit.replay)."""
    guarded: bool = False
    """Its requests go where a tenant's configuration says, so `Fetcher.deliver` (gatewaykit.fetch) must send them."""


class Provider(Protocol):
    """One provider's words. Every function is pure; `account` holds ids, URLs and secrets."""

    name: str
    channel: str
    capabilities: Capabilities
    secrets: tuple[str, ...]
    """The uses of secrets that an account of this provider must have."""
    secrets_optional: tuple[str, ...]
    """Those that it may have."""
    options: tuple[str, ...]
    """The names of the account's options; no other one is read."""

    def handshake(self, request: WebRequest, account: Account) -> WebAnswer | None:
        """The answer to the provider's question whether this address is ours; none: the request is no such question.
        One that comes by POST has passed `verify`. Raises ForgedError if the question's own secret is wrong."""
        ...

    def verify(self, request: WebRequest, account: Account, *, now_ms: int) -> None:
        """Whether the provider signed it, over the raw body. Raises ForgedError or StaleError."""
        ...

    def parse(self, request: WebRequest, account: Account, *, now_ms: int) -> Sequence[Item]:
        """What a verified delivery says, in its order, at most ITEMS_MAX. What is new to us is Passed, never an error.
        Raises NotUnderstoodError."""
        ...

    def answer(self, request: WebRequest) -> WebAnswer:
        """What a delivery that is safe with us is answered."""
        ...

    def request_of(self, outgoing: Outgoing, account: Account) -> HttpRequest:
        """How it is sent. Raises RefusedError before anything is sent."""
        ...

    def outcome_of(self, reply: HttpReply, outgoing: Outgoing) -> Outcome:
        """What the provider's answer means."""
        ...

    def media_request(self, media: MediaRef, account: Account) -> HttpRequest:
        """The first request for a customer's file."""
        ...

    def media_next(self, media: MediaRef, account: Account, reply: HttpReply) -> HttpRequest | None:
        """The next one, where the reply only says where the file is; none: the reply is the file."""
        ...

    def registration(self, account: Account) -> HttpRequest | None:
        """What tells the provider our webhook's URL; none: it is set by hand in the provider's console."""
        ...


class RefusedError(Exception):
    """It cannot be sent at all: a sentence, and a code as in Refused."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
