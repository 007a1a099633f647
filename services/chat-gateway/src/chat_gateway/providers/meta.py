"""What WhatsApp, Messenger and Instagram share: Meta's webhooks and its Graph API, version 25.0.

Vendor's pages: "Webhooks: Getting Started" (handshake, signature), "Graph API: Securing Requests" (appsecret_proof),
"Graph API: Handling Errors", "Graph API: Rate Limits". Meta signs no time: a replay is met by dropping duplicates, and
is never stale.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote, urlencode

from gatewaykit.domain.provider import (
    Account,
    Again,
    ForgedError,
    HttpReply,
    HttpRequest,
    NotUnderstoodError,
    Outcome,
    Refused,
    Sent,
    Uncertain,
    WebAnswer,
    WebRequest,
)

from chat_gateway.providers.reading import (
    Node,
    equals_any,
    fits_any,
    id_in,
    json_bytes,
    node_in,
    nodes_in,
    read_object,
    text_in,
    whole_in,
)
from chat_gateway.providers.shared import WAIT_MS_MAX, wait_ms

GRAPH_VERSION: Final = "v25.0"
"""The account's option `graph_version` names another one."""
SECRETS: Final[tuple[str, ...]] = ("app_secret", "access_token", "verify_token")
CUSTOMER_WINDOW_MS: Final = 24 * 3_600_000
_WAIT_MS: Final = 30_000

Meaning = str | Again | Uncertain
"""Of an error's number: why it is refused, or that it is to be sent again, or that nobody knows."""


def account_again(after_ms: int = _WAIT_MS) -> Again:
    """The whole account waits."""
    return Again(after_ms=after_ms, scope="account")


def pair_again(after_ms: int) -> Again:
    """Messages to this counterpart wait."""
    return Again(after_ms=after_ms, scope="pair")


GRAPH_CODES: Final[Mapping[int, Meaning]] = {
    0: "not_authorised",
    1: Uncertain(),
    2: Uncertain(),
    3: "not_authorised",
    4: account_again(),
    10: "not_authorised",
    17: account_again(),
    32: account_again(),
    102: "not_authorised",
    190: "not_authorised",
    368: "not_authorised",
    613: account_again(),
}
"""Of "Graph API: Handling Errors" and "Rate Limits". 1 and 2 say that something went wrong, not that nothing was sent:
"Messenger Platform: Common Error Codes" has a 1 whose messages did arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meanings:
    """What errors mean for one product; a subcode counts more than the code."""

    codes: Mapping[int, Meaning]
    subcodes: Mapping[int, Meaning] = field(default_factory=dict)

    def of(self, code: int, subcode: int | None) -> Meaning | None:
        """None: nothing is known of it."""
        if subcode is not None and subcode in self.subcodes:
            return self.subcodes[subcode]
        if code in self.codes:
            return self.codes[code]
        return "not_authorised" if 200 <= code <= 299 else GRAPH_CODES.get(code)  # 200 to 299 are permissions


def hub_signature(secret: bytes, body: bytes) -> str:
    """The value of X-Hub-Signature-256: HMAC-SHA256 of the raw body, in hexadecimal."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def verify_hub(request: WebRequest, account: Account) -> None:
    """Raises ForgedError unless one of the app's active secrets signed the raw body."""
    given = request.headers.get("x-hub-signature-256")
    secrets = account.secrets.get("app_secret", ())
    if not fits_any(given, secrets, lambda secret: hub_signature(secret, request.body)):
        raise ForgedError("X-Hub-Signature-256 is missing or wrong")


def hub_handshake(request: WebRequest, account: Account) -> WebAnswer | None:
    """The answer to `hub.mode=subscribe`: its challenge as plain text. Raises ForgedError for a wrong token."""
    if request.method != "GET" or request.query.get("hub.mode") != "subscribe":
        return None
    if not equals_any(request.query.get("hub.verify_token"), account.secrets.get("verify_token", ())):
        raise ForgedError("hub.verify_token is missing or wrong")
    return WebAnswer(body=request.query.get("hub.challenge", "").encode("utf-8", "replace"))


def graph_url(account: Account, *path: str, **query: str) -> str:
    """Under the account's API and version of it; every part of the path is escaped."""
    version = account.options.get("graph_version", GRAPH_VERSION)
    url = "/".join([account.api_url, version, *(quote(part, safe="") for part in path)])
    return f"{url}?{urlencode(query)}" if query else url


def appsecret_proof(account: Account) -> str:
    """Shows that the bearer of the token is the app: HMAC-SHA256 of the token, by the app's secret."""
    key, token = account.secret("app_secret").encode(), account.secret("access_token").encode()
    return hmac.new(key, token, hashlib.sha256).hexdigest()


def bearer(account: Account) -> dict[str, str]:
    """The header that authorises us."""
    return {"Authorization": f"Bearer {account.secret('access_token')}"}


def graph_post(account: Account, url: str, value: object) -> HttpRequest:
    """A POST of JSON to the Graph API."""
    headers = {**bearer(account), "Content-Type": "application/json"}
    return HttpRequest(method="POST", url=url, headers=headers, body=json_bytes(value))


def graph_outcome(reply: HttpReply, meanings: Meanings, *, sent: str | None) -> Outcome:
    """What a reply of the Graph API means; `sent` is the message id in it, if it has one.

    An answer without an id or a known error is uncertain: what is not understood may have been sent. So is every 5xx,
    unless its error is documented as not sent.
    """
    if sent is not None and reply.status < 300:
        return Sent(provider_message_id=sent)
    try:
        error = node_in(read_object(reply.body), "error") or {}
        code, subcode = whole_in(error, "code"), whole_in(error, "error_subcode")
        trace = (text_in(error, "fbtrace_id") or "")[:100]
    except NotUnderstoodError:
        code, subcode, trace = None, None, ""
    if code is None:
        return _without_error(reply)
    detail = f"Meta's error {code}/{subcode or 0}, trace {trace}"
    match meanings.of(code, subcode):
        case Again() as again:
            return replace(again, after_ms=_wait_ms(reply, again.after_ms), detail=detail)
        case str(ours):
            return Refused(code=ours, detail=detail)
        case None if code > 0 and 400 <= reply.status < 500 and reply.status != 408:
            return Refused(code=str(code), detail=detail)
    return Uncertain(detail=detail)


def _without_error(reply: HttpReply) -> Outcome:
    if reply.status == 429:
        return Again(after_ms=_wait_ms(reply, _WAIT_MS), scope="account", detail="HTTP 429")
    return Uncertain(detail=f"HTTP {reply.status} without a message id or an error of Meta's")


def _wait_ms(reply: HttpReply, least_ms: int) -> int:
    """At least so long, at most an hour, and what the headers ask for in between."""
    return min(max(least_ms, wait_ms(reply, otherwise_ms=0), _regain_access_ms(reply)), WAIT_MS_MAX)


def _regain_access_ms(reply: HttpReply) -> int:
    """X-Business-Use-Case-Usage: by business, a list of uses with the minutes until calls are allowed again."""
    try:
        usage = read_object(reply.headers.get("x-business-use-case-usage", "{}").encode("utf-8", "replace"))
        uses = [use for key in usage for use in nodes_in(usage, key)]
        minutes = [whole_in(use, "estimated_time_to_regain_access") or 0 for use in uses]
    except NotUnderstoodError:
        return 0
    return max(minutes, default=0) * 60_000


def attributes_of(**values: str | None) -> dict[str, str]:
    """Those that are there, cut at 500 characters (contracts.fields.Attributes)."""
    return {name: value[:500] for name, value in values.items() if value}


def referral_attributes(referral: Node | None) -> dict[str, str]:
    """Of how the customer came: `referral` (`ad`, `post`, `ads`, `shortlink`, ...), `referral_id` (of the
    advertisement or post), `ref` (what the operator wrote into the link)."""
    if referral is None:
        return {}
    source = text_in(referral, "source_type") or text_in(referral, "source")
    return attributes_of(
        referral=(source or "unknown").lower(),
        referral_id=id_in(referral, "source_id") or id_in(referral, "ad_id"),
        ref=text_in(referral, "ref"),
    )
