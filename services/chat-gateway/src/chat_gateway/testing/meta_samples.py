"""Accounts, deliveries and answers of Meta's three channels, in the shapes that Meta's pages show."""

from collections.abc import Mapping
from typing import Final

from gatewaykit.domain.content import TemplateUse, Window
from gatewaykit.domain.provider import Account, HttpReply, Outgoing, OutgoingFile, WebRequest

from chat_gateway.providers.meta import hub_signature
from chat_gateway.providers.reading import json_bytes

NOW_MS: Final = 1_790_000_000_000
SENT_SECONDS: Final = 1_789_999_990
SENT_MS: Final = SENT_SECONDS * 1000
SECRET: Final = "app-secret"  # noqa: S105 - of the samples only
PHONE: Final = "16505551234"
USER: Final = "US.13491208655302741918"
NUMBER: Final = "106540352242922"
PAGE: Final = "682498302938465"
CUSTOMER: Final = "1254477777772919"
APP: Final = "1517776481860111"
REFERENCE: Final = "018f4e2c-7a51-7c33-9f0a-0c2f1f1f7a10"


def account(channel: str = "whatsapp") -> Account:
    """With two app secrets, the current one first."""
    return Account(
        tenant_id="acme",
        address=f"{channel}:acme-shop",
        channel=channel,
        provider=channel,
        account_id=NUMBER if channel == "whatsapp" else PAGE,
        api_url="https://graph.example",
        webhook_url=f"https://centre.example/chat/v1/hooks/{channel}",
        secrets={
            "app_secret": (SECRET, "secret-before"),
            "access_token": ("access-token",),
            "verify_token": ("verify-token", "token-before"),
        },
        options={"app_id": APP},
    )


def delivery(value: object, *, secret: str = SECRET) -> WebRequest:
    """Signed."""
    body = value if isinstance(value, bytes) else json_bytes(value)
    return WebRequest(
        method="POST",
        url="https://centre.example/hook",
        headers={"x-hub-signature-256": hub_signature(secret.encode(), body)},
        query={},
        body=body,
    )


def reply(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpReply:
    """An answer of the Graph API."""
    return HttpReply(
        status=status, headers=headers or {}, body=value if isinstance(value, bytes) else json_bytes(value)
    )


def error(
    code: int, subcode: int | None = None, status: int = 400, headers: Mapping[str, str] | None = None
) -> HttpReply:
    """An error of the Graph API."""
    value: dict[str, object] = {
        "message": "(#1) Something",
        "type": "OAuthException",
        "code": code,
        "fbtrace_id": "Ab1",
    }
    if subcode is not None:
        value["error_subcode"] = subcode
    return reply({"error": value}, status, headers)


def outgoing(
    *,
    text: str = "",
    file: OutgoingFile | None = None,
    template: TemplateUse | None = None,
    reply_to: str | None = None,
    window: Window | None = None,
    counterpart: str = PHONE,
) -> Outgoing:
    """Something to send."""
    return Outgoing(
        reference=REFERENCE,
        counterpart=counterpart,
        text=text,
        file=file,
        template=template,
        reply_to=reply_to,
        window=window,
    )


def file(mime: str = "image/png", size_bytes: int = 1000) -> OutgoingFile:
    """A file that the provider may fetch."""
    return OutgoingFile(name="map.png", mime=mime, size_bytes=size_bytes, url="https://files.example/map")


def whatsapp(*values: Mapping[str, object], field: str = "messages") -> dict[str, object]:
    """A delivery with one change for each value."""
    changes = [
        {"field": field, "value": {"messaging_product": "whatsapp", "metadata": metadata(), **value}}
        for value in values
    ]
    return {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": changes}]}


def metadata(number: str = NUMBER) -> dict[str, object]:
    """Of which of our numbers."""
    return {"display_phone_number": "15550783881", "phone_number_id": number}


def contact(*, phone: str | None = PHONE, user: str | None = USER) -> dict[str, object]:
    """Who writes."""
    known = {"wa_id": phone, "user_id": user}
    profile = {"name": "Sheena Nelson", "username": "sheena"}
    return {"profile": profile, **{key: value for key, value in known.items() if value}}


def message(kind: str, content: object, **more: object) -> dict[str, object]:
    """A customer's message on WhatsApp."""
    head = {"from": PHONE, "from_user_id": USER, "id": "wamid.A1", "timestamp": str(SENT_SECONDS), "type": kind}
    return {**head, kind: content, **more}


def customer_says(kind: str, content: object, **more: object) -> dict[str, object]:
    """A delivery of one such message."""
    return whatsapp({"contacts": [contact()], "messages": [message(kind, content, **more)]})


def status(word: str, **more: object) -> dict[str, object]:
    """What became of a message of ours on WhatsApp."""
    head = {"id": "wamid.B2", "status": word, "timestamp": str(SENT_SECONDS), "recipient_id": PHONE}
    return {**head, "recipient_user_id": USER, "biz_opaque_callback_data": REFERENCE, **more}


def messaging(
    *events: Mapping[str, object], object_: str = "page", account_id: str = PAGE, **entry: object
) -> dict[str, object]:
    """A delivery of Messenger or Instagram."""
    head = {"id": account_id, "time": NOW_MS, "messaging": list(events)}
    return {"object": object_, "entry": [{**head, **entry}]}


def event(kind: str, content: object) -> dict[str, object]:
    """Something that a customer did."""
    return {"sender": {"id": CUSTOMER}, "recipient": {"id": PAGE}, "timestamp": SENT_MS, kind: content}


def echo(**content: object) -> dict[str, object]:
    """A message of our page."""
    message = {"is_echo": True, "mid": "m_E1", **content}
    return {"sender": {"id": PAGE}, "recipient": {"id": CUSTOMER}, "timestamp": SENT_MS, "message": message}
