import json
import re
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_gateway.providers.open import Open
from chat_gateway.providers.standard_webhooks import headers_of, verify
from chat_gateway.testing.mangling import bodies, check_outcome, check_parsing, patiently, replies
from gatewaykit.domain.content import Identifier, MediaRef, TemplateUse
from gatewaykit.domain.outgoing import GIVE_UP_MS, pause_ms
from gatewaykit.domain.provider import (
    Account,
    Again,
    ForgedError,
    HttpReply,
    HttpRequest,
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
    StaleError,
    StatusReport,
    Typing,
    Uncertain,
    Unsent,
    WebRequest,
)
from hypothesis import given
from jsonschema import Draft202012Validator

DOCS = Path(__file__).parents[4] / "docs"
SCHEMA = json.loads((DOCS / "open-channel.schema.json").read_text())
OPEN: Provider = Open()
IN, IN_BEFORE, OUT, OUT_BEFORE = ("whsec_" + b64encode(bytes([n]) * 32).decode() for n in range(4))
ACCOUNT = Account(
    tenant_id="acme",
    address="app",
    channel="open",
    provider="open",
    account_id="app",
    api_url="",
    webhook_url="https://centre.example/chat/v1/webhooks/app",
    secrets={"inbound_secret": (IN, IN_BEFORE), "outbound_secret": (OUT, OUT_BEFORE)},
    options={"url": "https://shop.example/centralino"},
)
AT_MS = 1_700_000_000_123
ADA = {
    "id": "u1",
    "name": "Ada",
    "language": "pt-BR",
    "identifiers": [{"type": "email", "value": "ada@example.org", "verified": True}, {"type": "phone", "value": "+43"}],
}
FILE = {
    "url": "https://shop.example/a.png?s=1",
    "name": "a.png",
    "mime": "image/png",
    "size_bytes": 9,
    "sha256": "0" * 64,
}
MESSAGE = {
    "type": "message.received",
    "id": "m1",
    "customer": ADA,
    "text": "hello",
    "files": [FILE],
    "reply_to": "m0",
    "attributes": {"form": "returns", "screen": "basket"},
    "at_ms": AT_MS,
}
EDIT = {"type": "message.edited", "message_id": "m1", "customer": {"id": "u1"}, "text": "hullo", "at_ms": AT_MS}
UNSENT = {"type": "message.unsent", "message_id": "m1", "customer": {"id": "u1"}}
STATUS = {"type": "message.status", "reference": "r1", "message_id": "x1", "status": "read", "at_ms": AT_MS}
FAILED = {"type": "message.status", "reference": "r1", "status": "failed", "code": "recipient_unknown", "detail": "no"}
TYPING = {"type": "customer.typing", "customer": {"id": "u1"}}
EVENTS = (MESSAGE, EDIT, UNSENT, STATUS, FAILED, TYPING)
TEXT = Outgoing(
    reference="3f2c0f4e-0000-4000-8000-000000000001",
    counterpart="u1",
    text="h\u00e9",
    reply_to="m1",
    author="Ana",
    said_at_ms=AT_MS,
    attempt_at_ms=AT_MS + 5000,
)
PDF = OutgoingFile(name="a.pdf", mime="application/pdf", size_bytes=9, url="https://files.example/a?sig=1")


def delivery(body: object, webhook_id: str = "w1", secret: str = IN, at_ms: int = AT_MS) -> WebRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = headers_of(webhook_id, raw, [secret], at_ms=at_ms)
    return WebRequest(method="POST", url=ACCOUNT.webhook_url, headers=headers, query={}, body=raw)


def parsed(body: object, webhook_id: str = "w1") -> list[Item]:
    return list(OPEN.parse(delivery(body, webhook_id), ACCOUNT, now_ms=AT_MS))


def received(webhook_id: str = "w1", without: str = "", **changed: object) -> Received:
    event = {key: value for key, value in {**MESSAGE, **changed}.items() if key != without}
    (item,) = parsed(event, webhook_id)
    assert isinstance(item, Received)
    return item


def outcome(status: int, body: object = None, **headers: str) -> Outcome:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return OPEN.outcome_of(HttpReply(status=status, headers=headers, body=raw), TEXT)


def sent(**rest: object) -> tuple[HttpRequest, Any]:  # Any: JSON
    request = OPEN.request_of(replace(TEXT, **rest), ACCOUNT)  # type: ignore[arg-type]  # tests name the fields
    return request, json.loads(request.body)


def is_valid(value: object, name: str = "") -> bool:
    schema = {"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{name}"} if name else SCHEMA
    return bool(Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize("secret", [IN, IN_BEFORE])
def test_the_current_secret_signs_and_the_one_before(secret: str) -> None:
    OPEN.verify(delivery(MESSAGE, secret=secret), ACCOUNT, now_ms=AT_MS)
    assert OPEN.handshake(delivery(MESSAGE), ACCOUNT) is None
    assert OPEN.answer(delivery(MESSAGE)).status == 200


@pytest.mark.parametrize("secret", [OUT, OUT_BEFORE, "whsec_" + b64encode(bytes([9]) * 32).decode()])
def test_nobody_elses_does_not_even_that_of_our_own_requests(secret: str) -> None:
    with pytest.raises(ForgedError):
        OPEN.verify(delivery(MESSAGE, secret=secret), ACCOUNT, now_ms=AT_MS)


def test_a_tampered_one_is_forged_and_an_old_one_stale() -> None:
    good = delivery(MESSAGE)
    with pytest.raises(ForgedError):
        OPEN.verify(replace(good, body=good.body.replace(b"hello", b"hallo")), ACCOUNT, now_ms=AT_MS)
    with pytest.raises(StaleError):
        OPEN.verify(good, ACCOUNT, now_ms=AT_MS + 301_000)
    with pytest.raises(StaleError):
        OPEN.verify(good, ACCOUNT, now_ms=AT_MS - 301_000)


def test_a_message_says_who_what_and_when() -> None:
    assert received() == Received(
        provider_message_id="m1",
        account_id="app",
        counterpart="u1",
        identifiers=(
            Identifier(type="open_user_id", value="app/u1", verified=True),
            Identifier(type="email", value="ada@example.org", verified=True),
            Identifier(type="phone", value="+43"),
        ),
        text="hello",
        media=(MediaRef(url=FILE["url"], name="a.png", mime="image/png", size_bytes=9, sha256="0" * 64),),  # type: ignore[arg-type]  # FILE has two types of values
        name="Ada",
        language="pt-BR",
        reply_to="m0",
        sent_at_ms=AT_MS,
        attributes={"form": "returns", "screen": "basket"},
    )


def test_two_accounts_do_not_share_their_customers_ids() -> None:
    (item,) = OPEN.parse(delivery(MESSAGE), replace(ACCOUNT, account_id="kiosk"), now_ms=AT_MS)

    assert isinstance(item, Received)
    assert item.identifiers[0].value == "kiosk/u1"


def test_a_message_is_known_by_its_own_id_whatever_webhook_brings_it() -> None:
    assert received("w1").provider_message_id == received("w2").provider_message_id == "m1"


def test_without_one_it_is_known_by_its_webhook_and_its_place() -> None:
    event = {key: value for key, value in MESSAGE.items() if key != "id"}
    twice = [[item.provider_message_id for item in _received(parsed({"events": [event, event]}))] for _ in range(2)]

    assert twice == [["w1.0", "w1.1"]] * 2
    assert received("w2", without="id").provider_message_id == "w2.0"


def _received(items: list[Item]) -> list[Received]:
    return [item for item in items if isinstance(item, Received)]


def test_a_batch_is_told_in_its_order() -> None:
    items = parsed({"events": EVENTS})

    assert [type(item) for item in items] == [Received, Received, Unsent, StatusReport, StatusReport, Typing]
    assert parsed({"events": []}) == []


def test_edits_and_what_is_taken_back_name_their_message() -> None:
    edit, unsent = parsed({"events": [EDIT, UNSENT]})

    assert isinstance(edit, Received)
    assert (edit.edits, edit.text, edit.provider_message_id) == ("m1", "hullo", "w1.0")
    assert unsent == Unsent(provider_message_id="m1", account_id="app", counterpart="u1")


def test_statuses_name_our_reference_or_their_id() -> None:
    assert parsed({"events": [STATUS, FAILED]}) == [
        StatusReport(account_id="app", status="read", provider_message_id="x1", reference="r1", at_ms=AT_MS),
        StatusReport(account_id="app", status="failed", reference="r1", code="recipient_unknown", detail="no"),
    ]


def test_who_types_is_named_or_it_is_of_no_use() -> None:
    assert parsed(TYPING) == [Typing(account_id="app", counterpart="u1")]


@pytest.mark.parametrize(
    ("kind", "counted"),
    [
        ("customer.typing", "customer_typing"),
        ("message.sent", "message_sent"),
        ("customer.left", "customer_left"),
        ("\u00fc", "unknown"),
        ("x" * 100, "unknown"),
    ],
)
def test_what_is_new_is_passed(kind: str, counted: str) -> None:
    assert parsed({"type": kind}) == [Passed(kind=counted)]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": None},
        {"type": 1},
        {"events": {}},
        {"type": None, "events": [MESSAGE]},
        {"events": [1]},
        {"events": [MESSAGE] * 2001},
        {**MESSAGE, "customer": None},
        {**MESSAGE, "customer": {"id": ""}},
        {**MESSAGE, "text": None, "files": None},
        {**MESSAGE, "text": "", "files": []},
        {**MESSAGE, "text": "x" * 20_001},
        {**MESSAGE, "files": [FILE] * 21},
        {**MESSAGE, "files": [{**FILE, "url": "file:///etc/passwd"}]},
        {**MESSAGE, "files": [{**FILE, "url": "https://" + "x" * 4096}]},
        {**MESSAGE, "files": [{**FILE, "url": None}]},
        {**MESSAGE, "files": [{**FILE, "size_bytes": -1}]},
        {**MESSAGE, "files": [{**FILE, "sha256": "0"}]},
        {**MESSAGE, "attributes": {"Form": "x"}},
        {**MESSAGE, "attributes": {"form": "x" * 501}},
        {**MESSAGE, "attributes": {f"a{n}": "x" for n in range(31)}},
        {**MESSAGE, "customer": {"id": "u1", "identifiers": [{"type": "e mail", "value": "x"}]}},
        {**MESSAGE, "customer": {"id": "u1", "identifiers": [{"type": "email"}]}},
        {**MESSAGE, "customer": {"id": "u1", "name": "x" * 201}},
        {**MESSAGE, "at_ms": -1},
        {**TYPING, "customer": {}},
        {**EDIT, "message_id": None},
        {**UNSENT, "message_id": ""},
        {**STATUS, "status": "sent"},
        {**STATUS, "reference": None, "message_id": None},
        {**FAILED, "code": "No such customer"},
    ],
)
def test_what_the_schema_forbids_is_not_understood(event: object) -> None:
    assert not is_valid(event)
    with pytest.raises(NotUnderstoodError):
        parsed(event)


@patiently
@given(bodies(*EVENTS, {"events": EVENTS}))
def test_only_what_is_not_understood_comes_of_nonsense(body: bytes) -> None:
    check_parsing(OPEN, delivery(body), ACCOUNT)


@patiently
@given(bodies(*EVENTS, {"events": EVENTS}))
def test_what_the_schema_allows_is_understood(body: bytes) -> None:
    try:
        valid = is_valid(json.loads(body))
    except ValueError:
        valid = False
    if valid:
        parsed(body)


def test_a_text_is_posted_where_the_account_says_under_our_reference() -> None:
    request, told = sent()

    assert (request.method, request.url) == ("POST", "https://shop.example/centralino")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == TEXT.reference
    assert request.headers["webhook-timestamp"] == str((AT_MS + 5000) // 1000)
    assert told == {
        "type": "message.sent",
        "reference": TEXT.reference,
        "account_id": "app",
        "customer": {"id": "u1"},
        "text": "h\u00e9",
        "reply_to": "m1",
        "agent": {"name": "Ana"},
        "at_ms": AT_MS,
    }
    assert is_valid(told, "message_sent")


def test_a_retry_has_the_same_id_and_body_and_a_new_signature() -> None:
    first, again = sent()[0], sent(attempt_at_ms=AT_MS + 60_000)[0]

    assert (first.headers["webhook-id"], first.body) == (again.headers["webhook-id"], again.body)
    assert first.headers["webhook-signature"] != again.headers["webhook-signature"]
    assert OPEN.capabilities.idempotent


@pytest.mark.parametrize("secret", [OUT, OUT_BEFORE])
def test_whoever_knows_one_of_the_two_secrets_can_verify_it(secret: str) -> None:
    request, _ = sent()

    assert verify(request.headers, request.body, [secret], now_ms=AT_MS) == TEXT.reference
    with pytest.raises(ForgedError):
        verify(request.headers, request.body, [IN], now_ms=AT_MS)


def test_a_file_goes_as_a_link() -> None:
    _, told = sent(file=PDF, text="", author=None, reply_to=None, said_at_ms=None)

    assert told["files"] == [{"name": "a.pdf", "mime": "application/pdf", "size_bytes": 9, "url": PDF.url}]
    assert told.keys() == {"type", "reference", "account_id", "customer", "files"}
    assert is_valid(told, "message_sent")


def test_it_is_sent_by_whoever_keeps_requests_out_of_our_own_network() -> None:
    assert OPEN.capabilities.guarded


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"text": " "}, "content_refused"),
        ({"text": "x" * 20_001}, "content_refused"),
        ({"template": TemplateUse(name="a", language="en")}, "content_refused"),
        ({"file": replace(PDF, size_bytes=100_000_001)}, "content_refused"),
    ],
)
def test_what_it_cannot_carry_is_refused_before(changed: dict[str, object], code: str) -> None:
    with pytest.raises(RefusedError) as caught:
        sent(**changed)

    assert caught.value.code == code


@pytest.mark.parametrize(
    "account",
    [
        replace(ACCOUNT, options={}),
        replace(ACCOUNT, options={"url": ""}),
        replace(ACCOUNT, secrets={**ACCOUNT.secrets, "outbound_secret": ("secret",)}),
    ],
)
def test_an_account_that_cannot_send_refuses(account: Account) -> None:
    with pytest.raises(RefusedError) as caught:
        OPEN.request_of(TEXT, account)

    assert caught.value.code == "not_authorised"
    assert "secret" not in str(caught.value).replace("outbound_secret", "").replace("a secret is", "")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_sent_under_their_id_or_under_ours(status: int) -> None:
    assert outcome(status, {"message_id": "x1"}) == Sent(provider_message_id="x1")
    odd: list[object] = [b"", b"ok", [], {}, {"message_id": ""}, {"message_id": {}}, {"message_id": "x" * 2000}]
    for body in odd:
        assert outcome(status, body) == Sent(provider_message_id=TEXT.reference)


@pytest.mark.parametrize("status", [429, 503])
def test_it_waits_as_long_as_it_is_told(status: int) -> None:
    told = outcome(status, **{"retry-after": "120"})
    otherwise = outcome(status, **{"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"})

    assert told == Again(after_ms=120_000, scope="account", detail=f"HTTP {status}")
    assert otherwise == Again(after_ms=5000, scope="account", detail=f"HTTP {status}")


@pytest.mark.parametrize("status", [100, 199, 408, 409, 425, 500, 502, 504, 599])
def test_what_nobody_can_tell_is_uncertain(status: int) -> None:
    detail, throttles = f"HTTP {status}", status in (502, 504)
    told = outcome(status, {"message_id": "x1", "code": "recipient_unknown"})

    later = outcome(status, **{"retry-after": "120"})

    assert told == Uncertain(detail=detail, throttles=throttles)
    assert later == Uncertain(detail=detail, after_ms=120_000, throttles=throttles)


def test_attempts_go_on_for_a_day_and_never_leave_it_alone_for_longer_than_half_an_hour() -> None:
    capabilities = OPEN.capabilities
    attempts = range(1, capabilities.attempts_max)
    for jitter in (0, 1):
        pauses = [pause_ms(attempt, Uncertain(), jitter, capabilities.pause_ms) for attempt in attempts]

        assert pauses[:3] == [round(ms * (1 + 0.25 * jitter)) for ms in (5000, 10_000, 20_000)]
        assert max(pauses) <= 1_800_000 * 1.25
        assert sum(pauses) >= GIVE_UP_MS


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (410, None, "gone"),
        (410, {"code": "recipient_unknown"}, "gone"),
        (401, None, "not_authorised"),
        (403, {"code": "x"}, "not_authorised"),
        (400, None, "content_refused"),
        (422, {"code": "recipient_opted_out"}, "recipient_opted_out"),
        (404, {"code": "recipient_unknown"}, "recipient_unknown"),
        (404, b"<html>", "http_404"),
        (404, {"code": "No Such"}, "http_404"),
        (413, {"code": 1}, "1"),
        (301, None, "redirected"),
        (307, None, "redirected"),
    ],
)
def test_what_they_refuse_says_why(status: int, body: object, code: str) -> None:
    assert outcome(status, body, location="https://other.example/") == Refused(code=code, detail=f"HTTP {status}")


@patiently
@given(replies({"message_id": "x1"}, {"code": "recipient_unknown"}))
def test_no_answer_is_too_odd(reply: HttpReply) -> None:
    check_outcome(OPEN, reply, TEXT)


def test_a_file_is_fetched_from_its_url_with_nothing_of_ours() -> None:
    media = received().media[0]

    assert OPEN.media_request(media, ACCOUNT) == HttpRequest(method="GET", url="https://shop.example/a.png?s=1")
    assert OPEN.media_next(media, ACCOUNT, HttpReply(status=200)) is None
    assert OPEN.registration(ACCOUNT) is None


def test_the_page_shows_what_is_understood() -> None:
    examples = re.findall(r"```json\n(.*?)```", (DOCS / "open-channel.md").read_text(), re.DOTALL)
    values = [json.loads(text) for text in examples]
    ours = [value for value in values if value.get("type") == "message.sent"]
    theirs = [value for value in values if value.get("type") != "message.sent" and "account" not in value]

    assert len(ours) == 1
    assert is_valid(ours[0], "message_sent")
    assert len(theirs) >= 3
    for value in theirs:
        assert is_valid(value), value
        parsed(value)
