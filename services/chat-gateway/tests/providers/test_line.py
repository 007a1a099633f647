import base64
import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from chat_gateway.providers.line import Line
from chat_gateway.testing.mangling import bodies, check_outcome, check_parsing, patiently, replies
from gatewaykit.domain.content import Identifier, MediaRef, Window
from gatewaykit.domain.provider import (
    Account,
    Again,
    ForgedError,
    HttpReply,
    Item,
    NotUnderstoodError,
    Outcome,
    Outgoing,
    OutgoingFile,
    Passed,
    Provider,
    Received,
    Refused,
    RefusedError,
    Sent,
    Uncertain,
    Unsent,
    WebRequest,
    WindowChanged,
)
from hypothesis import given

LINE: Provider = Line()
ACCOUNT = Account(
    tenant_id="acme",
    address="@acme",
    channel="line",
    provider="line",
    account_id="Ubot",
    api_url="https://line.example",
    webhook_url="https://centre.example/hooks/line/1",
    secrets={"channel_secret": ("now", "SECRET"), "access_token": ("token",)},
)
# Of LineSignatureValidatorTest in LINE's SDK for Java: secret `SECRET`, body `{}`.
PUBLISHED = "3q8QXTAGaey18yL8FWTqdVlbMr6hcuNvM4tefa0o9nA="
AT_MS = 1_700_000_000_123
USER = {"type": "user", "userId": "Uada"}
BASE = {
    "source": USER,
    "timestamp": AT_MS,
    "mode": "active",
    "webhookEventId": "01FZ74A0TDDPYRVKNK77XKC3ZR",
    "deliveryContext": {"isRedelivery": False},
}
WORDS = {"type": "text", "id": "100", "quoteToken": "q", "text": "hello", "quotedMessageId": "99"}
IMAGE = {"type": "image", "id": "101", "quoteToken": "q", "contentProvider": {"type": "line"}}
FILE = {"type": "file", "id": "102", "fileName": "a.pdf", "fileSize": 2138}
STICKER = {"type": "sticker", "id": "103", "packageId": "1", "stickerId": "2", "keywords": ["bye"], "text": "Bye!"}
PLACE = {"type": "location", "id": "104", "title": "Office", "address": "1 High St", "latitude": 52.5, "longitude": 13}
EVENTS = (
    *({**BASE, "type": "message", "replyToken": "r", "message": said} for said in (WORDS, IMAGE, FILE, STICKER, PLACE)),
    {**BASE, "type": "unsend", "unsend": {"messageId": "100"}},
    {**BASE, "type": "follow", "replyToken": "r", "follow": {"isUnblocked": True}},
    {**BASE, "type": "unfollow"},
    {**BASE, "type": "postback", "replyToken": "r", "postback": {"data": "order=1"}},
)
TEXT = Outgoing(reference="3f2c0f4e-0000-4000-8000-000000000001", counterpart="Uada", text="hi")
PICTURE = OutgoingFile(name="a.png", mime="image/png", size_bytes=9, url="https://files.example/a")
SENT = {"sentMessages": [{"id": "461230966842064897", "quoteToken": "q"}]}


def delivery(body: object, **headers: str) -> WebRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WebRequest(method="POST", url=ACCOUNT.webhook_url, headers=headers, query={}, body=raw)


def parsed(*events: object) -> list[Item]:
    return list(LINE.parse(delivery({"destination": "Ubot", "events": events}), ACCOUNT, now_ms=0))


def received(message: object) -> Received:
    (item,) = parsed({**BASE, "type": "message", "message": message})
    assert isinstance(item, Received)
    return item


def outcome(status: int, body: object, **headers: str) -> Outcome:
    return LINE.outcome_of(HttpReply(status=status, headers=headers, body=json.dumps(body).encode()), TEXT)


def signature(secret: str, body: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


@pytest.mark.parametrize("given_", [PUBLISHED, signature("now", b"{}")])
def test_the_published_signature_fits_and_that_of_the_current_secret(given_: str) -> None:
    LINE.verify(delivery(b"{}", **{"x-line-signature": given_}), ACCOUNT, now_ms=0)


@pytest.mark.parametrize(
    ("body", "given_"),
    [
        (b"{} ", PUBLISHED),
        (b"{}", PUBLISHED.replace("3q", "3Q")),
        (b"{}", PUBLISHED.rstrip("=")),
        (b"{}", signature("other", b"{}")),
        (b"{}", hmac.new(b"now", b"{}", hashlib.sha256).hexdigest()),
        (b"{}", ""),
    ],
)
def test_every_other_one_is_forged(body: bytes, given_: str) -> None:
    with pytest.raises(ForgedError):
        LINE.verify(delivery(body, **{"x-line-signature": given_}), ACCOUNT, now_ms=0)
    with pytest.raises(ForgedError):
        LINE.verify(delivery(body), ACCOUNT, now_ms=0)


def test_a_batch_is_told_in_its_order_and_an_empty_one_is_a_check() -> None:
    kinds = [type(item) for item in parsed(*EVENTS)]

    assert kinds == [*[Received] * 5, Unsent, WindowChanged, WindowChanged, Received]
    assert parsed() == []
    assert LINE.handshake(delivery({"destination": "Ubot", "events": []}), ACCOUNT) is None


def test_a_text_says_who_when_and_what_it_answers() -> None:
    assert received(WORDS) == Received(
        provider_message_id="100",
        account_id="Ubot",
        counterpart="Uada",
        identifiers=(Identifier(type="line_user_id", value="Uada", verified=True),),
        text="hello",
        reply_to="99",
        sent_at_ms=AT_MS,
    )


@pytest.mark.parametrize("kind", ["image", "video", "audio"])
def test_a_file_is_named_by_its_message_or_by_where_it_is(kind: str) -> None:
    elsewhere = {"type": "external", "originalContentUrl": "https://pictures.example/1"}

    assert received({**IMAGE, "type": kind}).media == (MediaRef(id="101"),)
    assert received({**IMAGE, "type": kind, "contentProvider": elsewhere}).media == (
        MediaRef(id="101", url="https://pictures.example/1"),
    )


def test_documents_stickers_and_places_are_told() -> None:
    assert received(FILE).media == (MediaRef(id="102", name="a.pdf", size_bytes=2138),)
    assert (received(STICKER).text, received(STICKER).attributes) == ("Bye!", {"kind": "sticker"})
    assert received(PLACE).text == "geo:52.5,13\nOffice\n1 High St"
    assert received({"type": "hologram", "id": "1"}).attributes == {"kind": "hologram"}


def test_a_button_of_the_menu_is_said_with_its_payload() -> None:
    (said,) = parsed(EVENTS[-1])

    assert isinstance(said, Received)
    assert (said.provider_message_id, said.text) == (BASE["webhookEventId"], "order=1")
    assert said.attributes == {"kind": "postback", "payload": "order=1"}


def test_an_unsent_message_and_who_follows_are_told() -> None:
    unsent, follow, unfollow = parsed(*EVENTS[5:8])

    assert unsent == Unsent(provider_message_id="100", account_id="Ubot", counterpart="Uada")
    assert follow == WindowChanged(
        account_id="Ubot",
        counterpart="Uada",
        window=Window(opens_at_ms=AT_MS, closes_at_ms=None, basis="always"),
        at_ms=AT_MS,
    )
    assert unfollow == replace(follow, window=None)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({**EVENTS[0], "source": {"type": "group", "groupId": "C1", "userId": "Uada"}}, "group_message"),
        ({**EVENTS[0], "source": {"type": "room", "roomId": "R1"}}, "group_message"),
        ({**EVENTS[5], "source": {"type": "group", "groupId": "C1"}}, "unsend"),
        ({**EVENTS[0], "mode": "standby"}, "standby"),
        ({**EVENTS[0], "source": {"type": "user"}}, "nobody"),
        ({**BASE, "type": "messageEdited", "message": WORDS}, "messageEdited"),
        ({**BASE, "type": "beacon", "beacon": {}}, "beacon"),
        ({"type": "membership"}, "membership"),
    ],
)
def test_what_is_nobodys_conversation_is_passed(event: object, kind: str) -> None:
    assert parsed(event) == [Passed(kind=kind)]


@pytest.mark.parametrize(
    "body", [b"[", {}, {"destination": "U", "events": {}}, {"destination": "U", "events": [{"type": 1}]}]
)
def test_another_shape_is_not_understood(body: object) -> None:
    with pytest.raises(NotUnderstoodError):
        LINE.parse(delivery(body), ACCOUNT, now_ms=0)


@patiently
@given(bodies({"destination": "Ubot", "events": EVENTS}, *({"destination": "U", "events": [one]} for one in EVENTS)))
def test_nothing_but_not_understood_comes_out(body: bytes) -> None:
    check_parsing(LINE, delivery(body), ACCOUNT)


@patiently
@given(replies(SENT, {"message": "x", "details": [{"message": "y", "property": "to"}]}))
def test_no_answer_raises(reply: HttpReply) -> None:
    check_outcome(LINE, reply, TEXT)


def test_a_message_is_pushed_under_our_reference() -> None:
    request = LINE.request_of(TEXT, ACCOUNT)

    assert (request.method, request.url) == ("POST", "https://line.example/v2/bot/message/push")
    assert request.headers["X-Line-Retry-Key"] == TEXT.reference
    assert request.headers["Authorization"] == "Bearer token"
    assert json.loads(request.body) == {"to": "Uada", "messages": [{"type": "text", "text": "hi"}]}


def test_a_picture_and_its_text_are_one_request() -> None:
    body = json.loads(LINE.request_of(replace(TEXT, file=PICTURE), ACCOUNT).body)

    assert body["messages"] == [
        {
            "type": "image",
            "originalContentUrl": "https://files.example/a",
            "previewImageUrl": "https://files.example/a",
        },
        {"type": "text", "text": "hi"},
    ]


@pytest.mark.parametrize(
    "outgoing",
    [
        replace(TEXT, text="x" * 5001),
        replace(TEXT, file=replace(PICTURE, mime="application/pdf")),
        replace(TEXT, file=replace(PICTURE, size_bytes=1_000_001)),
    ],
)
def test_what_cannot_go_is_refused_before(outgoing: Outgoing) -> None:
    with pytest.raises(RefusedError):
        LINE.request_of(outgoing, ACCOUNT)


def test_the_first_and_every_repeated_request_are_one_sent_message() -> None:
    sent = Sent(provider_message_id="461230966842064897")

    assert outcome(200, SENT) == sent
    assert outcome(409, {"message": "x", **SENT}, **{"x-line-accepted-request-id": "r"}) == sent
    assert outcome(409, {"message": "x"}, **{"x-line-accepted-request-id": "r"}) == Sent(provider_message_id=None)
    assert isinstance(outcome(409, {"message": "x"}), Uncertain)
    assert isinstance(LINE.outcome_of(HttpReply(status=200, body=b"<html>"), TEXT), Uncertain)


def test_a_refusal_has_our_code() -> None:
    details = [{"message": "x", "property": "to"}]

    assert outcome(400, {"message": "bad", "details": details}) == Refused(code="recipient_unknown", detail="bad")
    to = "The property, 'to', in the request body is invalid (line: -, column: -)"
    assert outcome(400, {"message": to}) == Refused(code="recipient_unknown", detail=to)
    assert outcome(400, {"message": "bad"}) == Refused(code="content_refused", detail="bad")
    assert outcome(401, {"message": "x"}) == Refused(code="not_authorised", detail="x")
    assert outcome(403, {}) == Refused(code="not_authorised", detail="HTTP 403")
    assert outcome(413, {}) == Refused(code="413", detail="HTTP 413")


def test_too_many_wait_and_a_used_up_month_does_not() -> None:
    monthly = {"message": "You have reached your monthly limit."}

    assert outcome(429, {"message": "x"}) == Again(after_ms=1000, scope="account", detail="x")
    assert outcome(429, monthly) == Refused(code="429", detail=monthly["message"])
    assert isinstance(outcome(500, SENT), Uncertain)
    assert isinstance(outcome(302, SENT), Uncertain)


def test_content_is_asked_where_lines_files_are() -> None:
    here = LINE.media_request(MediaRef(id="1/2"), ACCOUNT)
    there = LINE.media_request(MediaRef(id="1"), replace(ACCOUNT, api_url="https://api.line.me"))
    elsewhere = LINE.media_request(MediaRef(id="1", url="https://pictures.example/1"), ACCOUNT)

    assert here.url == "https://line.example/v2/bot/message/1%2F2/content"
    assert there.url == "https://api-data.line.me/v2/bot/message/1/content"
    assert there.headers == {"Authorization": "Bearer token"}
    assert (elsewhere.url, elsewhere.headers) == ("https://pictures.example/1", {})
    assert LINE.media_next(MediaRef(id="1"), ACCOUNT, HttpReply(status=200, body=b"{}")) is None


def test_registration_puts_the_url() -> None:
    request = LINE.registration(ACCOUNT)

    assert request is not None
    assert (request.method, request.url) == ("PUT", "https://line.example/v2/bot/channel/webhook/endpoint")
    assert json.loads(request.body) == {"endpoint": ACCOUNT.webhook_url}
    assert LINE.answer(delivery({})).status == 200
