import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from chat_gateway.providers.twilio import TwilioSms, TwilioWhatsApp
from chat_gateway.testing.mangling import check_outcome, check_parsing, patiently, replies
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
    StatusReport,
    Uncertain,
    WebRequest,
    WindowChanged,
)
from hypothesis import given
from hypothesis import strategies as st

SMS: Provider = TwilioSms()
WHATSAPP: Provider = TwilioWhatsApp()
ACCOUNT = Account(
    tenant_id="acme",
    address="sms:acme",
    channel="sms",
    provider="twilio",
    account_id="AC1",
    api_url="https://api.example",
    webhook_url="https://centre.example/hooks/twilio/1",
    secrets={"auth_token": ("12345", "before"), "shared_key": ("shared",)},
    options={"sender": "+18005551212"},
)
NOW_MS = 1_700_000_000_000
# The example of the page "Webhooks security" and of Twilio's own libraries' tests, and what they say of it.
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FORM = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
PUBLISHED = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
JSON_BODY = b'{"property": "value", "boolean": true}'
JSON_URL = f"{URL}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
PUBLISHED_JSON = "a9nBmqA0ju/hNViExpshrM61xv4="
SETTINGS = "x-twilio-webhooks-signature-settings"
INBOUND = {
    "MessageSid": "SM1",
    "AccountSid": "AC1",
    "From": "+14158675309",
    "To": "+18005551212",
    "Body": "hello",
    "NumMedia": "0",
    "SmsStatus": "received",
}
TEXT = Outgoing(reference="3f2c0f4e-0000-4000-8000-000000000001", counterpart="+14158675309", text="h\u00e9 & you")


def delivery(form: Mapping[str, str] | bytes, url: str = ACCOUNT.webhook_url, **headers: str) -> WebRequest:
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    return WebRequest(method="POST", url=url, headers=headers, query=query, body=body)


def signed(signature: str, form: Mapping[str, str] | bytes = FORM, url: str = URL, settings: str = "") -> WebRequest:
    return delivery(form, url, **{"x-twilio-signature": signature, **({SETTINGS: settings} if settings else {})})


def hashed(key: str, text: str, name: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), text.encode(), name).digest()).decode()


def parsed(form: Mapping[str, str], provider: Provider = SMS, url: str = ACCOUNT.webhook_url) -> list[Item]:
    return list(provider.parse(delivery(form, url), ACCOUNT, now_ms=NOW_MS))


def received(provider: Provider = SMS, /, **form: str) -> Received:
    item = parsed({**INBOUND, **form}, provider)[0]
    assert isinstance(item, Received)
    return item


def outcome(status: int, body: object, **headers: str) -> Outcome:
    return SMS.outcome_of(HttpReply(status=status, headers=headers, body=json.dumps(body).encode()), TEXT)


def sent_form(outgoing: Outgoing, account: Account = ACCOUNT, provider: Provider = SMS) -> dict[str, str]:
    return dict(parse_qsl(provider.request_of(outgoing, account).body.decode(), strict_parsing=True))


@pytest.mark.parametrize(
    ("signature", "url"),
    [
        (PUBLISHED, URL),
        (PUBLISHED, "https://mycompany.com:443/myapp.php?foo=1&bar=2"),
        (PUBLISHED, "https://mycompany.com:8443/myapp.php?foo=1&bar=2"),
        ("kvajT1Ptam85bY51eRf/AJRuM3w=", URL),  # of https://mycompany.com:443/..., by openssl
        ("ZOaJEsozlsUyzk5k5fpaCxTxXDA=", "https://mycompany.com:8443/myapp.php?foo=1&bar=2"),  # as it is, by openssl
    ],
)
def test_the_published_signature_fits_with_and_without_the_port(signature: str, url: str) -> None:
    SMS.verify(signed(signature, url=url), ACCOUNT, now_ms=NOW_MS)


def test_the_published_signature_of_a_json_body_fits() -> None:
    SMS.verify(signed(PUBLISHED_JSON, JSON_BODY, JSON_URL), ACCOUNT, now_ms=NOW_MS)


@pytest.mark.parametrize(
    "request_",
    [
        signed(""),
        signed("RSOYDt4T1cUTdK1PDd93/VVr8B9="),
        signed(PUBLISHED, {**FORM, "Digits": "1235"}),
        signed(PUBLISHED, {**FORM, "More": ""}),
        signed(PUBLISHED, url=URL.replace("foo=1", "foo=2")),
        signed(PUBLISHED, url=URL.replace("https", "http")),
        signed(PUBLISHED, url="https://mycompany.com:x/"),
        signed(PUBLISHED, b"\xff"),
        signed(PUBLISHED, {str(number): "" for number in range(1001)}),
        signed(PUBLISHED_JSON, JSON_BODY.replace(b"true", b"false"), JSON_URL),
        signed(PUBLISHED_JSON, JSON_BODY, JSON_URL.replace("0a1ff", "0a1fe")),
        signed(PUBLISHED, settings="key=k,algorithm=HMAC_SHA256"),
        signed(PUBLISHED, settings="key=k,algorithm=HMAC_MD5"),
        delivery(FORM, URL),
    ],
)
def test_every_other_one_is_forged(request_: WebRequest) -> None:
    with pytest.raises(ForgedError):
        SMS.verify(request_, ACCOUNT, now_ms=NOW_MS)


def test_the_secret_before_still_opens_and_an_empty_one_never() -> None:
    text = URL + "".join(name + value for name, value in sorted(FORM.items()))

    SMS.verify(signed(hashed("before", text, "sha1")), ACCOUNT, now_ms=NOW_MS)
    with pytest.raises(ForgedError):
        SMS.verify(signed(hashed("", text, "sha1")), replace(ACCOUNT, secrets={"auth_token": ("",)}), now_ms=NOW_MS)


def test_a_rule_signs_with_its_shared_key_and_names_the_algorithm() -> None:
    text = URL + "".join(name + value for name, value in sorted(FORM.items()))

    # By openssl: no vendor's page or test has an example with HMAC-SHA256.
    openssls = signed("033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s=", settings="key=k,algorithm=HMAC_SHA256")
    SMS.verify(openssls, replace(ACCOUNT, secrets={"shared_key": ("12345",)}), now_ms=NOW_MS)
    for name, word in (("sha1", "HMAC_SHA1"), ("sha256", "HMAC_SHA256"), ("sha256", "hmac_sha256")):
        SMS.verify(signed(hashed("shared", text, name), settings=f"key=k, algorithm={word}"), ACCOUNT, now_ms=NOW_MS)
    with pytest.raises(ForgedError):
        SMS.verify(signed(hashed("12345", text, "sha256"), settings="algorithm=HMAC_SHA256"), ACCOUNT, now_ms=NOW_MS)
    with pytest.raises(ForgedError):
        SMS.verify(
            signed(hashed("12345", text, "sha1"), settings="k"),
            replace(ACCOUNT, secrets={"auth_token": ("12345",)}),
            now_ms=NOW_MS,
        )


def test_a_form_is_signed_field_by_field_even_where_the_url_holds_a_hash() -> None:
    signature = hashed("12345", f"{JSON_URL}A1", "sha1")
    form = signed(signature, b"A=1", JSON_URL)

    SMS.verify(
        replace(form, headers={**form.headers, "content-type": "application/x-www-form-urlencoded; charset=UTF-8"}),
        ACCOUNT,
        now_ms=NOW_MS,
    )
    with pytest.raises(ForgedError):
        SMS.verify(form, ACCOUNT, now_ms=NOW_MS)


def test_values_of_one_name_count_once_each_in_order() -> None:
    signature = hashed("12345", f"{URL}A1A2B", "sha1")

    SMS.verify(signed(signature, b"B=&A=2&A=1&A=2"), ACCOUNT, now_ms=NOW_MS)


def test_a_text_message_says_who_and_what() -> None:
    assert SMS.handshake(delivery(INBOUND), ACCOUNT) is None
    assert parsed(INBOUND) == [
        Received(
            provider_message_id="SM1",
            account_id="AC1",
            counterpart="+14158675309",
            identifiers=(Identifier(type="phone", value="+14158675309"),),
            text="hello",
        )
    ]


def test_whatsapp_vouches_for_the_number_names_its_owner_and_opens_a_day() -> None:
    said = received(
        WHATSAPP, From="whatsapp:+491", ProfileName="Ada", OriginalRepliedMessageSid="SM0", ButtonPayload="yes",
        ReferralSourceType="ad", ReferralSourceId="120",
    )  # fmt: skip

    assert said.identifiers == (Identifier(type="phone", value="+491", verified=True),)
    assert (said.counterpart, said.name, said.reply_to) == ("whatsapp:+491", "Ada", "SM0")
    assert said.window == Window(opens_at_ms=NOW_MS, closes_at_ms=NOW_MS + 24 * 3_600_000, basis="customer_message")
    assert said.attributes == {"payload": "yes", "referral": "ad", "referral_id": "120"}
    assert SMS.capabilities.window_hours is None


def test_who_hides_the_number_is_known_by_another_id() -> None:
    hidden, short = received(WHATSAPP, From="whatsapp:US.134912"), received(From="70123")

    assert hidden.identifiers == (Identifier(type="whatsapp_user_id", value="US.134912", verified=True),)
    assert short.identifiers == (Identifier(type="sms_sender", value="70123"),)


def test_media_and_places_are_told() -> None:
    media = {"MediaUrl0": "https://api.example/a", "MediaContentType0": "image/png", "MediaUrl1": "https://x.example"}
    said = received(NumMedia="2", **media)
    place = received(WHATSAPP, Body="", Latitude="52.520008", Longitude="13.4", Label="Office", Address="1 High St")

    assert said.media == (
        MediaRef(url="https://api.example/a", mime="image/png"),
        MediaRef(url="https://x.example"),
    )
    assert place.text == "geo:52.520008,13.4\nOffice\n1 High St"
    assert len(received(NumMedia="99999", **{f"MediaUrl{number}": "u" for number in range(20)}).media) == 10


def test_opting_out_closes_and_coming_back_opens() -> None:
    said, closed = parsed({**INBOUND, "Body": "STOP", "OptOutType": "STOP"})
    opened = parsed({**INBOUND, "OptOutType": "START"})[1]

    assert isinstance(said, Received)
    assert closed == WindowChanged(account_id="AC1", counterpart="+14158675309", window=None)
    assert isinstance(opened, WindowChanged)
    assert opened.window == Window(opens_at_ms=NOW_MS, closes_at_ms=None, basis="always")
    assert len(parsed({**INBOUND, "OptOutType": "HELP"})) == 1


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("sent", "sent"),
        ("delivered", "delivered"),
        ("read", "read"),
        ("undelivered", "failed"),
        ("failed", "failed"),
        ("canceled", "failed"),
    ],
)
def test_a_status_names_the_message_and_our_reference(word: str, ours: str) -> None:
    url = f"{ACCOUNT.webhook_url}?centralino_reference=r1"
    (report,) = parsed({"MessageSid": "SM2", "MessageStatus": word, "To": "+1", "SmsStatus": word}, url=url)

    assert report == StatusReport(
        account_id="AC1", status=ours, provider_message_id="SM2", reference="r1", counterpart="+1"  # type: ignore[arg-type]  # a word of the list above
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "ours"),
    [
        ("63016", "window_closed"),
        ("30003", "30003"),
        ("30005", "recipient_unknown"),
        ("21610", "recipient_opted_out"),
    ],
)
def test_a_failure_has_our_code_where_there_is_one(number: str, ours: str) -> None:
    (report,) = parsed({"MessageSid": "SM2", "MessageStatus": "undelivered", "ErrorCode": number})

    assert isinstance(report, StatusReport)
    assert (report.code, report.detail) == (ours, f"Twilio {number}")


@pytest.mark.parametrize("word", ["queued", "accepted", "scheduled", "sending"])
def test_a_message_on_its_way_is_no_news(word: str) -> None:
    assert parsed({"MessageSid": "SM2", "MessageStatus": word}) == [Passed(kind=word)]


@pytest.mark.parametrize("form", [b"\xff", {}, {"MessageSid": "SM1"}, {**INBOUND, "NumMedia": "x"}])
def test_another_shape_is_not_understood(form: Mapping[str, str] | bytes) -> None:
    with pytest.raises(NotUnderstoodError):
        SMS.parse(delivery(form), ACCOUNT, now_ms=NOW_MS)


@patiently
@given(
    st.dictionaries(
        st.sampled_from([*INBOUND, "MessageStatus", "ErrorCode", "Latitude", "Longitude", "OptOutType", "MediaUrl0"]),
        st.text(max_size=10) | st.sampled_from([*INBOUND.values(), "read", "STOP", "x" * 1500, "9" * 30, "\0"]),
    ),
    st.sampled_from([SMS, WHATSAPP]),
)
def test_nothing_but_not_understood_comes_out(form: dict[str, str], provider: Provider) -> None:
    check_parsing(provider, delivery(form), ACCOUNT)


@patiently
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    check_parsing(SMS, delivery(body), ACCOUNT)


@patiently
@given(replies({"sid": "SM1", "status": "queued"}, {"code": 21211, "message": "x", "status": 400}))
def test_no_answer_raises(reply: HttpReply) -> None:
    check_outcome(SMS, reply, TEXT)


def test_a_message_goes_out_with_a_callback_that_names_it() -> None:
    request = SMS.request_of(TEXT, ACCOUNT)

    assert request.url == "https://api.example/2010-04-01/Accounts/AC1/Messages.json"
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"AC1:12345").decode()
    assert sent_form(TEXT) == {
        "To": "+14158675309",
        "From": "+18005551212",
        "StatusCallback": f"{ACCOUNT.webhook_url}?centralino_reference={TEXT.reference}",
        "Body": "h\u00e9 & you",
    }


def test_a_service_sends_for_its_numbers_and_the_callback_keeps_a_query() -> None:
    account = replace(ACCOUNT, options={"sender": "MG1"}, webhook_url="https://centre.example/hooks?a=1")
    form = sent_form(TEXT, account)

    assert (form["MessagingServiceSid"], "From" in form) == ("MG1", False)
    assert form["StatusCallback"] == f"https://centre.example/hooks?a=1&centralino_reference={TEXT.reference}"


def test_an_account_that_names_no_sender_sends_nothing() -> None:
    with pytest.raises(RefusedError) as refused:
        SMS.request_of(TEXT, replace(ACCOUNT, options={}))

    assert refused.value.code == "not_authorised"


def test_a_file_goes_by_its_url_and_a_template_by_its_sid() -> None:
    file = OutgoingFile(name="a.png", mime="image/png", size_bytes=9, url="https://files.example/a?s=1")
    template = TemplateUse(name="t", language="en", variables=("Ada", "3"), attributes={"content_sid": "HX1"})
    form = sent_form(replace(TEXT, text="", template=template), provider=WHATSAPP)

    assert sent_form(replace(TEXT, file=file))["MediaUrl"] == "https://files.example/a?s=1"
    assert (form["ContentSid"], json.loads(form["ContentVariables"])) == ("HX1", {"1": "Ada", "2": "3"})
    assert "Body" not in form


@pytest.mark.parametrize(
    ("provider", "outgoing"),
    [
        (SMS, replace(TEXT, text="x" * 1601)),
        (SMS, replace(TEXT, template=TemplateUse(name="t", language="en"))),
        (WHATSAPP, replace(TEXT, text="", template=TemplateUse(name="t", language="en"))),
        (SMS, replace(TEXT, file=OutgoingFile(name="a", mime="video/mp4", size_bytes=1, url="u"))),
        (WHATSAPP, replace(TEXT, file=OutgoingFile(name="a", mime="video/mp4", size_bytes=1, url="u"))),
    ],
)
def test_what_cannot_go_is_refused_before(provider: Provider, outgoing: Outgoing) -> None:
    with pytest.raises(RefusedError):
        provider.request_of(outgoing, ACCOUNT)


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        (63016, "window_closed"),
        (21610, "recipient_opted_out"),
        (21211, "recipient_unknown"),
        (21614, "recipient_unknown"),
        (21656, "content_refused"),
        (21617, "content_refused"),
        (20003, "not_authorised"),
        (21408, "21408"),
    ],
)
def test_a_refusal_has_our_code_and_no_number_of_a_customer(code: int, ours: str) -> None:
    body = {"code": code, "message": "The 'To' number +14158675309 is not valid", "status": 400}

    assert outcome(400, body) == Refused(code=ours, detail=f"Twilio {code}")


def test_an_answer_says_what_became_of_it() -> None:
    assert outcome(201, {"sid": "SM9", "status": "queued"}) == Sent(provider_message_id="SM9")
    assert outcome(429, {"code": 20429}, **{"retry-after": "3"}) == Again(
        after_ms=3000, scope="account", detail="Twilio 20429"
    )
    assert isinstance(outcome(400, {"code": 21611}), Again)
    assert outcome(401, []) == Refused(code="not_authorised", detail="HTTP 401")
    assert isinstance(outcome(503, {"code": 20503}), Uncertain)
    assert isinstance(outcome(201, {"status": "queued"}), Uncertain)
    assert isinstance(outcome(400, {}), Uncertain)


def test_media_are_asked_with_the_password_and_its_store_without() -> None:
    media = MediaRef(url="https://api.example/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1")
    there = HttpReply(status=307, headers={"location": "https://store.example/1?signed"})

    assert "Authorization" in SMS.media_request(media, ACCOUNT).headers
    assert "Authorization" not in SMS.media_request(MediaRef(url="https://api.example.evil/"), ACCOUNT).headers
    second = SMS.media_next(media, ACCOUNT, there)
    assert second is not None
    assert (second.url, second.headers) == ("https://store.example/1?signed", {})
    assert SMS.media_next(media, ACCOUNT, HttpReply(status=200, body=b"png")) is None
    assert SMS.media_next(media, ACCOUNT, replace(there, status=200)) is None


def test_the_answer_is_empty_twiml_and_nothing_is_registered() -> None:
    assert (SMS.answer(delivery({})).body, SMS.answer(delivery({})).content_type) == (b"<Response/>", "text/xml")
    assert SMS.registration(ACCOUNT) is None
    assert hashlib.sha256(JSON_BODY).hexdigest() in JSON_URL
