import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from chat_gateway.providers.slack import Slack
from chat_gateway.testing.mangling import bodies, check_outcome, check_parsing, patiently, replies
from gatewaykit.domain.content import Identifier, MediaRef, TemplateUse
from gatewaykit.domain.provider import (
    Account,
    Again,
    Echo,
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
    StaleError,
    Uncertain,
    Unsent,
    WebAnswer,
    WebRequest,
)
from hypothesis import given

SLACK: Provider = Slack()
# The example of the page "Verifying requests from Slack".
SECRET, STAMP = "8f742231b10e8888abcd99yyyzzz85a5", 1531420618
PUBLISHED_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
PUBLISHED = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
NOW_MS = STAMP * 1000
ACCOUNT = Account(
    tenant_id="acme",
    address="acme",
    channel="slack",
    provider="slack",
    account_id="T1",
    api_url="https://slack.example/api",
    webhook_url="https://centre.example/hooks/slack/1",
    secrets={"signing_secret": ("now", SECRET), "bot_token": ("xoxb-1",)},
)
SAID = {
    "type": "message",
    "channel": "D1",
    "channel_type": "im",
    "user": "U1",
    "team": "T1",
    "text": "a &lt; b &amp; c",
    "ts": "1700000000.123456",
    "event_ts": "1700000000.123456",
}
FILE = {
    "id": "F1",
    "name": "a.pdf",
    "mimetype": "application/pdf",
    "size": 2138,
    "mode": "hosted",
    "url_private": "https://files.slack.com/files-pri/T1-F1/a.pdf",
    "url_private_download": "https://files.slack.com/files-pri/T1-F1/download/a.pdf",
}
EDITED = {**SAID, "text": "a", "edited": {"user": "U1", "ts": "1700000060.000000"}}
CHANGED = {
    "type": "message",
    "subtype": "message_changed",
    "channel": "D1",
    "channel_type": "im",
    "ts": "1700000061.000200",
    "message": EDITED,
    "previous_message": SAID,
}
DELETED = {
    "type": "message",
    "subtype": "message_deleted",
    "channel": "D1",
    "channel_type": "im",
    "ts": "1700000070.000300",
    "deleted_ts": SAID["ts"],
    "previous_message": SAID,
}
METADATA = {"event_type": "centralino_message", "event_payload": {"reference": "r1"}}
OURS = {**SAID, "user": "UBOT", "bot_id": "B1", "app_id": "A1", "ts": "1700000002.000000", "text": "hi"}
REACTION = {
    "type": "reaction_added",
    "user": "U1",
    "reaction": "thumbsup",
    "item": {"type": "message", "channel": "D1", "ts": "1700000002.000000"},
    "event_ts": "1700000080.000400",
}
POSTED = {
    "type": "message_metadata_posted",
    "app_id": "A1",
    "channel_id": "D1",
    "message_ts": "1700000002.000000",
    "metadata": METADATA,
}
TEXT = Outgoing(reference="3f2c0f4e-0000-4000-8000-000000000001", counterpart="D1", text="a < b & c")
PICTURE = OutgoingFile(name="a.png", mime="image/png", size_bytes=9, url="https://files.example/a")


def envelope(event: object) -> dict[str, object]:
    return {
        "type": "event_callback",
        "team_id": "T2",
        "api_app_id": "A1",
        "event_id": "Ev1",
        "event_time": 1700000000,
        "authorizations": [{"team_id": "T1", "user_id": "UBOT", "is_bot": True}],
        "event": event,
    }


def delivery(body: object, signature: str = "", stamp: object = STAMP) -> WebRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"x-slack-signature": signature, "x-slack-request-timestamp": str(stamp)}
    return WebRequest(method="POST", url=ACCOUNT.webhook_url, headers=headers, query={}, body=raw)


def signature(secret: str, body: bytes, stamp: int = STAMP) -> str:
    return "v0=" + hmac.new(secret.encode(), b"v0:%d:" % stamp + body, hashlib.sha256).hexdigest()


def parsed(event: object) -> Item:
    (item,) = SLACK.parse(delivery(envelope(event)), ACCOUNT, now_ms=0)
    return item


def received(**message: object) -> Received:
    item = parsed({**SAID, **message})
    assert isinstance(item, Received)
    return item


def outcome(body: object, status: int = 200, **headers: str) -> Outcome:
    return SLACK.outcome_of(HttpReply(status=status, headers=headers, body=json.dumps(body).encode()), TEXT)


@pytest.mark.parametrize("given_", [PUBLISHED, signature("now", PUBLISHED_BODY)])
@pytest.mark.parametrize("later_ms", [-300_000, 0, 300_000])
def test_the_published_signature_fits_for_five_minutes(given_: str, later_ms: int) -> None:
    SLACK.verify(delivery(PUBLISHED_BODY, given_), ACCOUNT, now_ms=NOW_MS + later_ms)


@pytest.mark.parametrize("later_ms", [-300_001, 300_001])
def test_it_is_stale_before_and_after(later_ms: int) -> None:
    with pytest.raises(StaleError):
        SLACK.verify(delivery(PUBLISHED_BODY, PUBLISHED), ACCOUNT, now_ms=NOW_MS + later_ms)


@pytest.mark.parametrize(
    ("body", "given_", "stamp"),
    [
        (PUBLISHED_BODY + b" ", PUBLISHED, STAMP),
        (PUBLISHED_BODY, PUBLISHED[:-1] + "0", STAMP),
        (PUBLISHED_BODY, PUBLISHED.removeprefix("v0="), STAMP),
        (PUBLISHED_BODY, signature("other", PUBLISHED_BODY), STAMP),
        (PUBLISHED_BODY, PUBLISHED, STAMP + 1),
        (PUBLISHED_BODY, PUBLISHED, ""),
        (PUBLISHED_BODY, PUBLISHED, f"{STAMP}.0"),
        (PUBLISHED_BODY, PUBLISHED, "9" * 5000),
        (PUBLISHED_BODY, "", STAMP),
    ],
)
def test_every_other_one_is_forged(body: bytes, given_: str, stamp: object) -> None:
    for now_ms in (NOW_MS, NOW_MS + 10**9):
        with pytest.raises(ForgedError):
            SLACK.verify(delivery(body, given_, stamp), ACCOUNT, now_ms=now_ms)


def test_a_challenge_goes_back_and_nothing_else_does() -> None:
    asked = json.dumps({"type": "url_verification", "token": "x", "challenge": "3eZbrw1aB"}).encode()
    said = json.dumps(envelope({**SAID, "text": "url_verification"})).encode()

    assert SLACK.handshake(delivery(asked, signature("now", asked)), ACCOUNT) == WebAnswer(body=b"3eZbrw1aB")
    assert SLACK.handshake(delivery(said, signature("now", said)), ACCOUNT) is None
    assert SLACK.handshake(delivery(envelope(SAID)), ACCOUNT) is None


def test_a_message_says_who_where_and_when() -> None:
    assert parsed(SAID) == Received(
        provider_message_id="D1:1700000000.123456",
        account_id="T1",
        counterpart="D1",
        identifiers=(Identifier(type="slack_user_id", value="T1:U1", verified=True),),
        text="a < b & c",
        sent_at_ms=1_700_000_000_123,
    )


def test_a_user_is_one_of_their_own_workspace_and_the_installation_is_ours() -> None:
    alone = envelope(SAID) | {"authorizations": None}
    (item,) = SLACK.parse(delivery(alone), ACCOUNT, now_ms=0)

    assert received(user_team="T9").identifiers[0].value == "T9:U1"
    assert isinstance(item, Received)
    assert item.account_id == "T2"


@pytest.mark.parametrize(
    ("markup", "plain"),
    [
        ("see <https://a.example|a>!", "see a (https://a.example)!"),
        ("<https://a.example|a.example>", "https://a.example"),
        ("<https://a.example>", "https://a.example"),
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("<@U2|bo> in <#C1|general> <!here>", "bo in general !here"),
        ("<@U2>", "@U2"),
        ("open < end", "open < end"),
        ("&amp;lt;", "&lt;"),
        ("a -&gt; b", "a -> b"),
    ],
)
def test_markup_becomes_plain_text(markup: str, plain: str) -> None:
    assert received(text=markup).text == plain


def test_answers_in_threads_name_the_first_message() -> None:
    assert received(thread_ts="1699999999.000100").reply_to == "D1:1699999999.000100"
    assert received(thread_ts=SAID["ts"]).reply_to is None


def test_files_of_slack_are_fetched_and_those_of_others_are_links() -> None:
    drive = {**FILE, "id": "F2", "is_external": True, "url_private": "https://d.example", "url_private_download": None}
    foreign = {**FILE, "id": "F3", "url_private_download": "https://files.slack.com.evil/x"}
    hidden = {"id": "F4", "file_access": "check_file_info"}
    said = received(subtype="file_share", files=[FILE, drive, foreign, hidden, {**FILE, "mode": "tombstone"}])

    assert said.media == (
        MediaRef(
            id="F1",
            url="https://files.slack.com/files-pri/T1-F1/download/a.pdf",
            name="a.pdf",
            mime="application/pdf",
            size_bytes=2138,
        ),
        MediaRef(id="F4"),
    )
    assert said.text == "a < b & c\nhttps://d.example\nhttps://files.slack.com.evil/x"


def test_an_edit_names_what_it_replaces_and_two_in_one_second_differ() -> None:
    first, second = parsed(CHANGED), parsed({**CHANGED, "ts": "1700000061.000300"})

    assert isinstance(first, Received)
    assert isinstance(second, Received)
    assert (first.edits, first.text) == ("D1:1700000000.123456", "a")
    assert first.provider_message_id != second.provider_message_id
    assert first.sent_at_ms == 1_700_000_061_000


def test_a_deletion_takes_the_message_back_also_one_with_a_thread_below() -> None:
    unsent = Unsent(provider_message_id="D1:1700000000.123456", account_id="T1", counterpart="D1")
    tombstone = {**SAID, "subtype": "tombstone", "user": "USLACKBOT", "text": "This message was deleted."}

    assert parsed(DELETED) == unsent
    assert parsed({**CHANGED, "message": tombstone}) == unsent


def test_our_own_message_is_an_echo_with_our_reference() -> None:
    echo = Echo(
        provider_message_id="D1:1700000002.000000",
        account_id="T1",
        counterpart="D1",
        reference="r1",
        text="hi",
        sent_at_ms=1_700_000_002_000,
    )

    assert parsed({**OURS, "metadata": METADATA}) == echo
    assert parsed({**OURS, "subtype": "bot_message", "metadata": METADATA}) == echo
    assert parsed(POSTED) == replace(echo, text="")
    assert parsed(OURS) == replace(echo, reference=None)
    assert parsed({**OURS, "metadata": {**METADATA, "event_type": "theirs"}}) == replace(echo, reference=None)


def test_a_reaction_is_said_of_its_message() -> None:
    said = parsed(REACTION)

    assert isinstance(said, Received)
    assert (said.text, said.reply_to) == (":thumbsup:", "D1:1700000002.000000")
    assert said.attributes == {"kind": "reaction"}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({**SAID, "channel": "C1", "channel_type": "channel"}, "group_message"),
        ({**SAID, "channel": "G1", "channel_type": "mpim"}, "group_message"),
        ({**SAID, "subtype": "channel_join"}, "channel_join"),
        ({**SAID, "user": None}, "message"),
        ({**CHANGED, "message": {**SAID, "attachments": []}}, "message_changed"),
        ({**CHANGED, "message": {**EDITED, "text": SAID["text"]}}, "message_changed"),
        ({**CHANGED, "message": {**EDITED, "bot_id": "B1"}}, "message_changed"),
        ({**DELETED, "previous_message": OURS}, "message_deleted"),
        ({**REACTION, "item": {"type": "message", "channel": "C1", "ts": "1.2"}}, "reaction_added"),
        ({**POSTED, "channel_id": "C1"}, "message_metadata_posted"),
        ({"type": "app_home_opened"}, "app_home_opened"),
    ],
)
def test_what_is_nobodys_conversation_is_passed(event: object, kind: str) -> None:
    assert parsed(event) == Passed(kind=kind)


def test_a_warning_of_slacks_is_passed() -> None:
    limited = delivery({"type": "app_rate_limited", "minute_rate_limited": 1518467820})

    assert SLACK.parse(limited, ACCOUNT, now_ms=0) == [Passed(kind="app_rate_limited")]


@pytest.mark.parametrize("body", [b"payload=%7B%7D", {}, envelope(None), envelope({**SAID, "ts": "now"})])
def test_another_shape_is_not_understood(body: object) -> None:
    with pytest.raises(NotUnderstoodError):
        SLACK.parse(delivery(body), ACCOUNT, now_ms=0)


EVENTS = (SAID, {**SAID, "files": [FILE]}, CHANGED, DELETED, {**OURS, "metadata": METADATA}, REACTION, POSTED)


@patiently
@given(bodies(*map(envelope, EVENTS)))
def test_nothing_but_not_understood_comes_out(body: bytes) -> None:
    check_parsing(SLACK, delivery(body), ACCOUNT)


@patiently
@given(replies({"ok": True, "channel": "D1", "ts": "1.2"}, {"ok": False, "error": "channel_not_found"}))
def test_no_answer_raises(reply: HttpReply) -> None:
    check_outcome(SLACK, reply, TEXT)


def test_a_text_goes_as_it_is_with_our_reference() -> None:
    request = SLACK.request_of(TEXT, ACCOUNT)

    assert (request.method, request.url) == ("POST", "https://slack.example/api/chat.postMessage")
    assert request.headers["Authorization"] == "Bearer xoxb-1"
    assert json.loads(request.body) == {
        "channel": "D1",
        "text": "a &lt; b &amp; c",
        "mrkdwn": False,
        "metadata": {"event_type": "centralino_message", "event_payload": {"reference": TEXT.reference}},
    }


def test_a_picture_is_a_block_and_its_text_another() -> None:
    message = json.loads(SLACK.request_of(replace(TEXT, file=PICTURE), ACCOUNT).body)
    alone = json.loads(SLACK.request_of(replace(TEXT, text="", file=PICTURE), ACCOUNT).body)

    assert message["blocks"] == [
        {"type": "section", "text": {"type": "plain_text", "text": "a < b & c"}},
        {"type": "image", "image_url": "https://files.example/a", "alt_text": "a.png"},
    ]
    assert ([block["type"] for block in alone["blocks"]], alone["text"]) == (["image"], "a.png")


@pytest.mark.parametrize(
    "outgoing",
    [
        replace(TEXT, text="x" * 4001),
        replace(TEXT, template=TemplateUse(name="t", language="en")),
        replace(TEXT, file=replace(PICTURE, mime="application/pdf")),
    ],
)
def test_what_cannot_go_is_refused_before(outgoing: Outgoing) -> None:
    with pytest.raises(RefusedError):
        SLACK.request_of(outgoing, ACCOUNT)


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        ("channel_not_found", "recipient_unknown"),
        ("is_archived", "recipient_unknown"),
        ("messages_tab_disabled", "recipient_opted_out"),
        ("invalid_auth", "not_authorised"),
        ("token_revoked", "not_authorised"),
        ("missing_scope", "not_authorised"),
        ("msg_too_long", "content_refused"),
        ("invalid_blocks", "content_refused"),
        ("as_user_not_supported", "as_user_not_supported"),
    ],
)
def test_a_refusal_has_our_code(error: str, ours: str) -> None:
    assert outcome({"ok": False, "error": error}) == Refused(code=ours, detail=error)


def test_an_answer_says_what_became_of_it() -> None:
    assert outcome({"ok": True, "channel": "D1", "ts": "1.2"}) == Sent(provider_message_id="D1:1.2")
    assert outcome({"ok": False, "error": "ratelimited"}, 429, **{"retry-after": "30"}) == Again(
        after_ms=30_000, scope="account", detail="ratelimited"
    )
    assert outcome({"ok": False, "error": "rate_limited"}) == Again(
        after_ms=1000, scope="account", detail="rate_limited"
    )
    assert isinstance(SLACK.outcome_of(HttpReply(status=429, body=b"slow"), TEXT), Again)
    for error in ("fatal_error", "internal_error", "service_unavailable"):
        assert isinstance(outcome({"ok": False, "error": error}), Uncertain)
    for unsure in (outcome({"ok": False}), outcome({"ok": True}), outcome([]), outcome({"ok": True}, status=503)):
        assert isinstance(unsure, Uncertain)


def test_a_file_is_fetched_with_the_token_of_slack_alone() -> None:
    here = SLACK.media_request(MediaRef(id="F1", url="https://files.slack.com/a"), ACCOUNT)
    simulated = SLACK.media_request(MediaRef(id="F1", url="https://slack.example/a"), ACCOUNT)

    assert here.headers == simulated.headers == {"Authorization": "Bearer xoxb-1"}
    for url in ("https://evil.example/a", "http://files.slack.com/a", "https://slack.com.evil/a", "https://[/"):
        assert SLACK.media_request(MediaRef(id="F1", url=url), ACCOUNT).headers == {}


def test_a_hidden_file_comes_in_two_steps_and_never_in_three() -> None:
    media = MediaRef(id="F/1")
    told = HttpReply(status=200, body=json.dumps({"ok": True, "file": {**FILE, "id": "F/1"}}).encode())
    second = SLACK.media_next(media, ACCOUNT, told)

    assert SLACK.media_request(media, ACCOUNT).url == "https://slack.example/api/files.info?file=F%2F1"
    assert second is not None
    assert (second.url, second.headers) == (FILE["url_private_download"], {"Authorization": "Bearer xoxb-1"})
    assert SLACK.media_next(replace(media, id="F2"), ACCOUNT, told) is None
    assert SLACK.media_next(replace(media, url="https://files.slack.com/a"), ACCOUNT, told) is None
    evil = json.dumps({"file": {"id": "F/1", "url_private": "https://evil.example"}}).encode()
    assert SLACK.media_next(media, ACCOUNT, replace(told, body=evil)) is None


def test_nothing_is_registered_and_the_answer_is_empty() -> None:
    assert SLACK.registration(ACCOUNT) is None
    assert SLACK.answer(delivery({})) == WebAnswer()
