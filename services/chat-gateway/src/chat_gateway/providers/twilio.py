"""Twilio's Programmable Messaging, SMS and WhatsApp: www.twilio.com/docs, "Twilio's request to your incoming message
Webhook URL", "Message resource", "Webhooks security", "Error and Warning Dictionary".

Inbound webhooks are not repeated unless the number's fallback URL is set, to the same address. A number's webhook is
set in the console: Twilio's API names numbers by ids that we do not have. Messages cannot be sent twice safely, but
each carries its own status callback with our reference, by which an uncertain one is resolved.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from gatewaykit.domain.content import Identifier, MediaRef, TemplateUse, Window
from gatewaykit.domain.provider import (
    Account,
    Again,
    Capabilities,
    ForgedError,
    HttpReply,
    HttpRequest,
    Item,
    NotUnderstoodError,
    Outcome,
    Outgoing,
    Received,
    Refused,
    RefusedError,
    Sent,
    StatusReport,
    StatusWord,
    Uncertain,
    WebAnswer,
    WebRequest,
    WindowChanged,
)

from chat_gateway.providers.reading import (
    Node,
    clean,
    fits_any,
    id_in,
    id_of,
    reply_object,
    text_in,
    whole_in,
    within_bound,
)
from chat_gateway.providers.shared import check, judged, passed, place, wait_ms

FIELDS_MAX: Final = 1000
MEDIA_MAX: Final = 10
HOURS_MS: Final = 3_600_000
REFERENCE: Final = "centralino_reference"
HASHES: Final = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
STATUSES: Final[Mapping[str, StatusWord]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "failed": "failed",
    "undelivered": "failed",
    "canceled": "failed",
}
CODES: Final = {
    **dict.fromkeys((20003, 20005, 20008, 21601, 21606, 21608, 21660, 63007, 63051), "not_authorised"),
    **dict.fromkeys((21211, 21217, 21614, 30005, 63003, 63024), "recipient_unknown"),
    **dict.fromkeys((21610,), "recipient_opted_out"),
    **dict.fromkeys((63016,), "window_closed"),
    **dict.fromkeys(
        (
            21602,
            21603,
            21617,
            21619,
            21620,
            21623,
            21654,
            21655,
            21656,
            21657,
            63005,
            63013,
            63021,
            63027,
            63028,
            63036,
        ),
        "content_refused",
    ),
}
"""Other numbers stay as they are: 21408 (region not enabled), 21612 (no route between the two), ..."""
LATER: Final = (14107, 20429, 21611, 63018)
"""Too many requests, queue of the sender full, channel's rate."""


class Twilio:
    """What SMS and WhatsApp have in common. `account_id` is the Account SID. Option `sender` is a number
    (`+1...`, `whatsapp:+1...`) or a messaging service (`MG...`); without it nothing can be sent. Secrets `auth_token`,
    and `shared_key` for webhooks that a Webhooks Rule signs."""

    name = "twilio"
    channel: str
    capabilities: Capabilities
    secrets: tuple[str, ...] = ("auth_token",)
    secrets_optional: tuple[str, ...] = ("shared_key",)
    options: tuple[str, ...] = ("sender",)

    def handshake(self, request: WebRequest, account: Account) -> WebAnswer | None:
        """None: Twilio asks nothing."""
        return None

    def verify(self, request: WebRequest, account: Account, *, now_ms: int) -> None:
        """HMAC over the public URL, then the names and values of the form in their order. Twilio may or may not count
        the port. A body that is no form is hashed into the URL (`bodySHA256`) instead. No instant is signed."""
        settings = request.headers.get("x-twilio-webhooks-signature-settings")
        use = "shared_key" if settings else "auth_token"
        hashed = HASHES.get(_algorithm(settings or ""))
        try:
            urls, said = _urls(request.url), _said(request)
        except ValueError as error:
            raise ForgedError("neither a form nor a hashed body") from error
        if hashed is None:
            raise ForgedError("signed with an algorithm that is not known")
        given, secrets = request.headers.get("x-twilio-signature"), account.secrets.get(use, ())
        fits = [fits_any(given, secrets, partial(_signature, text=url + said, hashed=hashed)) for url in urls]
        if not any(fits):
            raise ForgedError("the signature is missing or wrong")

    def parse(self, request: WebRequest, account: Account, *, now_ms: int) -> Sequence[Item]:
        """A message or a status of one of ours."""
        try:
            form: Node = {name: clean(value) for name, value in reversed(_form(request.body))}
        except ValueError as error:
            raise NotUnderstoodError("the body is no form") from error
        status = text_in(form, "MessageStatus")
        if status is None or status in {"received", "receiving"}:
            return within_bound(self._message(form, account, now_ms))
        if status not in STATUSES:
            return [passed(status)]
        code = whole_in(form, "ErrorCode") if form.get("ErrorCode") else None
        return [
            StatusReport(
                account_id=account.account_id,
                status=STATUSES[status],
                provider_message_id=id_of(form, "MessageSid"),
                reference=request.query.get(REFERENCE),
                counterpart=id_in(form, "To"),
                code=None if code is None else CODES.get(code, str(code)),
                detail=None if code is None else f"Twilio {code}",
            )
        ]

    def answer(self, request: WebRequest) -> WebAnswer:
        """TwiML that says nothing."""
        return WebAnswer(body=b"<Response/>", content_type="text/xml")

    def request_of(self, outgoing: Outgoing, account: Account) -> HttpRequest:
        """A message resource; its status callback is our webhook with the reference in the query."""
        check(outgoing, self.capabilities)
        sender = account.options.get("sender")
        if not sender:
            raise RefusedError("not_authorised", "the account has no option `sender`")
        mark = "&" if "?" in account.webhook_url else "?"
        fields = {
            "To": outgoing.counterpart,
            "MessagingServiceSid" if sender.startswith("MG") else "From": sender,
            "StatusCallback": f"{account.webhook_url}{mark}{urlencode({REFERENCE: outgoing.reference})}",
        }
        if outgoing.template is not None:
            fields |= _template(outgoing.template)
        elif outgoing.text:
            fields["Body"] = outgoing.text
        if outgoing.file is not None:
            fields["MediaUrl"] = outgoing.file.url
        return HttpRequest(
            method="POST",
            url=f"{account.api_url}/2010-04-01/Accounts/{quote(account.account_id, safe='')}/Messages.json",
            headers={**_authorisation(account), "Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(fields, errors="replace").encode(),
        )

    def outcome_of(self, reply: HttpReply, outgoing: Outgoing) -> Outcome:
        """By Twilio's code. What fails later, 63016 and the 30xxx above all, comes as a status."""
        return judged(_outcome, reply)

    def media_request(self, media: MediaRef, account: Account) -> HttpRequest:
        """The media resource, with the account's password if it is Twilio's."""
        url = media.url or ""
        return HttpRequest(
            method="GET", url=url, headers=_authorisation(account) if url.startswith(f"{account.api_url}/") else {}
        )

    def media_next(self, media: MediaRef, account: Account, reply: HttpReply) -> HttpRequest | None:
        """Where the resource redirects to, a store that is not to see the password."""
        elsewhere = reply.headers.get("location")
        return HttpRequest(method="GET", url=elsewhere) if elsewhere and 300 <= reply.status < 400 else None

    def registration(self, account: Account) -> HttpRequest | None:
        """None: see above."""
        return None

    def window(self, now_ms: int) -> Window | None:
        """What a customer's message opens."""
        hours = self.capabilities.window_hours
        if hours is None:
            return None
        return Window(opens_at_ms=now_ms, closes_at_ms=now_ms + hours * HOURS_MS, basis="customer_message")

    def _message(self, form: Node, account: Account, now_ms: int) -> Iterator[Item]:
        counterpart, window = id_of(form, "From"), self.window(now_ms)
        yield Received(
            provider_message_id=id_of(form, "MessageSid"),
            account_id=account.account_id,
            counterpart=counterpart,
            identifiers=tuple(_identifiers(counterpart, form)),
            text="\n".join(filter(None, (text_in(form, "Body"), _location(form)))),
            media=tuple(_media(form)),
            name=text_in(form, "ProfileName") or None,
            reply_to=id_in(form, "OriginalRepliedMessageSid"),
            window=window,
            attributes=dict(_attributes(form)),
        )
        # Advanced Opt-Out: Twilio has answered already, and refuses what is sent after a STOP.
        choice = (text_in(form, "OptOutType") or "").upper()
        if choice == "STOP":
            yield WindowChanged(account_id=account.account_id, counterpart=counterpart, window=None)
        elif choice == "START":
            opened = window or Window(opens_at_ms=now_ms, closes_at_ms=None, basis="always")
            yield WindowChanged(account_id=account.account_id, counterpart=counterpart, window=opened)


class TwilioSms(Twilio):
    """SMS, and MMS where the number can: in the USA and Canada."""

    channel = "sms"
    # "Rate limits and message queues": one segment a second from a long number, unless Twilio grants more.
    capabilities = Capabilities(
        text_max=1600,
        caption_max=1600,
        file_types=("image/gif", "image/jpeg", "image/png"),
        file_bytes_max=5_000_000,
        uploads="url",
        statuses=("sent", "delivered", "failed"),
        echoes=True,
        account_per_second=1.0,
    )


class TwilioWhatsApp(Twilio):
    """WhatsApp by Twilio: addresses begin with `whatsapp:`."""

    channel = "whatsapp"
    # WhatsApp shows a text beside a picture, and not beside a document or a sound: it goes by itself.
    capabilities = Capabilities(
        text_max=1600,
        file_types=("application/pdf", "audio/*", "image/jpeg", "image/png", "image/webp", "video/mp4"),
        file_bytes_max=16_000_000,
        uploads="url",
        templates=True,
        window_hours=24,
        statuses=("sent", "delivered", "read", "failed"),
        echoes=True,
        account_per_second=80.0,
    )


def _algorithm(settings: str) -> str:
    """Of `key=...,algorithm=HMAC_SHA256`; without the header it is the older one."""
    pairs = (part.partition("=") for part in settings.split(","))
    named = {name.strip(): value.strip().upper() for name, _, value in pairs}
    return named.get("algorithm") or "HMAC_SHA1"


def _signature(secret: bytes, *, text: str, hashed: str) -> str:
    return base64.b64encode(hmac.new(secret, text.encode("utf-8", "replace"), hashed).digest()).decode()


def _urls(url: str) -> Sequence[str]:
    """The URL with and without its port."""
    parts = urlsplit(url)
    if parts.port is None:
        bare, full = parts.netloc, f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"
    else:
        bare, full = parts.netloc.rpartition(":")[0], parts.netloc
    before, _, after = url.partition(parts.netloc)
    return [f"{before}{bare}{after}", f"{before}{full}{after}"]


def _said(request: WebRequest) -> str:
    """What is signed behind the URL. A name with several values counts each of them once."""
    digest = request.query.get("bodySHA256")
    if digest is None or request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return "".join(name + value for name, value in sorted(set(_form(request.body))))
    if not hmac.compare_digest(hashlib.sha256(request.body).hexdigest().encode(), digest.encode("utf-8", "replace")):
        raise ValueError("another body was hashed")
    return ""


def _form(body: bytes) -> list[tuple[str, str]]:
    """Raises ValueError for more than FIELDS_MAX fields and for what is no ASCII."""
    return parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX)


def _identifiers(counterpart: str, form: Node) -> Iterator[Identifier]:
    """The sender of an SMS is easily forged. Without a number, WhatsApp names users by an id of its own."""
    scheme, _, address = counterpart.rpartition(":")
    whatsapp = scheme == "whatsapp"
    if address.startswith("+"):
        yield Identifier(type="phone", value=address, verified=whatsapp)
    elif whatsapp:
        yield Identifier(type="whatsapp_user_id", value=address, verified=True)
    else:
        yield Identifier(type="sms_sender", value=address)


def _location(form: Node) -> str | None:
    if not form.get("Latitude") or not form.get("Longitude"):
        return None
    return place(form, "Latitude", "Longitude", text_in(form, "Label"), text_in(form, "Address"))


def _media(form: Node) -> Iterator[MediaRef]:
    for number in range(min(whole_in(form, "NumMedia") or 0, MEDIA_MAX)):
        url = text_in(form, f"MediaUrl{number}")
        if url:
            yield MediaRef(url=url, mime=text_in(form, f"MediaContentType{number}"))


def _attributes(form: Node) -> Iterator[tuple[str, str]]:
    names = (
        ("ButtonPayload", "payload"),
        ("ListId", "payload"),
        ("ReferralSourceType", "referral"),
        ("ReferralSourceId", "referral_id"),
    )
    for name, attribute in names:
        value = text_in(form, name)
        if value:
            yield attribute, value[:1000]


def _template(template: TemplateUse) -> Mapping[str, str]:
    """A content template; its variables are numbered from 1."""
    content_sid = template.attributes.get("content_sid")
    if not content_sid:
        raise RefusedError("content_refused", "the template has no content_sid")
    variables = {str(number): value for number, value in enumerate(template.variables, 1)}
    return {"ContentSid": content_sid, **({"ContentVariables": json.dumps(variables)} if variables else {})}


def _outcome(reply: HttpReply) -> Outcome:
    """Twilio's sentences hold numbers of customers, so only codes are told on."""
    answer = reply_object(reply)
    if answer is not None and 200 <= reply.status < 300:
        return Sent(provider_message_id=id_of(answer, "sid"))
    code = whole_in(answer or {}, "code")
    if code in LATER or reply.status == 429:
        return Again(after_ms=wait_ms(reply, otherwise_ms=1000), scope="account", detail=f"Twilio {code}")
    if code is not None and 400 <= reply.status < 500:
        return Refused(code=CODES.get(code, str(code)), detail=f"Twilio {code}")
    if reply.status in {401, 403}:
        return Refused(code="not_authorised", detail=f"HTTP {reply.status}")
    return Uncertain(detail=f"HTTP {reply.status}")


def _authorisation(account: Account) -> Mapping[str, str]:
    pair = f"{account.account_id}:{account.secret('auth_token')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
