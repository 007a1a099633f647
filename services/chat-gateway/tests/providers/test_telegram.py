import json
from dataclasses import replace

import pytest
from chat_gateway.providers.telegram import Telegram
from chat_gateway.testing.mangling import bodies, check_outcome, check_parsing, patiently, replies
from gatewaykit.domain.content import Identifier, MediaRef, TemplateUse, Window
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
    WebRequest,
    WindowChanged,
)
from hypothesis import given

TELEGRAM: Provider = Telegram()
ACCOUNT = Account(
    tenant_id="acme",
    address="acme_bot",
    channel="telegram",
    provider="telegram",
    account_id="77",
    api_url="https://telegram.example",
    webhook_url="https://centre.example/hooks/telegram/1",
    secrets={"bot_token": ("77:abc", "77:old"), "webhook_secret": ("now", "before")},
)
ADA = {"id": 5001, "is_bot": False, "first_name": "Ada", "last_name": "L", "username": "ada", "language_code": "en"}
CHAT = {"id": 5001, "type": "private", "first_name": "Ada", "username": "ada"}
BASE = {"message_id": 9, "from": ADA, "chat": CHAT, "date": 1_700_000_000}
PHOTO = [
    {"file_id": "small", "file_unique_id": "s", "width": 90, "height": 51, "file_size": 1101},
    {"file_id": "large", "file_unique_id": "l", "width": 1280, "height": 720, "file_size": 98000},
]
DOCUMENT = {"file_id": "doc", "file_unique_id": "d", "file_name": "a.pdf", "mime_type": "application/pdf"}
BLOCKED = {
    "chat": CHAT,
    "from": ADA,
    "date": 1_700_000_000,
    "old_chat_member": {"user": {"id": 77}, "status": "member"},
    "new_chat_member": {"user": {"id": 77}, "status": "kicked", "until_date": 0},
}
REACTION = {
    "chat": CHAT,
    "message_id": 8,
    "user": ADA,
    "date": 1_700_000_009,
    "old_reaction": [],
    "new_reaction": [{"type": "emoji", "emoji": "\U0001f44d"}],
}
PAYLOADS = (
    {"update_id": 1, "message": {**BASE, "text": "hello", "reply_to_message": {**BASE, "message_id": 8}}},
    {"update_id": 2, "message": {**BASE, "photo": PHOTO, "caption": "look"}},
    {"update_id": 3, "message": {**BASE, "document": DOCUMENT}},
    {"update_id": 4, "message": {**BASE, "contact": {"phone_number": "15550100", "user_id": 5001}}},
    {"update_id": 5, "message": {**BASE, "location": {"latitude": 52.5, "longitude": 13.25}}},
    {"update_id": 6, "edited_message": {**BASE, "text": "hullo", "edit_date": 1_700_000_060}},
    {"update_id": 7, "my_chat_member": BLOCKED},
    {"update_id": 8, "message_reaction": REACTION},
)
SENT = {"ok": True, "result": {"message_id": 10, "chat": {"id": 5001, "type": "private"}, "date": 1_700_000_001}}
TEXT = Outgoing(reference="3f2c0f4e-0000-4000-8000-000000000001", counterpart="5001", text="hi & <b>")


def delivery(body: object, **headers: str) -> WebRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WebRequest(method="POST", url=ACCOUNT.webhook_url, headers=headers, query={}, body=raw)


def parsed(body: object) -> Item:
    (item,) = TELEGRAM.parse(delivery(body), ACCOUNT, now_ms=0)
    return item


def received(**message: object) -> Received:
    item = parsed({"update_id": 1, "message": {**BASE, **message}})
    assert isinstance(item, Received)
    return item


def outcome(status: int, body: object, **headers: str) -> Outcome:
    return TELEGRAM.outcome_of(HttpReply(status=status, headers=headers, body=json.dumps(body).encode()), TEXT)


def failed(code: int, description: str, **more: object) -> Outcome:
    return outcome(code, {"ok": False, "error_code": code, "description": description, **more})


@pytest.mark.parametrize("secret", ["now", "before"])
def test_either_secret_token_opens(secret: str) -> None:
    TELEGRAM.verify(delivery({}, **{"x-telegram-bot-api-secret-token": secret}), ACCOUNT, now_ms=0)


@pytest.mark.parametrize("secret", ["", "no", "now ", "\u00e9"])
def test_another_secret_token_does_not(secret: str) -> None:
    with pytest.raises(ForgedError):
        TELEGRAM.verify(delivery({}, **{"x-telegram-bot-api-secret-token": secret}), ACCOUNT, now_ms=0)
    with pytest.raises(ForgedError):
        TELEGRAM.verify(delivery({}), ACCOUNT, now_ms=0)


def test_a_text_says_who_when_and_what_it_answers() -> None:
    assert TELEGRAM.handshake(delivery(PAYLOADS[0]), ACCOUNT) is None
    assert parsed(PAYLOADS[0]) == Received(
        provider_message_id="5001:9",
        account_id="77",
        counterpart="5001",
        identifiers=(
            Identifier(type="telegram_user_id", value="5001", verified=True),
            Identifier(type="telegram_username", value="ada"),
        ),
        text="hello",
        name="Ada L",
        language="en",
        reply_to="5001:8",
        sent_at_ms=1_700_000_000_000,
    )


def test_the_largest_photo_is_the_one() -> None:
    photo = received(photo=PHOTO, caption="look")

    assert photo.media == (MediaRef(id="large", mime="image/jpeg", size_bytes=98000),)
    assert (photo.text, photo.attributes) == ("look", {})


@pytest.mark.parametrize(
    "kind", ["animation", "audio", "document", "live_photo", "sticker", "video", "video_note", "voice"]
)
def test_every_kind_of_file_is_told(kind: str) -> None:
    said = received(**{kind: DOCUMENT})

    assert said.media == (MediaRef(id="doc", name="a.pdf", mime="application/pdf"),)
    assert said.attributes == {}


def test_an_animation_is_one_file_though_it_stands_there_twice() -> None:
    assert len(received(animation=DOCUMENT, document=DOCUMENT).media) == 1


@pytest.mark.parametrize(
    "kind", ["checklist", "dice", "game", "giveaway", "paid_media", "poll", "rich_message", "story"]
)
def test_what_is_not_carried_over_is_still_said(kind: str) -> None:
    assert received(**{kind: {"value": 3}}).attributes == {"kind": kind}


def test_places_and_contacts_are_text() -> None:
    place = {"location": {"latitude": 52.520008, "longitude": 13}, "title": "Office", "address": "1 High St"}

    assert received(venue=place, location=place["location"]).text == "geo:52.520008,13\nOffice\n1 High St"
    assert received(location=place["location"]).text == "geo:52.520008,13"
    assert received(contact={"phone_number": "+1", "first_name": "Bo"}).text == "Bo +1"


def test_only_the_senders_own_number_identifies() -> None:
    own = received(contact={"phone_number": "15550100", "first_name": "Ada", "user_id": 5001})
    others = received(contact={"phone_number": "15550100", "first_name": "Bo", "user_id": 5002})

    assert Identifier(type="phone", value="+15550100", verified=True) in own.identifiers
    assert {identifier.type for identifier in others.identifiers} == {"telegram_user_id", "telegram_username"}


def test_a_deep_link_names_its_parameter() -> None:
    assert received(text="/start spring").attributes == {"ref": "spring"}
    assert received(text="/start").attributes == {}


def test_an_edit_names_what_it_replaces_and_two_in_one_second_differ() -> None:
    edits = [parsed({**PAYLOADS[5], "update_id": number}) for number in (6, 7, 6)]

    assert all(isinstance(edit, Received) for edit in edits)
    first, second, again = (edit for edit in edits if isinstance(edit, Received))
    assert (first.edits, first.text, first.sent_at_ms) == ("5001:9", "hullo", 1_700_000_060_000)
    assert first.provider_message_id == again.provider_message_id != second.provider_message_id != "5001:9"


def test_a_reaction_is_said_of_its_message_and_taking_it_back_is_nothing() -> None:
    reaction = parsed(PAYLOADS[7])

    assert isinstance(reaction, Received)
    assert (reaction.text, reaction.reply_to, reaction.attributes) == ("\U0001f44d", "5001:8", {"kind": "reaction"})
    assert parsed({"update_id": 8, "message_reaction": {**REACTION, "new_reaction": []}}) == Passed(
        kind="message_reaction"
    )


def test_blocking_closes_the_window_and_unblocking_opens_it() -> None:
    back = {**BLOCKED, "new_chat_member": {"status": "member"}}

    opened = WindowChanged(
        account_id="77",
        counterpart="5001",
        window=Window(opens_at_ms=1_700_000_000_000, closes_at_ms=None, basis="always"),
        at_ms=1_700_000_000_000,
    )

    assert parsed(PAYLOADS[6]) == replace(opened, window=None)
    assert parsed({"update_id": 1, "my_chat_member": back}) == opened


@pytest.mark.parametrize(
    ("update", "kind"),
    [
        ({"message": {**BASE, "chat": {"id": -1, "type": "group"}, "text": "x"}}, "group_message"),
        ({"message": {**BASE, "chat": {"id": -1, "type": "supergroup"}, "text": "x"}}, "group_message"),
        ({"message": {**BASE, "from": {"id": 2, "is_bot": True}, "text": "x"}}, "bot_message"),
        ({"message": {**BASE, "pinned_message": BASE}}, "service_message"),
        ({"edited_message": {**BASE, "location": {"latitude": 1, "longitude": 2}, "edit_date": 2}}, "live_location"),
        ({"my_chat_member": {**BLOCKED, "chat": {"id": -1, "type": "group"}}}, "my_chat_member"),
        ({"business_message": {**BASE, "text": "x"}}, "business_message"),
        ({"callback_query": {"id": "1"}}, "callback_query"),
        ({"no word": {}}, "unknown"),
        ({}, "nothing"),
    ],
)
def test_what_is_nobodys_conversation_is_passed(update: dict[str, object], kind: str) -> None:
    assert parsed({"update_id": 1, **update}) == Passed(kind=kind)


@pytest.mark.parametrize("body", [b"{", [], {}, {"update_id": "x"}, {"update_id": 1, "message": {**BASE, "chat": 1}}])
def test_another_shape_is_not_understood(body: object) -> None:
    with pytest.raises(NotUnderstoodError):
        parsed(body)


@patiently
@given(bodies(*PAYLOADS))
def test_nothing_but_not_understood_comes_out(body: bytes) -> None:
    check_parsing(TELEGRAM, delivery(body), ACCOUNT)


@patiently
@given(replies(SENT, {"ok": False, "error_code": 429, "description": "x", "parameters": {"retry_after": 3}}))
def test_no_answer_raises(reply: HttpReply) -> None:
    check_outcome(TELEGRAM, reply, TEXT)


def test_a_text_goes_plain_and_names_what_it_answers() -> None:
    request = TELEGRAM.request_of(replace(TEXT, reply_to="5001:9"), ACCOUNT)

    assert (request.method, request.url) == ("POST", "https://telegram.example/bot77:abc/sendMessage")
    assert json.loads(request.body) == {
        "chat_id": "5001",
        "text": "hi & <b>",
        "reply_parameters": {"message_id": 9, "allow_sending_without_reply": True},
    }


@pytest.mark.parametrize(
    ("mime", "size_bytes", "method", "key"),
    [
        ("image/png", 3, "sendPhoto", "photo"),
        ("image/jpeg", 10_000_000, "sendPhoto", "photo"),
        ("image/png", 10_000_001, "sendDocument", "document"),
        ("video/mp4", 3, "sendVideo", "video"),
        ("audio/mpeg", 3, "sendAudio", "audio"),
        ("application/pdf", 3, "sendDocument", "document"),
    ],
)
def test_a_file_is_uploaded_as_what_it_is(mime: str, size_bytes: int, method: str, key: str) -> None:
    file = OutgoingFile(name='a"\r\nb', mime=mime, size_bytes=size_bytes, url="https://x.example", content=b"\0\1")
    request = TELEGRAM.request_of(replace(TEXT, file=file), ACCOUNT)
    boundary = request.headers["Content-Type"].partition("boundary=")[2].encode()

    assert request.url.endswith(f"/{method}")
    chat, caption, content, end = request.body.split(b"--" + boundary)[1:]
    assert chat.startswith(b'\r\nContent-Disposition: form-data; name="chat_id"\r\nContent-Type: text/plain; ')
    assert chat.endswith(b"\r\n\r\n5001\r\n")
    assert caption.endswith(b"\r\n\r\nhi & <b>\r\n")
    assert f'name="{key}"; filename="a%22%0D%0Ab"\r\nContent-Type: {mime}\r\n\r\n\0\1\r\n'.encode() in content
    assert end == b"--\r\n"


@pytest.mark.parametrize(
    "outgoing",
    [
        replace(TEXT, text="x" * 4097),
        replace(TEXT, text=" "),
        replace(TEXT, template=TemplateUse(name="a", language="en")),
        replace(TEXT, reply_to="wamid.1"),
        replace(TEXT, file=OutgoingFile(name="a", mime="a/b", size_bytes=50_000_001, url="", content=b"")),
        replace(TEXT, file=OutgoingFile(name="a", mime="a/b", size_bytes=1, url="")),
        replace(TEXT, text="x" * 1025, file=OutgoingFile(name="a", mime="a/b", size_bytes=1, url="", content=b"")),
    ],
)
def test_what_cannot_go_is_refused_before(outgoing: Outgoing) -> None:
    with pytest.raises(RefusedError) as refused:
        TELEGRAM.request_of(outgoing, ACCOUNT)

    assert refused.value.code == "content_refused"


def test_an_answer_says_what_became_of_it() -> None:
    assert outcome(200, SENT) == Sent(provider_message_id="5001:10")
    assert failed(429, "Too Many Requests: retry after 7", parameters={"retry_after": 7}) == Again(
        after_ms=7000, scope="account", detail="Too Many Requests: retry after 7"
    )
    assert isinstance(outcome(502, SENT), Uncertain)
    assert isinstance(failed(500, "Internal Server Error"), Uncertain)
    assert isinstance(outcome(200, {"ok": True, "result": True}), Uncertain)
    assert isinstance(TELEGRAM.outcome_of(HttpReply(status=200, body=b"<html>"), TEXT), Uncertain)


@pytest.mark.parametrize(
    ("code", "description", "ours"),
    [
        (403, "Forbidden: bot was blocked by the user", "recipient_opted_out"),
        (403, "Forbidden: bot can't initiate conversation with a user", "recipient_opted_out"),
        (403, "Forbidden: user is deactivated", "recipient_unknown"),
        (400, "Bad Request: chat not found", "recipient_unknown"),
        (400, "Bad Request: user not found", "recipient_unknown"),
        (400, "Bad Request: PEER_ID_INVALID", "recipient_unknown"),
        (400, "Bad Request: message is too long", "content_refused"),
        (401, "Unauthorized", "not_authorised"),
        (404, "Not Found", "not_authorised"),
        (409, "Conflict", "409"),
    ],
)
def test_an_error_has_our_code(code: int, description: str, ours: str) -> None:
    assert failed(code, description) == Refused(code=ours, detail=description)


def test_a_file_that_the_front_server_finds_too_large_is_refused() -> None:
    assert outcome(413, "<html>") == Refused(code="content_refused", detail="the file is too large")


def test_a_customers_file_comes_in_two_steps_and_never_in_three() -> None:
    media = MediaRef(id="doc")
    first = TELEGRAM.media_request(media, ACCOUNT)
    answer = {"ok": True, "result": {"file_id": "doc", "file_path": "documents/file 1.pdf"}}
    told = HttpReply(status=200, headers={"content-type": "application/json"}, body=json.dumps(answer).encode())
    second = TELEGRAM.media_next(media, ACCOUNT, told)

    assert (first.url, json.loads(first.body)) == ("https://telegram.example/bot77:abc/getFile", {"file_id": "doc"})
    assert second is not None
    assert second.url == "https://telegram.example/file/bot77:abc/documents/file%201.pdf"
    evil = replace(told, headers={"content-type": "application/octet-stream"})
    assert TELEGRAM.media_next(media, ACCOUNT, evil) is None
    up = json.dumps({"ok": True, "result": {"file_path": "../../bot"}}).encode()
    assert TELEGRAM.media_next(media, ACCOUNT, replace(told, body=up)) is None


def test_registration_gives_the_current_secret() -> None:
    request = TELEGRAM.registration(ACCOUNT)

    assert request is not None
    assert request.url == "https://telegram.example/bot77:abc/setWebhook"
    assert json.loads(request.body) == {
        "url": ACCOUNT.webhook_url,
        "secret_token": "now",
        "allowed_updates": ["message", "edited_message", "message_reaction", "my_chat_member"],
    }
    assert TELEGRAM.answer(delivery({})).status == 200
