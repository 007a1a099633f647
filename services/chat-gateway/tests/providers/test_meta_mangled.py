"""Nothing but NotUnderstoodError comes out of a delivery, whatever was done to it, and nothing wrong comes out of an
answer."""

import json
from typing import get_args

import pytest
from chat_gateway.providers.instagram import Instagram
from chat_gateway.providers.messenger import Messenger
from chat_gateway.providers.whatsapp import WhatsApp
from chat_gateway.testing.mangling import bodies, check_parsing, patiently, replies
from chat_gateway.testing.meta_samples import (
    NOW_MS,
    REFERENCE,
    account,
    contact,
    delivery,
    echo,
    event,
    message,
    messaging,
    outgoing,
    status,
    whatsapp,
)
from gatewaykit.domain.content import MediaRef
from gatewaykit.domain.provider import ITEMS_MAX, NotUnderstoodError, Outcome, Provider
from hypothesis import given
from hypothesis import strategies as st

PLACE = {"latitude": 37.4, "longitude": -122.1, "name": "Campus"}
CARD = {"name": {"formatted_name": "Ann"}, "phones": [{"phone": "+1"}], "emails": [{"email": "a@b.example"}]}
ORDER = {
    "text": "Please",
    "product_items": [{"product_retailer_id": "S", "quantity": 1, "item_price": 2, "currency": "E"}],
}
PICTURE = {"id": "1", "mime_type": "image/png", "sha256": "YQ==", "caption": "Look"}
REFERRAL = {"source": "ADS", "source_type": "ad", "source_id": "1", "ad_id": "2", "ref": "x"}
WHATSAPP = whatsapp(
    {
        "contacts": [contact()],
        "messages": [
            message("text", {"body": "Hello"}, context={"id": "wamid.0"}, referral=REFERRAL),
            message("image", PICTURE),
            message("location", PLACE),
            message("contacts", [CARD]),
            message("order", ORDER),
            message("reaction", {"message_id": "wamid.0", "emoji": "x"}),
            message("button", {"text": "Yes", "payload": "YES"}),
            message("interactive", {"type": "list_reply", "list_reply": {"id": "1", "title": "DHL"}}),
            message("edit", {"original_message_id": "w", "message": {"type": "text", "text": {"body": "x"}}}),
            message("revoke", {"original_message_id": "wamid.0"}),
            message("system", {"type": "user_changed_number"}),
        ],
        "statuses": [status("failed", errors=[{"code": 131_047, "title": "Re-engagement message"}])],
        "errors": [{"code": 1}],
    },
    {"message_echoes": [{**message("text", {"body": "By phone"}), "to": "1"}]},
)
ATTACHMENTS = [{"type": "image", "payload": {"url": "u"}}, {"type": "fallback", "title": "T", "url": "u"}]
EVENTS = [
    event("message", {"mid": "m_1", "text": "Hi", "quick_reply": {"payload": "P"}, "referral": REFERRAL}),
    event("message", {"mid": "m_2", "attachments": ATTACHMENTS, "reply_to": {"story": {"url": "u"}}}),
    event("message", {"mid": "m_3", "is_deleted": True}),
    event("message_edit", {"mid": "m_1", "text": "Ho", "num_edit": 1}),
    event("postback", {"mid": "m_4", "title": "T", "payload": "P", "referral": REFERRAL}),
    event("reaction", {"mid": "m_1", "action": "react", "emoji": "x"}),
    event("delivery", {"mids": ["m_5"], "watermark": 1}),
    event("read", {"mid": "m_5", "watermark": 1}),
    event("referral", REFERRAL),
    echo(app_id=1, metadata=REFERENCE, text="Hello"),
]
CASES: tuple[tuple[Provider, dict[str, object]], ...] = (
    (WhatsApp(), WHATSAPP),
    (Messenger(), messaging(*EVENTS, standby=[{}], changes=[{"field": "feed"}])),
    (Instagram(), messaging(*EVENTS, object_="instagram")),
)
REPLIES: tuple[dict[str, object], ...] = (
    {"messages": [{"id": "wamid.1"}], "message_id": "m_1"},
    {"error": {"code": 10, "error_subcode": 2018278, "fbtrace_id": "A"}},
    {"url": "https://lookaside.fbsbx.com/1", "id": "1"},
)
cases = pytest.mark.parametrize(("provider", "sample"), CASES, ids=[provider.name for provider, _ in CASES])


@cases
def test_the_samples_are_understood_as_they_are(provider: Provider, sample: dict[str, object]) -> None:
    items = provider.parse(delivery(sample), account(provider.channel), now_ms=NOW_MS)

    assert len(items) >= len(EVENTS)


@cases
@patiently
@given(data=st.data())
def test_a_mangled_delivery_is_understood_or_not(
    provider: Provider, sample: dict[str, object], data: st.DataObject
) -> None:
    request = delivery(data.draw(bodies(sample)))

    check_parsing(provider, request, account(provider.channel))


@cases
@patiently
@given(data=st.data())
def test_a_delivery_of_bytes_is_understood_or_not(
    provider: Provider, sample: dict[str, object], data: st.DataObject
) -> None:
    body = bytearray(json.dumps(sample).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))

    check_parsing(provider, delivery(bytes(body)), account(provider.channel))


@cases
@patiently
@given(data=st.data())
def test_a_mangled_answer_has_an_outcome(provider: Provider, sample: dict[str, object], data: st.DataObject) -> None:
    answer = data.draw(replies(*REPLIES))

    assert sample
    assert isinstance(provider.outcome_of(answer, outgoing(text="x")), get_args(Outcome))
    provider.media_next(MediaRef(id="1", url="https://cdn.example"), account(), answer)


@cases
def test_a_delivery_of_too_many_things_is_not_understood(provider: Provider, sample: dict[str, object]) -> None:
    entries = sample["entry"]
    assert isinstance(entries, list)
    much = {**sample, "entry": entries * ITEMS_MAX}

    with pytest.raises(NotUnderstoodError):
        provider.parse(delivery(much), account(provider.channel), now_ms=NOW_MS)
