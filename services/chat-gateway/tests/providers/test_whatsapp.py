import json
from dataclasses import replace

import pytest
from chat_gateway.providers.whatsapp import WhatsApp
from chat_gateway.testing.meta_samples import (
    NOW_MS,
    NUMBER,
    PHONE,
    REFERENCE,
    SENT_MS,
    SENT_SECONDS,
    USER,
    account,
    contact,
    customer_says,
    delivery,
    error,
    file,
    message,
    metadata,
    outgoing,
    reply,
    status,
    whatsapp,
)
from gatewaykit.domain.content import Identifier, MediaRef, TemplateUse, Window
from gatewaykit.domain.provider import (
    Again,
    Echo,
    HttpReply,
    HttpRequest,
    IdentityChanged,
    Item,
    NotUnderstoodError,
    Outgoing,
    Passed,
    Received,
    Refused,
    RefusedError,
    Sent,
    StatusReport,
    StatusWord,
    Uncertain,
    Unsent,
)

PROVIDER = WhatsApp()
DAY_MS = 24 * 3_600_000


def parsed(value: object) -> list[Item]:
    return list(PROVIDER.parse(delivery(value), account(), now_ms=NOW_MS))


def received(value: object) -> Received:
    (item,) = parsed(value)
    assert isinstance(item, Received)
    return item


def sent(request: HttpRequest) -> dict[str, object]:
    value = json.loads(request.body)
    assert isinstance(value, dict)
    return value


def request_of(thing: Outgoing) -> dict[str, object]:
    return sent(PROVIDER.request_of(thing, account()))


def test_a_text_says_who_wrote_when_and_until_when_to_answer() -> None:
    assert received(customer_says("text", {"body": "Hello"}, context={"id": "wamid.B1"})) == Received(
        provider_message_id="wamid.A1",
        account_id=NUMBER,
        counterpart=USER,
        identifiers=(
            Identifier(type="phone", value=f"+{PHONE}", verified=True),
            Identifier(type="whatsapp_user_id", value=USER, verified=True),
            Identifier(type="whatsapp_username", value="sheena", verified=True),
        ),
        text="Hello",
        name="Sheena Nelson",
        reply_to="wamid.B1",
        sent_at_ms=SENT_MS,
        window=Window(opens_at_ms=SENT_MS, closes_at_ms=SENT_MS + DAY_MS, basis="customer_message"),
    )


def test_a_customer_without_a_phone_number_is_known_by_the_user_id() -> None:
    nameless = message("text", {"body": "Hi"}, **{"from": None})
    item = received(whatsapp({"contacts": [contact(phone=None)], "messages": [nameless]}))

    assert item.counterpart == USER
    assert [one.type for one in item.identifiers] == ["whatsapp_user_id", "whatsapp_username"]


def test_a_customer_without_a_user_id_is_known_by_the_phone_number() -> None:
    old = message("text", {"body": "Hi"}, from_user_id=None)
    item = received(whatsapp({"contacts": [contact(user=None)], "messages": [old]}))

    assert item.counterpart == PHONE


def test_a_lone_contact_belongs_to_a_lone_sender_whose_numbers_differ() -> None:
    brazilian = message("text", {"body": "Oi"}, **{"from": "5551999323182", "from_user_id": None})
    item = received(whatsapp({"contacts": [contact(phone="555199323182")], "messages": [brazilian]}))

    assert (item.counterpart, item.name) == (USER, "Sheena Nelson")


def test_two_senders_in_one_delivery_are_not_mixed_up() -> None:
    first = message("text", {"body": "1"}, from_user_id=None)
    second = message("text", {"body": "2"}, **{"from": "4915112345678", "from_user_id": None, "id": "wamid.A2"})
    one, other = parsed(
        whatsapp({"contacts": [contact(phone="4915112345678", user="DE.7"), contact()], "messages": [first, second]})
    )
    stranger, known = parsed(whatsapp({"contacts": [contact()], "messages": [second, first]}))

    assert isinstance(one, Received)
    assert isinstance(other, Received)
    assert (one.counterpart, other.counterpart) == (USER, "DE.7")
    assert isinstance(stranger, Received)
    assert isinstance(known, Received)
    assert (stranger.counterpart, stranger.name, known.counterpart) == ("4915112345678", None, USER)


def test_a_message_of_nobody_is_not_understood() -> None:
    with pytest.raises(NotUnderstoodError):
        parsed(whatsapp({"messages": [message("text", {"body": "Hi"}, **{"from": "", "from_user_id": None})]}))


def test_one_delivery_is_about_several_numbers() -> None:
    other = {"metadata": metadata("777"), "messages": [message("text", {"body": "Hi"})]}
    items = parsed(whatsapp({"messages": [message("text", {"body": "Hi"})], "statuses": [status("sent")]}, other))

    assert [getattr(item, "account_id", None) for item in items] == [NUMBER, NUMBER, "777"]


@pytest.mark.parametrize("kind", ["image", "audio", "video", "document", "sticker"])
def test_a_file_comes_by_its_id(kind: str) -> None:
    digest = "81d3bd8a8db4868c9520ed47186e8b7c5789e61ff79f7f834be6950b808a90d3"
    base64 = "gdO9io20hoyVIO1HGG6LfFeJ5h/3n3+DS+aVC4CKkNM="
    node = {"caption": "Look", "filename": "a.pdf", "mime_type": "image/jpeg", "id": 2_754_859_441_498_128}

    item = received(customer_says(kind, {**node, "sha256": base64, "url": "https://lookaside.example"}))

    media = MediaRef(id="2754859441498128", name="a.pdf", mime="image/jpeg", sha256=digest)
    assert (item.text, item.media, item.attributes) == ("Look", (media,), {})
    assert received(customer_says(kind, {**node, "sha256": digest})).media == (media,)
    for rubbish in ("z" * 64, "????", "YQ=="):
        assert received(customer_says(kind, {**node, "sha256": rubbish})).media == (replace(media, sha256=None),)


def test_types_without_words_are_put_into_words() -> None:
    place = {"latitude": 37.4847, "longitude": -122, "name": "Campus", "address": "1 Way", "url": "https://a.example"}
    card = {"name": {"formatted_name": "Ann"}, "phones": [{"phone": "+1 650"}], "emails": [{"email": "a@b.example"}]}
    asked = {"vcard": "BEGIN:VCARD", "phones": [{"phone": PHONE}]}
    items = [
        {"product_retailer_id": "SKU-1", "quantity": 2, "item_price": 9.5, "currency": "EUR"},
        {"product_retailer_id": "SKU-2", "quantity": 1, "item_price": 1_234_567.8, "currency": "EUR"},
    ]
    said = {
        "location": (place, "geo:37.4847,-122\nCampus\n1 Way\nhttps://a.example"),
        "contacts": ([card, asked], f"Ann, +1 650, a@b.example\n{PHONE}"),
        "order": ({"catalog_id": "1", "text": "Please", "product_items": items}, None),
    }

    for kind, (content, text) in said.items():
        item = received(customer_says(kind, content))
        assert item.text == (text or "Please\n2 x SKU-1, 9.5 EUR\n1 x SKU-2, 1234567.8 EUR")
        assert item.attributes == {"kind": kind}


def test_answers_to_buttons_lists_and_forms_carry_what_was_chosen() -> None:
    button = received(customer_says("button", {"text": "Yes", "payload": "YES"}))
    chosen = received(customer_says("interactive", {"type": "list_reply", "list_reply": {"id": "p1", "title": "DHL"}}))
    pressed = received(
        customer_says("interactive", {"type": "button_reply", "button_reply": {"id": "b1", "title": "Stop"}})
    )
    form = {"name": "flow", "body": "Sent", "response_json": '{"size":"L"}'}
    filled = received(customer_says("interactive", {"type": "nfm_reply", "nfm_reply": form}))

    assert (button.text, button.attributes) == ("Yes", {"payload": "YES"})
    assert (chosen.text, chosen.attributes) == ("DHL", {"kind": "list_reply", "payload": "p1"})
    assert (pressed.text, pressed.attributes) == ("Stop", {"kind": "button_reply", "payload": "b1"})
    assert (filled.text, filled.attributes) == ('{"size":"L"}', {"kind": "nfm_reply"})


def test_a_reaction_answers_a_message_and_taking_it_back_is_passed() -> None:
    item = received(customer_says("reaction", {"message_id": "wamid.B1", "emoji": "\U0001f44d"}))

    assert (item.text, item.reply_to, item.attributes) == ("\U0001f44d", "wamid.B1", {"kind": "reaction"})
    assert parsed(customer_says("reaction", {"message_id": "wamid.B1"})) == [Passed(kind="reaction taken back")]
    assert parsed(customer_says("reaction", {"message_id": "wamid.B1", "emoji": ""})) == [
        Passed(kind="reaction taken back")
    ]


@pytest.mark.parametrize("kind", ["unsupported", "unknown", "poll", "hologram"])
def test_what_cannot_be_shown_is_still_a_message(kind: str) -> None:
    item = received(customer_says(kind, {"x": 1}, errors=[{"code": 131_051, "title": "Unsupported message type"}]))

    assert (item.text, item.attributes) == ("", {"kind": "unsupported"})


def test_an_advertisement_is_named_and_leaves_the_window_as_it_is() -> None:
    referral = {"source_url": "https://fb.example", "source_type": "ad", "source_id": "123", "ctwa_clid": "A"}
    item = received(customer_says("text", {"body": "Hi"}, referral=referral))

    assert item.attributes == {"referral": "ad", "referral_id": "123"}
    assert item.window == Window(opens_at_ms=SENT_MS, closes_at_ms=SENT_MS + DAY_MS, basis="customer_message")


def test_an_edit_replaces_and_a_revocation_erases_the_original() -> None:
    text = {"original_message_id": "wamid.A0", "message": {"type": "text", "text": {"body": "Better"}}}
    edit = received(customer_says("edit", text))
    (unsent,) = parsed(customer_says("revoke", {"original_message_id": "wamid.A0"}))

    assert (edit.provider_message_id, edit.edits, edit.text, edit.window) == ("wamid.A1", "wamid.A0", "Better", None)
    assert unsent == Unsent(provider_message_id="wamid.A0", account_id=NUMBER, counterpart=USER)


def test_a_message_of_the_future_opens_no_longer_window() -> None:
    late = received(customer_says("text", {"body": "Hi"}, timestamp=str(SENT_SECONDS + 100_000)))
    timeless = received(customer_says("text", {"body": "Hi"}, timestamp=None))

    assert late.window == timeless.window
    assert late.window is not None
    assert late.window.closes_at_ms == NOW_MS + DAY_MS


def test_who_changes_the_number_is_called_otherwise_and_others_are_heard() -> None:
    told = {"body": "x", "previous_user_id": "US.1", "user_id": "US.2"}
    number = {**told, "type": "user_changed_number", "wa_id": "12195555358", "parent_user_id": "US.ENT.2"}
    alone = {**told, "type": "user_changed_user_id"}
    messages = [{"id": f"s{n}", "type": "system", "system": system} for n, system in enumerate((number, alone))]
    phone, by_id, said = parsed(whatsapp({"messages": [*messages, message("text", {"body": "Hi"})]}))

    assert by_id == IdentityChanged(
        account_id=NUMBER,
        counterpart="US.1",
        to="US.2",
        identifiers=(Identifier(type="whatsapp_user_id", value="US.2", verified=True),),
        gone=("phone", "whatsapp_user_id", "whatsapp_parent_user_id"),
    )
    assert isinstance(phone, IdentityChanged)
    assert [(each.type, each.value) for each in phone.identifiers] == [
        ("phone", "+12195555358"),
        ("whatsapp_user_id", "US.2"),
        ("whatsapp_parent_user_id", "US.ENT.2"),
    ]
    assert isinstance(said, Received)


def test_what_concerns_no_conversation_is_passed() -> None:
    changed = {"body": "User A changed from 1 to 2", "wa_id": "12195555358", "type": "user_changed_number"}
    system = message("system", changed, from_user_id=None)

    assert parsed(whatsapp({"messages": [system]})) == [Passed(kind="system")]
    assert parsed(customer_says("request_welcome", {})) == [Passed(kind="request_welcome")]
    assert parsed(customer_says("text", {"body": "Hi"}, group_id="Y2FwaV9ncm91cDox")) == [Passed(kind="group")]
    assert parsed(whatsapp({"event": "APPROVED"}, field="message_template_status_update")) == [
        Passed(kind="message_template_status_update")
    ]
    assert parsed(whatsapp({"errors": [{"code": 131_057}]})) == [Passed(kind="errors")]
    assert parsed(whatsapp({"statuses": [status("warning")]})) == [Passed(kind="status warning")]


@pytest.mark.parametrize(("word", "ours"), [("sent", "sent"), ("delivered", "delivered"), ("played", "read")])
def test_a_status_names_the_message_and_our_reference(word: str, ours: StatusWord) -> None:
    more = {"conversation": {"id": "c", "origin": {"type": "service"}}, "pricing": {"billable": True}}

    assert parsed(whatsapp({"statuses": [status(word, **more)]})) == [
        StatusReport(
            account_id=NUMBER,
            status=ours,
            provider_message_id="wamid.B2",
            reference=REFERENCE,
            at_ms=SENT_MS,
        )
    ]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (-1, None),
        (0, "not_authorised"),
        (131_047, "window_closed"),
        (131_026, "recipient_unknown"),
        (131_049, "131049"),
        (131_056, "131056"),
    ],
)
def test_a_failed_status_says_why(number: int, code: str | None) -> None:
    errors = [{"code": number, "title": "Failed", "error_data": {"details": f"{PHONE} is not there"}}]
    (report,) = parsed(whatsapp({"statuses": [status("failed", errors=errors, recipient_user_id=None)]}))

    assert isinstance(report, StatusReport)
    assert (report.status, report.code) == ("failed", code)
    assert report.detail == f"Meta's error {number}: Failed"


@pytest.mark.parametrize("field", ["smb_message_echoes", "message_echoes"])
def test_messages_of_the_business_app_are_echoes_without_our_reference(field: str) -> None:
    head = {"from": "15550783881", "to": PHONE, "id": "wamid.E1", "timestamp": SENT_SECONDS}
    text = {**head, "type": "text", "text": {"body": "By phone"}}
    image = {**head, "to_user_id": USER, "type": "image", "image": {"id": "1", "caption": "Look"}}
    gone = {**head, "type": "revoke", "revoke": {"original_message_id": "wamid.E0"}}

    by_phone, look, revoked = parsed(whatsapp({"message_echoes": [text, image, gone]}, field=field))

    assert by_phone == Echo(
        provider_message_id="wamid.E1",
        account_id=NUMBER,
        counterpart=PHONE,
        text="By phone",
        sent_at_ms=SENT_MS,
    )
    assert isinstance(look, Echo)
    assert (look.counterpart, look.text, revoked) == (USER, "Look", Passed(kind="echo revoke"))


def test_a_text_goes_to_the_phone_number_with_our_reference() -> None:
    request = PROVIDER.request_of(outgoing(text="Hello", reply_to="wamid.A1"), account())

    assert (request.method, request.url) == ("POST", f"https://graph.example/v25.0/{NUMBER}/messages")
    assert request.headers == {"Authorization": "Bearer access-token", "Content-Type": "application/json"}
    assert sent(request) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": PHONE,
        "type": "text",
        "text": {"body": "Hello", "preview_url": False},
        "biz_opaque_callback_data": REFERENCE,
        "context": {"message_id": "wamid.A1"},
    }


def test_a_user_id_is_written_to_only_while_no_phone_number_is_known() -> None:
    by_id = outgoing(text="Hello", counterpart=USER)
    by_phone = replace(by_id, identifiers=(Identifier(type="phone", value=f"+{PHONE}"),))

    changed = replace(by_id, identifiers=(Identifier(type="whatsapp_user_id", value="US.2"),))

    assert request_of(by_id)["recipient"] == USER
    assert request_of(changed)["recipient"] == "US.2"
    assert "to" not in request_of(by_id)
    assert request_of(by_phone)["to"] == PHONE
    assert "recipient" not in request_of(by_phone)


def test_a_template_names_its_language_and_fills_its_places() -> None:
    filled = request_of(outgoing(template=TemplateUse(name="late", language="de", variables=("Ann", "3"))))
    bare = request_of(outgoing(template=TemplateUse(name="hello", language="en_US")))

    parameters = [{"type": "text", "text": "Ann"}, {"type": "text", "text": "3"}]
    assert filled["template"] == {
        "name": "late",
        "language": {"code": "de"},
        "components": [{"type": "body", "parameters": parameters}],
    }
    assert bare["template"] == {"name": "hello", "language": {"code": "en_US"}, "components": []}


def test_a_file_goes_as_a_link_of_its_kind() -> None:
    image = request_of(outgoing(text="Map", file=file()))
    document = request_of(outgoing(file=file("application/pdf")))
    sound = request_of(outgoing(file=file("audio/ogg")))

    assert (image["type"], image["image"]) == ("image", {"link": "https://files.example/map", "caption": "Map"})
    assert document["document"] == {"link": "https://files.example/map", "filename": "map.png"}
    assert sound["audio"] == {"link": "https://files.example/map"}


@pytest.mark.parametrize(
    "thing",
    [
        outgoing(file=file("application/zip")),
        outgoing(file=file(size_bytes=5_000_001)),
        outgoing(text="Listen", file=file("audio/ogg")),
        outgoing(text="x" * 1025, file=file()),
    ],
)
def test_a_file_that_whatsapp_does_not_carry_is_refused(thing: Outgoing) -> None:
    with pytest.raises(RefusedError) as refused:
        PROVIDER.request_of(thing, account())

    assert refused.value.code == "content_refused"


@pytest.mark.parametrize("mime", PROVIDER.capabilities.file_types)
def test_every_type_that_is_named_goes_up_to_its_size(mime: str) -> None:
    sizes = {"image": 5_000_000, "video": 16_000_000, "audio": 16_000_000}
    size = sizes.get(mime.partition("/")[0], 100_000_000)
    value = request_of(outgoing(file=file(mime, size)))

    assert value["type"] == (mime.partition("/")[0] if size < 100_000_000 else "document")
    with pytest.raises(RefusedError):
        request_of(outgoing(file=file(mime, size + 1)))


def test_a_message_that_was_taken_is_sent() -> None:
    good = {"messaging_product": "whatsapp", "contacts": [{"input": PHONE}], "messages": [{"id": "wamid.B2"}]}

    assert PROVIDER.outcome_of(reply(good), outgoing(text="x")) == Sent(provider_message_id="wamid.B2")
    odds: list[object] = [{"messages": []}, {"messages": [{}]}, {"messages": 1}, {"messages": [{"id": {}}]}]
    for odd in odds:
        assert isinstance(PROVIDER.outcome_of(reply(odd), outgoing(text="x")), Uncertain)


REFUSALS = {
    "window_closed": (131_047,),
    "recipient_unknown": (131_026,),
    "recipient_opted_out": (131_050,),
    "not_authorised": (0, 10, 190, 200, 368, 130_497, 131_005, 131_031, 131_042, 131_045, 133_010),
    "content_refused": (131_051, 131_052, 131_053, 132_000, 132_001, 132_005, 132_007, 132_012, 132_015, 132_016),
    "131049": (131_049,),
    "131062": (131_062,),
    "131030": (131_030,),
}


@pytest.mark.parametrize(("number", "code"), [(number, code) for code, all_ in REFUSALS.items() for number in all_])
def test_a_refusal_has_our_code_or_metas(number: int, code: str) -> None:
    outcome = PROVIDER.outcome_of(error(number), outgoing(text="x"))

    assert isinstance(outcome, Refused)
    assert outcome.code == code


@pytest.mark.parametrize(
    ("number", "scope", "after_ms"),
    [
        (4, "account", 30_000),
        (80_007, "account", 30_000),
        (130_429, "account", 1_000),
        (131_048, "account", 900_000),
        (131_056, "pair", 6_000),
        (131_057, "account", 60_000),
    ],
)
def test_a_limit_is_waited_for(number: int, scope: str, after_ms: int) -> None:
    outcome = PROVIDER.outcome_of(error(number), outgoing(text="x"))

    assert isinstance(outcome, Again)
    assert (outcome.scope, outcome.after_ms) == (scope, after_ms)


@pytest.mark.parametrize("answer", [error(131_000, status=500), error(131_016, status=503), reply(b"", 502)])
def test_a_fault_at_metas_side_is_uncertain(answer: HttpReply) -> None:
    assert isinstance(PROVIDER.outcome_of(answer, outgoing(text="x")), Uncertain)


def test_a_file_is_fetched_in_two_steps() -> None:
    media = MediaRef(id="27/54")
    url = "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=27"
    first = PROVIDER.media_request(media, account())
    second = PROVIDER.media_next(media, account(), reply({"url": url, "id": "27/54", "mime_type": "image/jpeg"}))

    assert first.url == f"https://graph.example/v25.0/27%2F54?phone_number_id={NUMBER}"
    assert second == HttpRequest(method="GET", url=url, headers={"Authorization": "Bearer access-token"})
    assert PROVIDER.media_next(media, account(), reply(b"\xff\xd8\xff")) is None
    with pytest.raises(RefusedError):
        PROVIDER.media_request(MediaRef(url="https://lookaside.fbsbx.com/x"), account())


@pytest.mark.parametrize(
    "answer",
    [
        reply({"url": "https://lookaside.fbsbx.com/x", "id": "28"}),
        reply({"url": "https://evil.example/x", "id": "27"}),
        reply({"url": "https://evilfbsbx.com/x", "id": "27"}),
        reply({"url": "https://lookaside.fbsbx.com@evil.example/x", "id": "27"}),
        reply({"url": "http://lookaside.fbsbx.com/x", "id": "27"}),
        reply({"url": "https://[x", "id": "27"}),
        reply({"url": 1, "id": "27"}),
        reply({"url": "https://lookaside.fbsbx.com/x", "id": "27"}, 400),
    ],
)
def test_the_token_goes_to_meta_alone(answer: HttpReply) -> None:
    assert PROVIDER.media_next(MediaRef(id="27"), account(), answer) is None


def test_a_simulators_files_lie_at_its_own_address() -> None:
    answer = reply({"url": "https://graph.example/files/27", "id": "27"})

    assert PROVIDER.media_next(MediaRef(id="27"), account(), answer) is not None


def test_the_webhook_is_registered_where_the_business_account_is_known() -> None:
    known = replace(account(), options={"business_account_id": "102290129340398"})
    request = PROVIDER.registration(known)

    assert PROVIDER.registration(account()) is None
    assert request is not None
    assert request.url == "https://graph.example/v25.0/102290129340398/subscribed_apps"
    assert sent(request) == {
        "override_callback_uri": "https://centre.example/chat/v1/hooks/whatsapp",
        "verify_token": "verify-token",
    }
