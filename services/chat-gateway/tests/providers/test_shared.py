from dataclasses import replace

import pytest
from chat_gateway.providers.line import Line
from chat_gateway.providers.shared import check, judged, passed, place, wait_ms
from chat_gateway.providers.slack import Slack
from chat_gateway.providers.telegram import Telegram
from chat_gateway.providers.twilio import TwilioSms, TwilioWhatsApp
from chat_gateway.providers.viber import Viber
from gatewaykit.domain.content import TemplateUse
from gatewaykit.domain.provider import (
    Capabilities,
    HttpReply,
    NotUnderstoodError,
    Outcome,
    Outgoing,
    OutgoingFile,
    Passed,
    Provider,
    RefusedError,
    Sent,
    Uncertain,
)

CAPABILITIES = Capabilities(text_max=5, caption_max=2, file_types=("image/*",), file_bytes_max=9)
TEXT = Outgoing(reference="r", counterpart="c", text="12345")
FILE = OutgoingFile(name="a", mime="image/png", size_bytes=9, url="u")


@pytest.mark.parametrize("outgoing", [TEXT, replace(TEXT, text="12", file=FILE), replace(TEXT, text="", file=FILE)])
def test_what_fits_passes(outgoing: Outgoing) -> None:
    check(outgoing, CAPABILITIES)


@pytest.mark.parametrize(
    "outgoing",
    [
        replace(TEXT, text="123456"),
        replace(TEXT, text="\n"),
        replace(TEXT, text="123", file=FILE),
        replace(TEXT, text="", file=replace(FILE, size_bytes=10)),
        replace(TEXT, text="", file=replace(FILE, mime="text/image/png")),
        replace(TEXT, text="", template=TemplateUse(name="a", language="en")),
    ],
)
def test_what_does_not_is_refused(outgoing: Outgoing) -> None:
    with pytest.raises(RefusedError):
        check(outgoing, CAPABILITIES)


def test_a_channel_without_captions_says_so() -> None:
    with pytest.raises(RefusedError, match="a message of its own"):
        check(replace(TEXT, text="1", file=FILE), replace(CAPABILITIES, caption_max=0))


@pytest.mark.parametrize(
    ("header", "expected_ms"),
    [("30", 30_000), ("0", 7), ("", 7), ("-1", 7), ("soon", 7), ("\u0663", 7), ("9" * 9, 3_600_000), ("9" * 99, 7)],
)
def test_the_provider_says_how_long_to_wait_within_bounds(header: str, expected_ms: int) -> None:
    assert wait_ms(HttpReply(status=429, headers={"retry-after": header}), otherwise_ms=7) == expected_ms


def test_a_failed_server_and_an_answer_of_another_shape_say_nothing() -> None:
    def believes(_: HttpReply) -> Outcome:
        return Sent(provider_message_id="1")

    def doubts(_: HttpReply) -> Outcome:
        raise NotUnderstoodError("no id")

    assert judged(believes, HttpReply(status=499)) == Sent(provider_message_id="1")
    assert judged(believes, HttpReply(status=500)) == Uncertain(detail="HTTP 500")
    assert judged(doubts, HttpReply(status=200)) == Uncertain(detail="HTTP 200: no id")


def test_a_place_is_a_geo_uri_and_what_is_said_of_it() -> None:
    assert place({"a": 1.5, "b": "-2"}, "a", "b", None, "Office") == "geo:1.5,-2\nOffice"
    assert place({"a": 0.00001, "b": 123.4567891}, "a", "b") == "geo:0.00001,123.4567891"
    wrongs: list[object] = [None, [], True, "", "\0", "\ud800", "north", "nan", "1e9", 181, "9" * 5000]
    for wrong in wrongs:
        with pytest.raises(NotUnderstoodError):
            place({"a": 1, "b": wrong}, "a", "b")


@pytest.mark.parametrize("word", ["", "a b", "\u00e4", "\ud800", "x" * 65])
def test_only_words_become_labels(word: str) -> None:
    assert passed(word) == Passed(kind="unknown")
    assert passed("unfollow") == Passed(kind="unfollow")


@pytest.mark.parametrize(
    ("provider", "name", "channel", "secrets"),
    [
        (Telegram(), "telegram", "telegram", ("bot_token", "webhook_secret")),
        (TwilioSms(), "twilio", "sms", ("auth_token",)),
        (TwilioWhatsApp(), "twilio", "whatsapp", ("auth_token",)),
        (Slack(), "slack", "slack", ("signing_secret", "bot_token")),
        (Line(), "line", "line", ("channel_secret", "access_token")),
        (Viber(), "viber", "viber", ("auth_token",)),
    ],
)
def test_configuration_finds_a_provider_by_its_words(
    provider: Provider, name: str, channel: str, secrets: tuple[str, ...]
) -> None:
    assert (provider.name, provider.channel, provider.secrets) == (name, channel, secrets)
