from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from chat_gateway.providers.instagram import Instagram
from chat_gateway.providers.messenger import Messenger
from chat_gateway.providers.meta import Meanings, appsecret_proof, graph_outcome, graph_url, hub_signature
from chat_gateway.providers.whatsapp import WhatsApp
from chat_gateway.testing.meta_samples import account, delivery, error, outgoing, reply
from gatewaykit.domain.provider import (
    Account,
    Again,
    ForgedError,
    HttpReply,
    Outcome,
    Passed,
    Provider,
    Refused,
    RefusedError,
    Sent,
    Uncertain,
    WebRequest,
)

PROVIDERS: tuple[Provider, ...] = (WhatsApp(), Messenger(), Instagram())
BODY = rb'{"object":"page","text":"\u00e4"}'
SIGNATURE = "sha256=4f4cf7834ff077c8d54acc82b379f7b8a8ff6275ad4642994f96b6c2825f3d57"
"""By `openssl dgst -sha256 -hmac app-secret`."""

every_provider = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)


def request(*, body: bytes = BODY, **headers: str) -> WebRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebRequest(method="POST", url="https://centre.example/hook", headers=named, query={}, body=body)


def question(method: str = "GET", **query: str) -> WebRequest:
    named = {f"hub.{name}": value for name, value in query.items()}
    return WebRequest(method=method, url="https://centre.example/hook", headers={}, query=named, body=b"")


def outcome(answer: HttpReply, sent: str | None = None) -> Outcome:
    return graph_outcome(answer, Meanings(codes={}), sent=sent)


def test_the_signature_is_that_of_published_examples() -> None:
    # GitHub signs by the same header and publishes this example in "Validating webhook deliveries".
    published = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    assert hub_signature(b"It's a Secret to Everybody", b"Hello, World!") == published
    assert hub_signature(b"app-secret", BODY) == SIGNATURE


@every_provider
def test_a_delivery_signed_with_either_secret_is_believed(provider: Provider) -> None:
    provider.verify(request(x_hub_signature_256=SIGNATURE), account(), now_ms=0)
    provider.verify(delivery({"a": 1}, secret="secret-before"), account(), now_ms=0)


FORGED = {
    "missing": request(),
    "empty": request(x_hub_signature_256=""),
    "of another secret": delivery({"a": 1}, secret="other"),
    "of an empty secret": delivery({"a": 1}, secret=""),
    "without its scheme": request(x_hub_signature_256=SIGNATURE.removeprefix("sha256=")),
    "of the old scheme": request(x_hub_signature="sha1=" + "0" * 40),
    "cut": request(x_hub_signature_256=SIGNATURE[:-1]),
    "changed": request(x_hub_signature_256=SIGNATURE[:-1] + "0"),
    "not ASCII": request(x_hub_signature_256=SIGNATURE[:-1] + "\u00e9"),
    "of another body": request(x_hub_signature_256=SIGNATURE, body=BODY + b" "),
    "of the same JSON": request(x_hub_signature_256=SIGNATURE, body='{"object":"page","text":"ä"}'.encode()),
}


@every_provider
@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_a_delivery_with_a_wrong_signature_is_forged(provider: Provider, forged: WebRequest) -> None:
    with pytest.raises(ForgedError):
        provider.verify(forged, account(), now_ms=0)


@every_provider
def test_an_account_without_secrets_believes_nothing(provider: Provider) -> None:
    bare = replace(account(), secrets={"app_secret": ("",)})

    with pytest.raises(ForgedError):
        provider.verify(delivery({"a": 1}, secret=""), bare, now_ms=0)
    with pytest.raises(ForgedError):
        provider.verify(delivery({"a": 1}), replace(bare, secrets={}), now_ms=0)
    with pytest.raises(ForgedError):
        provider.handshake(question(mode="subscribe", verify_token="", challenge="1"), bare)


@every_provider
def test_the_handshake_echoes_the_challenge_for_either_token(provider: Provider) -> None:
    for token in ("verify-token", "token-before"):
        answer = provider.handshake(question(mode="subscribe", verify_token=token, challenge="1158201444"), account())

        assert answer is not None
        assert (answer.status, answer.body, answer.content_type) == (200, b"1158201444", "text/plain")


@every_provider
def test_a_handshake_with_a_wrong_token_is_forged(provider: Provider) -> None:
    for query in ({"verify_token": "wrong"}, {"verify_token": ""}, {}):
        with pytest.raises(ForgedError):
            provider.handshake(question(mode="subscribe", challenge="1", **query), account())


@every_provider
def test_other_requests_are_no_handshake(provider: Provider) -> None:
    token = {"verify_token": "verify-token"}

    assert provider.handshake(question("POST", mode="subscribe", **token), account()) is None
    assert provider.handshake(question(mode="unsubscribe", **token), account()) is None
    assert provider.handshake(question(), account()) is None


@every_provider
def test_a_delivery_of_another_product_is_passed(provider: Provider) -> None:
    items = provider.parse(delivery({"object": "user", "entry": [{"id": "1"}]}), account(), now_ms=0)

    assert list(items) == [Passed(kind="object")]
    assert provider.answer(delivery({})).status == 200


def test_urls_name_the_version_and_escape_what_came_from_outside() -> None:
    older = replace(account(), options={"graph_version": "v24.0"})

    assert graph_url(account(), "1", "messages") == "https://graph.example/v25.0/1/messages"
    assert graph_url(older, "../x?y", a="b&c") == "https://graph.example/v24.0/..%2Fx%3Fy?a=b%26c"


def test_the_proof_is_the_token_signed_by_the_app() -> None:
    # By `printf access-token | openssl dgst -sha256 -hmac app-secret`.
    proof = "dbf9c72b4c8f56924f8e07138f6d465c69cb5c9dbca908ce1403e993e1a5f799"

    assert appsecret_proof(account()) == proof
    for provider in PROVIDERS[1:]:
        sent = provider.request_of(outgoing(text="Hello"), account(provider.channel))
        assert parse_qs(urlsplit(sent.url).query) == {"appsecret_proof": [proof]}
        assert sent.headers["Authorization"] == "Bearer access-token"
        assert b"access-token" not in sent.url.encode() + sent.body


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (error(0), "not_authorised"),
        (error(3, status=500), "not_authorised"),
        (error(10), "not_authorised"),
        (error(190, 463, status=401), "not_authorised"),
        (error(200), "not_authorised"),
        (error(299), "not_authorised"),
        (error(368), "not_authorised"),
        (error(100), "100"),
        (error(300), "300"),
        (error(999_999), "999999"),
    ],
)
def test_what_meta_will_not_send_is_refused(answer: HttpReply, expected: str) -> None:
    refused = outcome(answer)

    assert isinstance(refused, Refused)
    assert refused.code == expected
    assert "trace Ab1" in refused.detail
    assert "Something" not in refused.detail


@pytest.mark.parametrize(
    "answer",
    [
        error(1, status=500),
        error(1, 1_357_046),
        error(2, status=503),
        error(-1),
        error(100, status=500),
        error(100, status=408),
        reply(b"", 500),
        reply(b"<html>Bad gateway</html>", 502),
        reply(b"", 400),
        reply({"error": "no object"}, 400),
        reply({"error": {"code": "no number"}}, 400),
        reply({"error": {}}, 400),
        reply(b"", 200),
        reply({}, 200),
        reply({"error": {"code": 2}}, 200),
    ],
)
def test_what_may_have_been_sent_is_uncertain(answer: HttpReply) -> None:
    assert isinstance(outcome(answer), Uncertain)


def test_an_id_counts_only_in_a_good_answer() -> None:
    assert outcome(reply({}), "m1") == Sent(provider_message_id="m1")
    assert isinstance(outcome(reply({}, 500), "m1"), Uncertain)


@pytest.mark.parametrize("code", [4, 17, 32, 613])
def test_a_rate_limit_stops_the_account_for_a_while(code: int) -> None:
    again = outcome(error(code))

    assert isinstance(again, Again)
    assert (again.scope, again.after_ms) == ("account", 30_000)


def test_the_wait_is_what_the_headers_ask_for_within_bounds() -> None:
    usage = '{"123": [{"type": "messenger", "estimated_time_to_regain_access": 5}, {"type": "pages"}]}'
    asked = {
        "retry_after": ({"retry-after": "90"}, 90_000),
        "minutes": ({"x-business-use-case-usage": usage}, 300_000),
        "both": ({"retry-after": "90", "x-business-use-case-usage": usage}, 300_000),
        "too long": ({"retry-after": "99999"}, 3_600_000),
        "a date": ({"retry-after": "Sat, 28 Nov 2026 16:00:00 GMT"}, 30_000),
        "negative": ({"retry-after": "-5"}, 30_000),
        "rubbish": ({"x-business-use-case-usage": '{"1": [{"estimated_time_to_regain_access": "x"}]}'}, 30_000),
    }

    for name, (headers, after_ms) in asked.items():
        again = outcome(error(4, headers=headers))
        assert isinstance(again, Again), name
        assert again.after_ms == after_ms, name
    assert outcome(reply(b"", 429, {"retry-after": "40"})) == Again(after_ms=40_000, scope="account", detail="HTTP 429")


@every_provider
def test_nothing_and_too_much_are_refused_before_they_are_sent(provider: Provider) -> None:
    address = account(provider.channel)

    for text in ("", "x" * (provider.capabilities.text_max + 1)):
        with pytest.raises(RefusedError) as refused:
            provider.request_of(outgoing(text=text), address)
        assert refused.value.code == "content_refused"
    assert provider.request_of(outgoing(text="x" * provider.capabilities.text_max), address).method == "POST"


@every_provider
def test_an_account_has_every_secret_that_is_asked_for(provider: Provider) -> None:
    address: Account = account(provider.channel)

    assert set(provider.secrets) == set(address.secrets)
    assert provider.capabilities.window_hours == 24
