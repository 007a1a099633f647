import json
from dataclasses import replace

import pytest
from chat_gateway.providers.instagram import Instagram
from chat_gateway.providers.messenger import Messenger
from chat_gateway.testing.meta_samples import (
    APP,
    CUSTOMER,
    NOW_MS,
    PAGE,
    REFERENCE,
    SENT_MS,
    account,
    delivery,
    echo,
    error,
    event,
    file,
    messaging,
    outgoing,
    reply,
)
from gatewaykit.domain.content import Identifier, MediaRef, TemplateUse, Window
from gatewaykit.domain.provider import (
    Again,
    Echo,
    HttpRequest,
    Item,
    NotUnderstoodError,
    Outgoing,
    Passed,
    Provider,
    Received,
    Refused,
    RefusedError,
    Sent,
    StatusReport,
    StatusWord,
    Uncertain,
    Unsent,
    WindowChanged,
)

MESSENGER, INSTAGRAM = Messenger(), Instagram()
DAY_MS = 24 * 3_600_000
WINDOW = Window(opens_at_ms=SENT_MS, closes_at_ms=SENT_MS + DAY_MS, basis="customer_message")
WEEK = Window(opens_at_ms=SENT_MS, closes_at_ms=SENT_MS + 7 * DAY_MS, basis="advertisement")

both = pytest.mark.parametrize("provider", [MESSENGER, INSTAGRAM], ids=lambda provider: provider.name)


def parsed(*events: dict[str, object], provider: Provider = MESSENGER) -> list[Item]:
    object_ = "instagram" if provider is INSTAGRAM else "page"
    value = messaging(*events, object_=object_)
    return list(provider.parse(delivery(value), account(provider.channel), now_ms=NOW_MS))


def received(kind: str, content: object, *, provider: Provider = MESSENGER) -> Received:
    (item,) = parsed(event(kind, content), provider=provider)
    assert isinstance(item, Received)
    return item


def sent(thing: Outgoing, *, provider: Provider = MESSENGER) -> dict[str, object]:
    value = json.loads(provider.request_of(thing, account(provider.channel)).body)
    assert isinstance(value, dict)
    return value


@both
def test_a_text_says_who_wrote_when_and_until_when_to_answer(provider: Provider) -> None:
    content = {"mid": "m_1", "text": "Hello", "reply_to": {"mid": "m_0"}, "quick_reply": {"payload": "RED"}}
    identifier = "messenger_psid" if provider is MESSENGER else "instagram_igsid"

    assert received("message", content, provider=provider) == Received(
        provider_message_id="m_1",
        account_id=PAGE,
        counterpart=CUSTOMER,
        identifiers=(Identifier(type=identifier, value=CUSTOMER, verified=True),),
        text="Hello",
        reply_to="m_0",
        sent_at_ms=SENT_MS,
        window=WINDOW,
        attributes={"payload": "RED"},
    )


def test_one_delivery_is_about_several_pages() -> None:
    entries = [{"id": page, "messaging": [event("read", {"watermark": 1})]} for page in (PAGE, "77")]
    items = MESSENGER.parse(delivery({"object": "page", "entry": entries}), account("messenger"), now_ms=NOW_MS)

    assert [getattr(item, "account_id", None) for item in items] == [PAGE, "77"]


@pytest.mark.parametrize("kind", ["image", "audio", "video", "file", "sticker", "reel", "ig_reel"])
def test_a_file_comes_by_its_url(kind: str) -> None:
    attachment = {"type": kind, "payload": {"url": "https://cdn.example/1", "title": "Reel"}}
    item = received("message", {"mid": "m_1", "attachments": [attachment, attachment]})

    assert (item.text, item.media) == ("", (MediaRef(url="https://cdn.example/1"),) * 2)
    assert item.attributes == {}


def test_a_link_is_text_and_never_fetched() -> None:
    link = {"type": "fallback", "payload": {"url": "https://shop.example", "title": "Shop"}}
    older = {"type": "fallback", "title": "Shop", "url": "https://shop.example"}

    for attachment in (link, older):
        item = received("message", {"mid": "m_1", "text": "https://shop.example", "attachments": [attachment]})
        assert (item.text, item.media) == ("https://shop.example\nShop", ())


def test_what_cannot_be_shown_is_still_a_message() -> None:
    for content in ({"mid": "m_1"}, {"mid": "m_1", "is_unsupported": True}, {"mid": "m_1", "attachments": []}):
        item = received("message", content, provider=INSTAGRAM)
        assert (item.text, item.media, item.attributes) == ("", (), {"kind": "unsupported"})


def test_stories_that_are_answered_or_name_the_account_say_so() -> None:
    story = {"story": {"url": "https://cdn.example/story", "id": "9"}}
    answered = received("message", {"mid": "m_1", "text": "Wow", "reply_to": story}, provider=INSTAGRAM)
    mention = {"type": "story_mention", "payload": {"url": "https://cdn.example/mention"}}
    named = received("message", {"mid": "m_2", "attachments": [mention]}, provider=INSTAGRAM)

    assert (answered.media, answered.reply_to) == ((MediaRef(url="https://cdn.example/story"),), None)
    assert answered.attributes == {"kind": "story_reply"}
    assert (named.media, named.attributes) == (
        (MediaRef(url="https://cdn.example/mention"),),
        {"kind": "story_mention"},
    )


def test_an_advertisement_opens_the_window_for_seven_days() -> None:
    referral = {"ref": "spring", "ad_id": 6045246247433, "source": "ADS", "type": "OPEN_THREAD"}
    item = received("message", {"mid": "m_1", "text": "Hi", "referral": referral})
    (changed,) = parsed(event("referral", referral))

    assert item.window == WEEK
    assert item.attributes == {"referral": "ads", "referral_id": "6045246247433", "ref": "spring"}
    assert changed == WindowChanged(account_id=PAGE, counterpart=CUSTOMER, window=WEEK)


def test_a_link_into_the_conversation_opens_the_window_for_a_day() -> None:
    (changed,) = parsed(event("referral", {"ref": "a", "source": "SHORTLINK", "type": "OPEN_THREAD"}))

    assert changed == WindowChanged(account_id=PAGE, counterpart=CUSTOMER, window=WINDOW)


def test_a_button_that_was_pressed_says_what_the_customer_saw() -> None:
    referral = {"ref": "a", "source": "SHORTLINK"}
    item = received("postback", {"mid": "m_1", "title": "Start", "payload": "GET_STARTED", "referral": referral})
    old = received("postback", {"title": "Start", "payload": "x" * 600})

    assert (item.provider_message_id, item.text, item.window) == ("m_1", "Start", WINDOW)
    assert item.attributes == {"kind": "postback", "payload": "GET_STARTED", "referral": "shortlink", "ref": "a"}
    assert old.attributes == {"kind": "postback", "payload": "x" * 500}
    assert old.provider_message_id == f"postback:{CUSTOMER}:{SENT_MS}"


def test_a_reaction_answers_a_message_and_taking_it_back_is_passed() -> None:
    content = {"reaction": "love", "emoji": "\u2764\ufe0f", "action": "react", "mid": "m_0"}
    item = received("reaction", content)

    assert (item.text, item.reply_to, item.window) == ("\u2764\ufe0f", "m_0", WINDOW)
    assert item.attributes == {"kind": "reaction"}
    assert item.provider_message_id == f"reaction:m_0:{CUSTOMER}:{SENT_MS}"
    assert parsed(event("reaction", {**content, "action": "unreact"})) == [Passed(kind="reaction taken back")]


def test_an_edit_replaces_and_a_message_taken_back_is_erased() -> None:
    edit = received("message_edit", {"mid": "m_1", "text": "Better", "num_edit": 2})
    (unsent,) = parsed(event("message", {"mid": "m_1", "is_deleted": True}), provider=INSTAGRAM)

    assert (edit.provider_message_id, edit.edits, edit.text, edit.window) == ("edit:m_1:2", "m_1", "Better", None)
    assert unsent == Unsent(provider_message_id="m_1", account_id=PAGE, counterpart=CUSTOMER)
    assert parsed(event("message_edit", {"mid": "m_1", "num_edit": 0})) == [Passed(kind="message_edit without text")]


def report(status: StatusWord, *, provider_message_id: str | None = None, up_to_ms: int | None = None) -> StatusReport:
    return StatusReport(
        account_id=PAGE,
        status=status,
        provider_message_id=provider_message_id,
        up_to_ms=up_to_ms,
        counterpart=CUSTOMER,
        at_ms=SENT_MS,
    )


def test_delivery_and_reading_come_by_message_and_up_to_a_time() -> None:
    assert parsed(event("delivery", {"mids": ["m_1", "m_2"], "watermark": 1_458_668_856_253})) == [
        report("delivered", provider_message_id="m_1"),
        report("delivered", provider_message_id="m_2"),
        report("delivered", up_to_ms=1_458_668_856_253),
    ]
    assert parsed(event("delivery", {"watermark": 7})) == [report("delivered", up_to_ms=7)]
    assert parsed(event("read", {"watermark": 7})) == [report("read", up_to_ms=7)]
    assert parsed(event("read", {"mid": "m_1"}), provider=INSTAGRAM) == [report("read", provider_message_id="m_1")]


def test_our_own_messages_come_back_with_our_reference() -> None:
    (ours,) = parsed(echo(app_id=int(APP), metadata=REFERENCE, text="Hello"))

    assert ours == Echo(
        provider_message_id="m_E1",
        account_id=PAGE,
        counterpart=CUSTOMER,
        reference=REFERENCE,
        text="Hello",
        sent_at_ms=SENT_MS,
    )


@pytest.mark.parametrize(
    "content",
    [{"app_id": 263902037430900, "metadata": REFERENCE}, {"metadata": REFERENCE}, {"app_id": int(APP)}, {}],
)
def test_what_left_by_the_inbox_or_another_app_has_no_reference(content: dict[str, object]) -> None:
    (item,) = parsed(echo(**content))

    assert isinstance(item, Echo)
    assert (item.counterpart, item.reference) == (CUSTOMER, None)


def test_a_message_from_the_account_is_an_echo_even_if_it_does_not_say_so() -> None:
    (item,) = parsed(echo(is_echo=False, text="Hello"))
    to_itself = {**echo(), "recipient": {"id": PAGE}}

    assert isinstance(item, Echo)
    assert parsed(to_itself) == [Passed(kind="our own message")]
    assert parsed(echo(is_deleted=True)) == [Passed(kind="echo deleted")]
    assert parsed({**echo(), "message": None, "read": {"mid": "m_1"}}) == [Passed(kind="our own read")]


def test_what_concerns_no_conversation_is_passed() -> None:
    optin = event("optin", {"type": "notification_messages"})
    policy = {"recipient": {"id": PAGE}, "timestamp": SENT_MS, "policy_enforcement": {"action": "block"}}
    plugin = {**event("message", {"mid": "m_1", "text": "Hi"}), "sender": {"user_ref": "ref"}}
    more = messaging(standby=[event("message", {"mid": "m_1"})], changes=[{"field": "feed", "value": {}}])

    strange = {**event("x", {}), "\ud800\0": {}}
    del strange["x"]

    assert parsed(strange) == [Passed(kind="?")]
    assert parsed(optin, policy, plugin, {}) == [
        Passed(kind="optin"),
        Passed(kind="policy_enforcement"),
        Passed(kind="message"),
        Passed(kind="nothing"),
    ]
    assert list(MESSENGER.parse(delivery(more), account("messenger"), now_ms=NOW_MS)) == [
        Passed(kind="standby"),
        Passed(kind="feed"),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        event("message", "text"),
        event("message", {"text": "no id"}),
        event("message", {"mid": "m_1", "text": 7}),
        event("message", {"mid": "m_1", "attachments": {}}),
        event("delivery", {"mids": [1]}),
        event("read", {"watermark": -1}),
        {**event("message", {"mid": "m_1"}), "timestamp": "soon"},
        {**event("message", {"mid": "m_1"}), "sender": "me"},
    ],
)
def test_what_is_not_as_documented_is_not_understood(bad: dict[str, object]) -> None:
    with pytest.raises(NotUnderstoodError):
        parsed(bad)


def test_a_text_carries_our_reference_and_may_name_what_it_answers() -> None:
    thing = outgoing(text="Hello", reply_to="m_1", counterpart=CUSTOMER, window=WINDOW)
    request = MESSENGER.request_of(thing, account("messenger"))

    assert request.url.startswith(f"https://graph.example/v25.0/{PAGE}/messages?appsecret_proof=")
    assert sent(thing) == {
        "recipient": {"id": CUSTOMER},
        "message": {"text": "Hello", "metadata": REFERENCE},
        "messaging_type": "RESPONSE",
        "reply_to": {"mid": "m_1"},
    }
    assert INSTAGRAM.request_of(outgoing(text="Hello"), account("instagram")).url.startswith(
        "https://graph.example/v25.0/me/messages?"
    )


@both
def test_beyond_the_window_a_person_writes_with_a_tag(provider: Provider) -> None:
    value = sent(outgoing(text="Hello", window=replace(WINDOW, basis="human_agent")), provider=provider)

    assert (value["messaging_type"], value["tag"]) == ("MESSAGE_TAG", "HUMAN_AGENT")
    assert provider.capabilities.human_agent_hours == 168


@pytest.mark.parametrize(
    ("mime", "kind"),
    [("image/png", "image"), ("audio/mpeg", "audio"), ("video/mp4", "video"), ("application/pdf", "file")],
)
def test_a_file_goes_as_a_url_of_its_kind(mime: str, kind: str) -> None:
    payload = {"url": "https://files.example/map", "is_reusable": False}

    assert sent(outgoing(file=file(mime)))["message"] == {
        "attachment": {"type": kind, "payload": payload},
        "metadata": REFERENCE,
    }


@pytest.mark.parametrize(
    ("provider", "thing"),
    [
        (MESSENGER, outgoing(text="Look", file=file())),
        (MESSENGER, outgoing(file=file(size_bytes=25_000_001))),
        (MESSENGER, outgoing(template=TemplateUse(name="a", language="en"))),
        (INSTAGRAM, outgoing(file=file(size_bytes=8_000_001))),
        (INSTAGRAM, outgoing(file=file("application/zip"))),
        (INSTAGRAM, outgoing(text="\u00e4" * 501)),
        (INSTAGRAM, outgoing(text="Hello", reply_to="m_1")),
    ],
)
def test_what_the_channel_does_not_carry_is_refused(provider: Provider, thing: Outgoing) -> None:
    with pytest.raises(RefusedError) as refused:
        provider.request_of(thing, account(provider.channel))

    assert refused.value.code == "content_refused"


def test_only_messengers_echoes_resolve_what_is_uncertain() -> None:
    assert (MESSENGER.capabilities.echoes, INSTAGRAM.capabilities.echoes) == (True, False)
    assert (MESSENGER.capabilities.replies, INSTAGRAM.capabilities.replies) == (True, False)


@both
def test_files_of_the_largest_size_go(provider: Provider) -> None:
    largest = outgoing(file=file("video/quicktime", provider.capabilities.file_bytes_max))

    assert provider.request_of(largest, account(provider.channel)).method == "POST"


@both
def test_a_message_that_was_taken_is_sent(provider: Provider) -> None:
    good = {"recipient_id": CUSTOMER, "message_id": "m_2"}

    assert provider.outcome_of(reply(good), outgoing(text="x")) == Sent(provider_message_id="m_2")
    assert isinstance(provider.outcome_of(reply({"message_id": []}), outgoing(text="x")), Uncertain)
    assert isinstance(provider.outcome_of(reply({"recipient_id": CUSTOMER}), outgoing(text="x")), Uncertain)


@both
@pytest.mark.parametrize(
    ("number", "subcode", "code"),
    [
        (10, 2018278, "window_closed"),
        (10, 2018065, "window_closed"),
        (10, 2534022, "window_closed"),
        (10, 1893063, "not_authorised"),
        (10, None, "not_authorised"),
        (190, None, "not_authorised"),
        (200, 1545041, "recipient_unknown"),
        (200, 2018028, "not_authorised"),
        (230, None, "not_authorised"),
        (551, 1545041, "recipient_unknown"),
        (551, None, "recipient_unknown"),
        (100, 2018001, "recipient_unknown"),
        (100, 2534014, "recipient_unknown"),
        (100, 2018047, "content_refused"),
        (100, 2018109, "content_refused"),
        (100, None, "100"),
        (613, 1893016, "613"),
        (2022, None, "not_authorised"),
        (10904, None, "not_authorised"),
        (10903, None, "10903"),
    ],
)
def test_a_refusal_has_our_code_or_metas(provider: Provider, number: int, subcode: int | None, code: str) -> None:
    outcome = provider.outcome_of(error(number, subcode), outgoing(text="x"))

    assert isinstance(outcome, Refused)
    assert outcome.code == code


@both
def test_limits_are_waited_for_and_faults_are_uncertain(provider: Provider) -> None:
    limited = provider.outcome_of(error(613), outgoing(text="x"))
    failed = provider.outcome_of(error(1200, status=500), outgoing(text="x"))

    assert isinstance(limited, Again)
    assert limited.scope == "account"
    assert isinstance(failed, Again)
    assert failed.scope == "pair"
    for answer in (error(1, 1357046), error(2), reply(b"", 502), reply(b"?", 200)):
        assert isinstance(provider.outcome_of(answer, outgoing(text="x")), Uncertain)


@both
def test_a_file_is_fetched_at_once_and_without_the_token(provider: Provider) -> None:
    media = MediaRef(url="https://cdn.example/1")

    assert provider.media_request(media, account()) == HttpRequest(method="GET", url="https://cdn.example/1")
    assert provider.media_next(media, account(), reply({"url": "https://evil.example", "id": None})) is None
    assert provider.registration(account()) is None
    with pytest.raises(RefusedError):
        provider.media_request(MediaRef(id="1"), account())
