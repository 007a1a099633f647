"""Writing to customers of Messenger and Instagram: the Send API of Graph API 25.0, and what its errors mean.

Vendor's pages: "Messenger Platform: Send API Reference", "Common Error Codes" (March 2026), "Message tags". Beyond the
window only a person may answer, with the tag HUMAN_AGENT, up to seven days after the customer's message; Meta has to
allow the app that. A file has no caption: text goes as a message of its own.
"""

from typing import Final

from gatewaykit.domain.content import MediaRef
from gatewaykit.domain.provider import (
    Account,
    Capabilities,
    HttpReply,
    HttpRequest,
    NotUnderstoodError,
    Outcome,
    Outgoing,
    RefusedError,
)

from chat_gateway.providers.meta import (
    Meanings,
    appsecret_proof,
    graph_outcome,
    graph_post,
    graph_url,
    pair_again,
)
from chat_gateway.providers.reading import id_in, reply_object
from chat_gateway.providers.shared import check

HUMAN_AGENT_HOURS: Final = 7 * 24
MEANINGS: Final = Meanings(
    codes={
        551: "recipient_unknown",
        1200: pair_again(30_000),
        2022: "not_authorised",
        10904: "not_authorised",
    },
    subcodes={
        1545041: "recipient_unknown",
        1893016: "613",
        2018001: "recipient_unknown",
        2018047: "content_refused",
        2018065: "window_closed",
        2018109: "content_refused",
        2018278: "window_closed",
        2534014: "recipient_unknown",
        2534022: "window_closed",
    },
)
"""Of 551 and 1545041 Meta says only that the person is not available: they have blocked us, or are gone. 1893016 is a
warning for writing too much with tags: not sent again by itself. 2534014 and 2534022 are Instagram's."""


def send_request(outgoing: Outgoing, account: Account, node_id: str, capabilities: Capabilities) -> HttpRequest:
    """A message of `node_id` (a page id, or `me`). Raises RefusedError."""
    check(outgoing, capabilities)
    value: dict[str, object] = {
        "recipient": {"id": outgoing.counterpart},
        "message": {**_content_of(outgoing), "metadata": outgoing.reference},
        **_messaging_type(outgoing),
    }
    if outgoing.reply_to is not None:
        value["reply_to"] = {"mid": outgoing.reply_to}
    url = graph_url(account, node_id, "messages", appsecret_proof=appsecret_proof(account))
    return graph_post(account, url, value)


def _content_of(outgoing: Outgoing) -> dict[str, object]:
    if outgoing.file is None:
        return {"text": outgoing.text}
    family = outgoing.file.mime.partition("/")[0]
    kind = family if family in ("image", "audio", "video") else "file"
    return {"attachment": {"type": kind, "payload": {"url": outgoing.file.url, "is_reusable": False}}}


def _messaging_type(outgoing: Outgoing) -> dict[str, object]:
    if outgoing.window is not None and outgoing.window.basis == "human_agent":
        return {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    return {"messaging_type": "RESPONSE"}


def send_outcome(reply: HttpReply) -> Outcome:
    """What the Send API's answer means."""
    body = reply_object(reply)
    try:
        sent = None if body is None else id_in(body, "message_id")
    except NotUnderstoodError:
        sent = None
    return graph_outcome(reply, MEANINGS, sent=sent)


def file_request(media: MediaRef) -> HttpRequest:
    """Files lie at public URLs of Meta's that expire: no token is sent there. Raises RefusedError if it has none."""
    if media.url is None:
        raise RefusedError("content_refused", "the file has no URL")
    return HttpRequest(method="GET", url=media.url)
