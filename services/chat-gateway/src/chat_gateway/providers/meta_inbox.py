"""What Messenger and Instagram have in common as providers: all but what may be sent."""

from collections.abc import Sequence

from gatewaykit.domain.content import MediaRef
from gatewaykit.domain.provider import (
    Account,
    HttpReply,
    HttpRequest,
    Item,
    Outcome,
    Outgoing,
    WebAnswer,
    WebRequest,
)

from chat_gateway.providers.meta import SECRETS, hub_handshake, verify_hub
from chat_gateway.providers.meta_events import Flavour, items_of
from chat_gateway.providers.meta_sending import file_request, send_outcome
from chat_gateway.providers.reading import read_object, within_bound


class MetaInbox:
    """See Provider. Inherit and set `flavour`."""

    flavour: Flavour
    secrets = SECRETS
    secrets_optional: tuple[str, ...] = ()
    options: tuple[str, ...] = ("graph_version", "app_id")

    def handshake(self, request: WebRequest, account: Account) -> WebAnswer | None:
        """See Provider."""
        return hub_handshake(request, account)

    def verify(self, request: WebRequest, account: Account, *, now_ms: int) -> None:
        """See Provider."""
        verify_hub(request, account)

    def parse(self, request: WebRequest, account: Account, *, now_ms: int) -> Sequence[Item]:
        """See Provider. A delivery is about all accounts of an app, so each thing names its own."""
        return within_bound(items_of(read_object(request.body), account, self.flavour, now_ms=now_ms))

    def answer(self, request: WebRequest) -> WebAnswer:
        """See Provider."""
        return WebAnswer(body=b"EVENT_RECEIVED")

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
        """See Provider. The webhook is the app's, set in its console; Messenger's pages are subscribed there too."""
        return None
