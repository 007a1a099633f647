"""Slack's Events API and Web API, docs.slack.dev: "Verifying requests from Slack", "The Events API", "message event",
"chat.postMessage", "Message metadata", "Rate limits".

Direct messages to the app only (`channel_type` im): in a channel several people talk to each other, so its messages are
Passed. There are no statuses and no window. Our own messages come back as events with a `bot_id`, and what metadata we
gave them as `message_metadata_posted` if the app's manifest asks for `centralino_message`: so an uncertain one is
resolved. Answers go beside threads, not into them: to continue a thread
needs its first message, and only the answered one is known.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from gatewaykit.domain.content import MediaRef
from gatewaykit.domain.provider import (
    Account,
    Again,
    Capabilities,
    ForgedError,
    HttpReply,
    HttpRequest,
    Item,
    Outcome,
    Outgoing,
    Refused,
    Sent,
    StaleError,
    Uncertain,
    WebAnswer,
    WebRequest,
)

from chat_gateway.providers import slack_events
from chat_gateway.providers.reading import (
    fits_any,
    id_in,
    id_of,
    json_bytes,
    node_of,
    read_object,
    reply_object,
    text_in,
    text_of,
)
from chat_gateway.providers.shared import check, judged, wait_ms

AGE_MS_MAX: Final = 300_000
CODES: Final = {
    **dict.fromkeys(("channel_not_found", "user_not_found", "users_not_found", "is_archived"), "recipient_unknown"),
    **dict.fromkeys(("messages_tab_disabled", "user_disabled", "cannot_dm_bot"), "recipient_opted_out"),
    **dict.fromkeys(
        (
            "access_denied",
            "account_inactive",
            "ekm_access_denied",
            "enterprise_is_restricted",
            "invalid_auth",
            "missing_scope",
            "no_permission",
            "not_allowed_token_type",
            "not_authed",
            "not_in_channel",
            "org_login_required",
            "restricted_action",
            "team_access_not_granted",
            "token_expired",
            "token_revoked",
        ),
        "not_authorised",
    ),
    **dict.fromkeys(
        (
            "attachment_payload_limit_exceeded",
            "invalid_attachments",
            "invalid_blocks",
            "invalid_blocks_format",
            "metadata_too_large",
            "msg_blocks_too_long",
            "msg_too_long",
            "no_text",
            "too_many_attachments",
        ),
        "content_refused",
    ),
}
RATE_LIMITED: Final = ("rate_limited", "ratelimited", "message_limit_exceeded")
UNSURE: Final = ("fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org")
"""Of `fatal_error` Slack says that a part of the operation may have succeeded; the others are like it."""


class Slack:
    """An app in a workspace. `account_id` is the workspace's id (T...): one app's URL serves all of its workspaces.
    Messages are named `<channel>:<ts>`; the counterpart is the channel of the direct messages (D...), or a user (U...)
    to begin with."""

    name = "slack"
    channel = "slack"
    secrets: tuple[str, ...] = ("signing_secret", "bot_token")
    secrets_optional: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    # 4,000 characters is the documents' advice. To upload takes three requests, so files go as picture blocks alone.
    capabilities = Capabilities(
        text_max=4000,
        caption_max=3000,
        file_types=("image/gif", "image/jpeg", "image/png"),
        file_bytes_max=10_000_000,
        uploads="url",
        echoes=True,
        account_per_second=5.0,
        pair_every_ms=1000,
        pair_burst=3,
    )

    def handshake(self, request: WebRequest, account: Account) -> WebAnswer | None:
        """`url_verification`: the challenge goes back."""
        if b"url_verification" not in request.body:
            return None
        asked = read_object(request.body)
        if text_of(asked, "type") != "url_verification":
            return None
        return WebAnswer(body=text_of(asked, "challenge").encode())

    def verify(self, request: WebRequest, account: Account, *, now_ms: int) -> None:
        """Version 0: hexadecimal HMAC-SHA256 over `v0:<timestamp>:<body>`, five minutes old at most."""
        signed_at_ms = _verify(request, account)
        if abs(now_ms - signed_at_ms) > AGE_MS_MAX:
            raise StaleError(f"signed {(now_ms - signed_at_ms) // 1000} s ago")

    def parse(self, request: WebRequest, account: Account, *, now_ms: int) -> Sequence[Item]:
        """One event; a retry has the same ids."""
        return [slack_events.item_of(read_object(request.body), account)]

    def answer(self, request: WebRequest) -> WebAnswer:
        """An empty 200, within three seconds."""
        return WebAnswer()

    def request_of(self, outgoing: Outgoing, account: Account) -> HttpRequest:
        """`chat.postMessage` with our reference in its metadata; the text is shown as it is, not as mark-up."""
        check(outgoing, self.capabilities)
        message: dict[str, object] = {
            "channel": outgoing.counterpart,
            "text": _escaped(outgoing.text),
            "mrkdwn": False,
            "metadata": {"event_type": slack_events.METADATA_TYPE, "event_payload": {"reference": outgoing.reference}},
        }
        if outgoing.file is not None:
            picture = {"type": "image", "image_url": outgoing.file.url, "alt_text": outgoing.file.name[:2000]}
            words = {"type": "section", "text": {"type": "plain_text", "text": outgoing.text}}
            message["blocks"] = [words, picture] if outgoing.text else [picture]
            message["text"] = _escaped(outgoing.text or outgoing.file.name)
        return HttpRequest(
            method="POST",
            url=f"{account.api_url}/chat.postMessage",
            headers={**_authorisation(account), "Content-Type": "application/json; charset=utf-8"},
            body=json_bytes(message),
        )

    def outcome_of(self, reply: HttpReply, outgoing: Outgoing) -> Outcome:
        """By `ok` and `error`: HTTP says 200 to nearly everything."""
        return judged(_outcome, reply)

    def media_request(self, media: MediaRef, account: Account) -> HttpRequest:
        """The file with the token, or `files.info` where the event named no URL (a file shared by another
        workspace)."""
        if media.url is not None:
            return _download(media.url, account)
        url = f"{account.api_url}/files.info?file={quote(media.id or '', safe='')}"
        return HttpRequest(method="GET", url=url, headers=_authorisation(account))

    def media_next(self, media: MediaRef, account: Account, reply: HttpReply) -> HttpRequest | None:
        """The file that `files.info` names. A customer's own JSON file does not lead anywhere: it would have to know
        the id that Slack gave it."""
        answer = None if media.url is not None or reply.status != 200 else reply_object(reply)
        if answer is None or not isinstance(answer.get("file"), dict):
            return None
        file = node_of(answer, "file")
        url = slack_events.file_url(file)
        if url is None or id_in(file, "id") != media.id or not slack_events.is_slacks(url, account):
            return None
        return _download(url, account)

    def registration(self, account: Account) -> HttpRequest | None:
        """None: the URL stands in the app's manifest."""
        return None


def _verify(request: WebRequest, account: Account) -> int:
    """When it was signed."""
    stamp = request.headers.get("x-slack-request-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise ForgedError("the timestamp is missing or no number")

    def signature(secret: bytes) -> str:
        return "v0=" + hmac.new(secret, f"v0:{stamp}:".encode() + request.body, hashlib.sha256).hexdigest()

    if not fits_any(request.headers.get("x-slack-signature"), account.secrets["signing_secret"], signature):
        raise ForgedError("the signature is missing or wrong")
    return int(stamp) * 1000


def _escaped(text: str) -> str:
    """ "Escaping text": the three characters of Slack's mark-up."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _outcome(reply: HttpReply) -> Outcome:
    answer = reply_object(reply)
    error = text_in(answer or {}, "error")
    if reply.status == 429 or error in RATE_LIMITED:
        return Again(after_ms=wait_ms(reply, otherwise_ms=1000), scope="account", detail=error or "HTTP 429")
    if answer is None:
        return Uncertain(detail=f"HTTP {reply.status} without JSON")
    if answer.get("ok") is True:
        return Sent(provider_message_id=f"{id_of(answer, 'channel')}:{id_of(answer, 'ts')}")
    if error is None or error in UNSURE:
        return Uncertain(detail=error or f"HTTP {reply.status}")
    return Refused(code=CODES.get(error, error), detail=error)


def _authorisation(account: Account) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {account.secret('bot_token')}"}


def _download(url: str, account: Account) -> HttpRequest:
    """The token is shown to Slack alone."""
    return HttpRequest(
        method="GET", url=url, headers=_authorisation(account) if slack_events.is_slacks(url, account) else {}
    )
