"""Facebook Messenger (Messenger Platform, Graph API 25.0).

Vendor's pages: those of meta_events and meta_sending, and "Rate limits": 300 calls a second for each page (10 with
sound or film), but above 40 messages a second the page's own inbox fails, so that is the limit here.
"""

from collections.abc import Sequence
from typing import Final

from gatewaykit.domain.content import MediaRef
from gatewaykit.domain.provider import (
    Account,
    Capabilities,
    HttpReply,
    HttpRequest,
    Item,
    Outcome,
    Outgoing,
    RefusedError,
    WebAnswer,
    WebRequest,
)

from chat_gateway.providers.meta import SECRETS, hub_handshake, verify_hub
from chat_gateway.providers.meta_events import Flavour, items_of
from chat_gateway.providers.meta_sending import HUMAN_AGENT_HOURS, file_request, send_outcome, send_request
from chat_gateway.providers.reading import read_object, within_bound

_FLAVOUR: Final = Flavour(object="page", identifier="messenger_psid")


class Messenger:
    """Accounts are page ids. The option `app_id` is our app's: without it no echo is known to be ours."""

    name = "messenger"
    channel = "messenger"
    secrets = SECRETS
    secrets_optional: tuple[str, ...] = ()
    options: tuple[str, ...] = ("graph_version", "app_id")
    capabilities = Capabilities(
        text_max=2000,
        file_types=("image/*", "audio/*", "video/*", "application/*", "text/*"),
        file_bytes_max=25_000_000,
        window_hours=24,
        human_agent_hours=HUMAN_AGENT_HOURS,
        statuses=("delivered", "read"),
        replies=True,
        echoes=True,
        account_per_second=40.0,
    )

    def handshake(self, request: WebRequest, account: Account) -> WebAnswer | None:
        """See Provider."""
        return hub_handshake(request, account)

    def verify(self, request: WebRequest, account: Account, *, now_ms: int) -> None:
        """See Provider."""
        verify_hub(request, account)

    def parse(self, request: WebRequest, account: Account, *, now_ms: int) -> Sequence[Item]:
        """See Provider. A delivery is about all pages of an app, so each thing names its own."""
        return within_bound(items_of(read_object(request.body), account, _FLAVOUR, now_ms=now_ms))

    def answer(self, request: WebRequest) -> WebAnswer:
        """See Provider."""
        return WebAnswer(body=b"EVENT_RECEIVED")

    def request_of(self, outgoing: Outgoing, account: Account) -> HttpRequest:
        """See Provider."""
        if outgoing.file is not None and outgoing.file.size_bytes > self.capabilities.file_bytes_max:
            raise RefusedError("content_refused", "Messenger carries files of 25 MB at most")
        return send_request(outgoing, account, account.account_id, self.capabilities)

    def outcome_of(self, reply: HttpReply, outgoing: Outgoing) -> Outcome:
        """See Provider."""
        return send_outcome(reply)

    def media_request(self, media: MediaRef, account: Account) -> HttpRequest:
        """See Provider."""
        return file_request(media)

    def media_next(self, media: MediaRef, account: Account, reply: HttpReply) -> HttpRequest | None:
        """See Provider."""
        return None

    def registration(self, account: Account) -> HttpRequest | None:
        """See Provider. The webhook is the app's, set in its console; pages are subscribed there too."""
        return None
