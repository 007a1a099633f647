"""WhatsApp through Meta's Cloud API (Graph API 25.0).

Vendor's pages: "Cloud API: Messages", "Media", "Supported media types", "Throughput" (80 messages a second for each
number), "Pair rate limits" (one message in 6 s to the same user, 45 of them at once), "Webhook overrides".
`biz_opaque_callback_data` carries our reference and comes back in every status.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from gatewaykit.domain.content import MediaRef
from gatewaykit.domain.provider import (
    Account,
    Capabilities,
    HttpReply,
    HttpRequest,
    Item,
    NotUnderstoodError,
    Outcome,
    Outgoing,
    OutgoingFile,
    RefusedError,
    WebAnswer,
    WebRequest,
)

from chat_gateway.providers import whatsapp_events
from chat_gateway.providers.meta import (
    SECRETS,
    bearer,
    graph_outcome,
    graph_post,
    graph_url,
    hub_handshake,
    verify_hub,
)
from chat_gateway.providers.reading import id_in, nodes_in, read_object, reply_object, text_in, within_bound
from chat_gateway.providers.shared import check

_TEXT_MAX: Final = 4096
_CAPTION_MAX: Final = 1024
_MEGABYTE: Final = 1_000_000
_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_KINDS: Final[Mapping[str, str]] = {
    "image/jpeg": "image",
    "image/png": "image",
    "video/mp4": "video",
    "video/3gpp": "video",
    "audio/aac": "audio",
    "audio/amr": "audio",
    "audio/mpeg": "audio",
    "audio/mp4": "audio",
    "audio/ogg": "audio",
    "text/plain": "document",
    "application/pdf": "document",
    "application/msword": "document",
    "application/vnd.ms-excel": "document",
    "application/vnd.ms-powerpoint": "document",
    f"{_OFFICE}.wordprocessingml.document": "document",
    f"{_OFFICE}.spreadsheetml.sheet": "document",
    f"{_OFFICE}.presentationml.presentation": "document",
}
_BYTES_MAX: Final[Mapping[str, int]] = {
    "image": 5 * _MEGABYTE,
    "video": 16 * _MEGABYTE,
    "audio": 16 * _MEGABYTE,
    "document": 100 * _MEGABYTE,
}
_MEDIA_HOSTS: Final = re.compile(r"(^|\.)(fbsbx\.com|facebook\.com|whatsapp\.net|fbcdn\.net)$")
"""Where WhatsApp keeps files; to no other host goes the token."""


class WhatsApp:
    """Accounts are phone number ids. The option `business_account_id` lets us register the webhook's URL ourselves."""

    name = "whatsapp"
    channel = "whatsapp"
    secrets = SECRETS
    secrets_optional: tuple[str, ...] = ()
    options: tuple[str, ...] = ("graph_version", "business_account_id")
    capabilities = Capabilities(
        text_max=_TEXT_MAX,
        caption_max=_CAPTION_MAX,
        file_types=tuple(_KINDS),
        file_bytes_max=max(_BYTES_MAX.values()),
        templates=True,
        window_hours=24,
        statuses=("sent", "delivered", "read", "failed"),
        replies=True,
        echoes=True,
        account_per_second=80.0,
        pair_every_ms=6_000,
        pair_burst=45,
    )

    def handshake(self, request: WebRequest, account: Account) -> WebAnswer | None:
        """See Provider."""
        return hub_handshake(request, account)

    def verify(self, request: WebRequest, account: Account, *, now_ms: int) -> None:
        """See Provider."""
        verify_hub(request, account)

    def parse(self, request: WebRequest, account: Account, *, now_ms: int) -> Sequence[Item]:
        """See Provider. A delivery is about all numbers of a business account, so each thing names its own."""
        return within_bound(whatsapp_events.items_of(read_object(request.body), now_ms=now_ms))

    def answer(self, request: WebRequest) -> WebAnswer:
        """See Provider."""
        return WebAnswer()

    def request_of(self, outgoing: Outgoing, account: Account) -> HttpRequest:
        """See Provider."""
        check(outgoing, self.capabilities)
        kind, content = _content_of(outgoing)
        value: dict[str, object] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            **_recipient(outgoing),
            "type": kind,
            kind: content,
            "biz_opaque_callback_data": outgoing.reference,
        }
        if outgoing.reply_to is not None:
            value["context"] = {"message_id": outgoing.reply_to}
        return graph_post(account, graph_url(account, account.account_id, "messages"), value)

    def outcome_of(self, reply: HttpReply, outgoing: Outgoing) -> Outcome:
        """See Provider."""
        return graph_outcome(reply, whatsapp_events.MEANINGS, sent=_sent_id(reply))

    def media_request(self, media: MediaRef, account: Account) -> HttpRequest:
        """Asks where the file is. Raises RefusedError if it has no id."""
        if media.id is None:
            raise RefusedError("content_refused", "the file has no id")
        url = graph_url(account, media.id, phone_number_id=account.account_id)
        return HttpRequest(method="GET", url=url, headers=bearer(account))

    def media_next(self, media: MediaRef, account: Account, reply: HttpReply) -> HttpRequest | None:
        """The file itself, from a URL that is good for five minutes. A customer's own JSON file that looks like
        WhatsApp's answer does not lead anywhere: it would have to know the id that WhatsApp gave it."""
        body = reply_object(reply) if reply.status == 200 else None
        if body is None:
            return None
        try:
            url, identifier = text_in(body, "url"), id_in(body, "id")
        except NotUnderstoodError:
            return None
        if url is None or identifier != media.id or not _is_meta(url, account):
            return None
        return HttpRequest(method="GET", url=url, headers=bearer(account))

    def registration(self, account: Account) -> HttpRequest | None:
        """An alternate callback URL for the business account; its app has to be subscribed already."""
        business = account.options.get("business_account_id")
        if business is None:
            return None
        value = {"override_callback_uri": account.webhook_url, "verify_token": account.secret("verify_token")}
        return graph_post(account, graph_url(account, business, "subscribed_apps"), value)


def _recipient(outgoing: Outgoing) -> dict[str, str]:
    """The phone number where it is known (then Meta goes on telling it), else the business-scoped user id."""
    known = {identifier.type: identifier.value for identifier in reversed(outgoing.identifiers)}
    # What waited while the id changed goes to the new one.
    to = known.get("phone") or known.get("whatsapp_user_id") or outgoing.counterpart
    digits = to.removeprefix("+")
    return {"to": digits} if digits.isascii() and digits.isdigit() else {"recipient": to}


def _content_of(outgoing: Outgoing) -> tuple[str, dict[str, object]]:
    if outgoing.template is not None:
        template = outgoing.template
        parameters = [{"type": "text", "text": text} for text in template.variables]
        components = [{"type": "body", "parameters": parameters}] if parameters else []
        content: dict[str, object] = {
            "name": template.name,
            "language": {"code": template.language},
            "components": components,
        }
        return "template", content
    if outgoing.file is not None:
        return _file_of(outgoing.file, outgoing.text)
    return "text", {"body": outgoing.text, "preview_url": False}


def _file_of(file: OutgoingFile, caption: str) -> tuple[str, dict[str, object]]:
    kind = _KINDS[file.mime]
    if file.size_bytes > _BYTES_MAX[kind]:
        raise RefusedError("content_refused", f"WhatsApp carries {kind} files of {_BYTES_MAX[kind]} bytes at most")
    if caption and kind == "audio":
        raise RefusedError("content_refused", "on WhatsApp no text goes with a sound: send it as a message of its own")
    content: dict[str, object] = {"link": file.url}
    if caption:
        content["caption"] = caption
    if kind == "document":
        content["filename"] = file.name
    return kind, content


def _sent_id(reply: HttpReply) -> str | None:
    body = reply_object(reply)
    if body is None:
        return None
    try:
        return next((id_in(message, "id") for message in nodes_in(body, "messages")), None)
    except NotUnderstoodError:
        return None


def _is_meta(url: str, account: Account) -> bool:
    try:
        parts, api = urlsplit(url), urlsplit(account.api_url)
    except ValueError:
        return False
    if (parts.scheme, parts.netloc) == (api.scheme, api.netloc):
        return True
    return parts.scheme == "https" and _MEDIA_HOSTS.search(parts.hostname or "") is not None
