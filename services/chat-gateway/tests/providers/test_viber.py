import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from chat_gateway.providers.viber import Viber
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
    StatusReport,
    Uncertain,
    WebAnswer,
    WebRequest,
    WindowChanged,
)
from hypothesis import given

VIBER: Provider = Viber()
# Token, body and signature of test_api.py in Viber's library for Python.
TOKEN = "44dafb7e0f40021e-61a47a1e6778d187-f2c5a676a07050b3"
PUBLISHED_BODY = b'{"event":"webhook","timestamp":4977069964384421269,"message_token":1478683725125}'
PUBLISHED = "d21b343448c8aee33b8e93768ef6ceb64a6ba6163099973a2b8bd028fea510ef"
ACCOUNT = Account(
    tenant_id="acme",
    address="acme",
    channel="viber",
    provider="viber",
    account_id="pa:1",
    api_url="https://viber.example/pa",
    webhook_url="https://centre.example/hooks/viber/1",
    secrets={"auth_token": ("now", TOKEN)},
    options={"sender_name": "Acme's friendly and very long name"},
)
AT_MS = 1_457_764_197_627
ADA = {"id": "01234567890A=", "name": "Ada", "avatar": "https://a.example", "country": "UK", "language": "en"}
BASE = {"event": "message", "timestamp": AT_MS, "message_token": 4912661846655238145, "sender": ADA}
FILE = {"type": "file", "media": "https://dl.example/1", "file_name": "a.pdf", "size": 2138}
PLACE = {"type": "location", "location": {"lat": "50.76891", "lon": 6.11499, "address": "1 High St"}}
RECEIPT = {"timestamp": AT_MS, "message_token": 491266184665523145, "user_id": "01234567890A="}
PAYLOADS = (
    {**BASE, "message": {"type": "text", "text": "hello", "tracking_data": ""}},
    {**BASE, "message": FILE},
    {**BASE, "message": PLACE},
    {**BASE, "message": {"type": "contact", "contact": {"name": "Bo", "phone_number": "+1"}}},
    {**RECEIPT, "event": "delivered"},
    {**RECEIPT, "event": "failed", "desc": "failure description"},
    {"event": "subscribed", "timestamp": AT_MS, "user": ADA, "message_token": 1},
    {"event": "unsubscribed", "timestamp": AT_MS, "user_id": "01234567890A=", "message_token": 1},
)
TEXT = Outgoing(reference="3f2c0f4e-0000-4000-8000-000000000001", counterpart="01234567890A=", text="h\u00e9")


def delivery(body: object, signature: str = "") -> WebRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"x-viber-content-signature": signature} if signature else {}
    return WebRequest(method="POST", url=ACCOUNT.webhook_url, headers=headers, query={}, body=raw)


def parsed(body: object) -> Item:
    (item,) = VIBER.parse(delivery(body), ACCOUNT, now_ms=0)
    return item


def received(**message: object) -> Received:
    item = parsed({**BASE, "message": message})
    assert isinstance(item, Received)
    return item


def outcome(body: object, status: int = 200) -> Outcome:
    return VIBER.outcome_of(HttpReply(status=status, body=json.dumps(body).encode()), TEXT)


def signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("given_", [PUBLISHED, signature("now", PUBLISHED_BODY)])
def test_the_published_signature_fits_and_that_of_the_current_secret(given_: str) -> None:
    VIBER.verify(delivery(PUBLISHED_BODY, given_), ACCOUNT, now_ms=0)


@pytest.mark.parametrize(
    ("body", "given_"),
    [
        (PUBLISHED_BODY + b" ", PUBLISHED),
        (PUBLISHED_BODY, PUBLISHED[:-1] + "0"),
        (PUBLISHED_BODY, PUBLISHED.upper()),
        (PUBLISHED_BODY, signature("other", PUBLISHED_BODY)),
        (PUBLISHED_BODY, ""),
    ],
)
def test_every_other_one_is_forged(body: bytes, given_: str) -> None:
    with pytest.raises(ForgedError):
        VIBER.verify(delivery(body, given_), ACCOUNT, now_ms=0)


def test_the_first_event_is_answered_and_others_are_no_question() -> None:
    said = json.dumps({**BASE, "message": {"type": "text", "text": "webhook"}}).encode()

    assert VIBER.handshake(delivery(PUBLISHED_BODY, PUBLISHED), ACCOUNT) == WebAnswer()
    assert VIBER.handshake(delivery(PAYLOADS[0]), ACCOUNT) is None
    assert VIBER.handshake(delivery(said, signature("now", said)), ACCOUNT) is None


def test_a_text_says_who_and_when() -> None:
    assert parsed(PAYLOADS[0]) == Received(
        provider_message_id="4912661846655238145",
        account_id="pa:1",
        counterpart="01234567890A=",
        identifiers=(Identifier(type="viber_user_id", value="01234567890A=", verified=True),),
        text="hello",
        name="Ada",
        language="en",
        sent_at_ms=AT_MS,
    )


def test_files_are_told() -> None:
    picture = received(type="picture", text="look", media="https://dl.example/2", thumbnail="https://dl.example/3")

    assert received(**FILE).media == (MediaRef(url="https://dl.example/1", name="a.pdf", size_bytes=2138),)
    assert (picture.text, picture.media) == ("look", (MediaRef(url="https://dl.example/2"),))
    assert received(type="video", media="u", size=10000).media == (MediaRef(url="u", size_bytes=10000),)
    assert received(type="sticker", sticker_id=46105, media="u").media == (MediaRef(url="u"),)


def test_places_contacts_and_links_are_text() -> None:
    assert received(**PLACE).text == "geo:50.76891,6.11499\n1 High St"
    assert received(type="contact", contact={"name": "Bo", "phone_number": "+1"}).text == "Bo +1"
    assert received(type="url", media="https://a.example").text == "https://a.example"
    assert received(type="sticker", sticker_id=1).attributes == {"kind": "sticker"}
    assert received(type="hologram").attributes == {"kind": "hologram"}


@pytest.mark.parametrize(
    ("event", "report"),
    [
        ({"event": "delivered"}, StatusReport(account_id="pa:1", status="delivered")),
        ({"event": "seen"}, StatusReport(account_id="pa:1", status="read")),
        ({"event": "failed", "desc": "why"}, StatusReport(account_id="pa:1", status="failed", detail="why")),
    ],
)
def test_receipts_name_the_message_and_who_had_it(event: dict[str, str], report: StatusReport) -> None:
    assert parsed({**RECEIPT, **event}) == replace(
        report, provider_message_id="491266184665523145", counterpart="01234567890A=", at_ms=AT_MS
    )


def test_subscribing_opens_and_unsubscribing_closes() -> None:
    opened = WindowChanged(
        account_id="pa:1",
        counterpart="01234567890A=",
        window=Window(opens_at_ms=AT_MS, closes_at_ms=None, basis="always"),
        at_ms=AT_MS,
    )

    assert parsed(PAYLOADS[6]) == opened
    assert parsed(PAYLOADS[7]) == replace(opened, window=None)


@pytest.mark.parametrize("kind", ["webhook", "conversation_started", "client_status", "action"])
def test_what_is_nobodys_conversation_is_passed(kind: str) -> None:
    assert parsed({"event": kind, "timestamp": AT_MS, "message_token": 1, "user": ADA}) == Passed(kind=kind)


@pytest.mark.parametrize("body", [b"[", {}, {"event": 1}, {**BASE, "message": 1}, {**BASE, "sender": {}}])
def test_another_shape_is_not_understood(body: object) -> None:
    with pytest.raises(NotUnderstoodError):
        parsed(body)


@patiently
@given(bodies(*PAYLOADS))
def test_nothing_but_not_understood_comes_out(body: bytes) -> None:
    check_parsing(VIBER, delivery(body), ACCOUNT)


@patiently
@given(replies({"status": 0, "status_message": "ok", "message_token": 5098034272017990000}))
def test_no_answer_raises(reply: HttpReply) -> None:
    check_outcome(VIBER, reply, TEXT)


def test_a_message_goes_under_a_name_of_28_characters_and_in_few_bytes() -> None:
    request = VIBER.request_of(TEXT, ACCOUNT)
    longest = VIBER.request_of(replace(TEXT, text="\u4e2d" * 7000), ACCOUNT)

    assert (request.method, request.url) == ("POST", "https://viber.example/pa/send_message")
    assert request.headers["X-Viber-Auth-Token"] == "now"
    assert json.loads(request.body) == {
        "receiver": "01234567890A=",
        "sender": {"name": "Acme's friendly and very lon"},
        "type": "text",
        "text": "h\u00e9",
    }
    assert len(longest.body) < 30_000


@pytest.mark.parametrize(
    ("mime", "size_bytes", "kind"),
    [
        ("image/jpeg", 9, "picture"),
        ("image/jpeg", 1_000_001, "file"),
        ("image/png", 9, "file"),
        ("video/mp4", 9, "video"),
        ("video/mp4", 26_000_001, "file"),
        ("application/pdf", 9, "file"),
    ],
)
def test_a_file_goes_as_what_viber_shows_best(mime: str, size_bytes: int, kind: str) -> None:
    file = OutgoingFile(name="a.x", mime=mime, size_bytes=size_bytes, url="https://files.example/a")
    message = json.loads(VIBER.request_of(replace(TEXT, text="", file=file), ACCOUNT).body)

    assert (message["type"], message["media"]) == (kind, "https://files.example/a")
    assert message.get("size") == (None if kind == "picture" else size_bytes)
    assert message.get("file_name") == ("a.x" if kind == "file" else None)


def test_a_text_beside_a_file_is_refused_and_so_is_a_long_one() -> None:
    file = OutgoingFile(name="a.x", mime="image/png", size_bytes=9, url="https://files.example/a")

    for outgoing in (replace(TEXT, file=file), replace(TEXT, text="x" * 7001)):
        with pytest.raises(RefusedError):
            VIBER.request_of(outgoing, ACCOUNT)


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        (2, "not_authorised"),
        (3, "content_refused"),
        (5, "recipient_unknown"),
        (6, "recipient_opted_out"),
        (9, "not_authorised"),
        (10, "not_authorised"),
        (11, "11"),
        (24, "24"),
    ],
)
def test_a_refusal_has_our_code(status: int, ours: str) -> None:
    assert outcome({"status": status, "status_message": "x"}) == Refused(code=ours, detail=f"status {status}")


def test_an_answer_says_what_became_of_it() -> None:
    assert outcome({"status": 0, "message_token": 5098034272017990000}) == Sent(
        provider_message_id="5098034272017990000"
    )
    assert outcome({"status": 12}) == Again(after_ms=10_000, scope="account", detail="status 12")
    assert outcome({}, status=429) == Again(after_ms=10_000, scope="account", detail="HTTP 429")
    for unsure in (outcome({"status": -1}), outcome({"status": 25}), outcome({}), outcome({"status": 0}, status=500)):
        assert isinstance(unsure, Uncertain)


def test_a_file_is_fetched_without_the_token() -> None:
    media = MediaRef(url="https://dl.example/1")
    request = VIBER.media_request(media, ACCOUNT)

    assert (request.url, request.headers) == ("https://dl.example/1", {})
    assert VIBER.media_next(media, ACCOUNT, HttpReply(status=200, body=b"{}")) is None


def test_registration_asks_for_every_event() -> None:
    request = VIBER.registration(ACCOUNT)

    assert request is not None
    assert request.url == "https://viber.example/pa/set_webhook"
    assert json.loads(request.body) == {
        "url": ACCOUNT.webhook_url,
        "event_types": ["delivered", "seen", "failed", "subscribed", "unsubscribed", "conversation_started"],
        "send_name": True,
    }
    assert VIBER.answer(delivery({})).status == 200
