"""What may be sent in a written conversation: pure."""

import pytest
from contracts.channel_limits import CHANNELS, PROVIDERS, limits_of
from contracts.channel_parts import Template
from contracts.written import WindowChanged
from pydantic import ValidationError
from router.api.models_written import MessageRequest
from router.api.written import Free, check, fitting_language, free_text
from servicekit.problems import ProblemError

HOUR_MS = 3_600_000
NOW_MS = 1_000 * HOUR_MS
WHATSAPP = PROVIDERS["whatsapp", "whatsapp"]
MESSENGER = PROVIDERS["messenger", "messenger"]
OPEN = Free(now=True)
HELLO = Template(id="hello", domain="d", address="a", name="hello", language="es", text="Hola {name}, {when}")


def window(*, opened_hours_ago: int, basis: str = "customer_message", hours: int | None = 24) -> WindowChanged:
    opens_at_ms = NOW_MS - opened_hours_ago * HOUR_MS
    return WindowChanged(
        interaction_id="i1",
        domain="d",
        opens_at_ms=opens_at_ms,
        closes_at_ms=None if hours is None else opens_at_ms + hours * HOUR_MS,
        basis=basis,
        changed_at_ms=opens_at_ms,
    )


def message(**fields: object) -> MessageRequest:
    return MessageRequest.model_validate({"message_id": "m1", **fields})


def faults(channel: str, provider: str | None = None, **fields: object) -> list[str]:
    with pytest.raises(ProblemError) as caught:
        check(message(**fields), limits_of(channel, provider), OPEN, channel=channel, template=HELLO)
    assert caught.value.status == 422
    found = caught.value.extensions["faults"]
    assert isinstance(found, list)
    return [fault["path"] for fault in found]


def test_free_text_ends_with_the_window() -> None:
    assert free_text(WHATSAPP, window(opened_hours_ago=23), NOW_MS) == Free(now=True, until_ms=NOW_MS + HOUR_MS)
    assert free_text(WHATSAPP, window(opened_hours_ago=24), NOW_MS).now is False
    assert free_text(WHATSAPP, window(opened_hours_ago=99, hours=None), NOW_MS) == Free(now=True)


def test_a_person_may_answer_for_longer_where_the_provider_says_so() -> None:
    assert free_text(MESSENGER, window(opened_hours_ago=167), NOW_MS) == Free(now=True, until_ms=NOW_MS + HOUR_MS)
    assert free_text(MESSENGER, window(opened_hours_ago=168), NOW_MS).now is False
    assert free_text(MESSENGER, window(opened_hours_ago=30, basis="human_agent"), NOW_MS).now is False
    assert free_text(WHATSAPP, window(opened_hours_ago=30, basis="advertisement", hours=72), NOW_MS).now is True


def test_nobody_knows_the_window_of_which_nothing_was_heard_and_a_block_closes_every_channel() -> None:
    assert free_text(WHATSAPP, None, NOW_MS) == Free(now=None)
    assert free_text(CHANNELS["webchat"], None, NOW_MS) == Free(now=True)
    blocked = window(opened_hours_ago=1, basis="blocked", hours=None)
    assert free_text(PROVIDERS["viber", "viber"], blocked, NOW_MS) == Free(now=False, blocked=True)


def test_who_has_blocked_us_gets_no_template_either() -> None:
    filled = message(template="hello", variables={"name": "Marta", "when": "today"})
    with pytest.raises(ProblemError) as caught:
        check(filled, WHATSAPP, Free(now=False, blocked=True), channel="whatsapp", template=HELLO)

    assert (caught.value.status, caught.value.code) == (409, "window_closed")
    assert "template" not in caught.value.detail


def test_beyond_the_window_only_a_template_goes() -> None:
    with pytest.raises(ProblemError) as caught:
        check(message(text="hi"), WHATSAPP, Free(now=False), channel="whatsapp", template=None)
    filled = message(template="hello", variables={"name": "Marta", "when": "today"})
    check(filled, WHATSAPP, Free(now=False), channel="whatsapp", template=HELLO)

    assert (caught.value.status, caught.value.code) == (409, "window_closed")
    assert "template" in caught.value.detail


def test_everything_that_the_channel_cannot_carry_is_named_at_once() -> None:
    fields = {"text": "x" * 1601, "subject": "Hi", "cc": ["a@b.example"], "mode": "reply_all", "in_reply_to": "m0"}

    assert faults("sms", "twilio", **fields) == ["/text", "/cc", "/subject", "/mode", "/in_reply_to"]
    assert faults("webchat", text="x", files=["f1"], html="<b>x</b>") == ["/html", "/files"]
    assert faults("email", text="x", files=[f"f{n}" for n in range(21)]) == ["/files"]


def test_a_template_wants_its_variables_and_no_others() -> None:
    assert faults("whatsapp", "whatsapp", template="hello", variables={"name": "M", "what": "x"}) == [
        "/variables/when",
        "/variables/what",
    ]
    mail = HELLO.model_copy(update={"subject": "{order}", "html": "<p>{name} {until}</p>"})
    assert mail.variables() == ["name", "when", "order", "until"]
    given = message(template="hello", variables=dict.fromkeys(mail.variables(), "x"), cc=["a@b.example"], subject="Hi")
    check(given, CHANNELS["email"], OPEN, channel="email", template=mail)
    assert faults("email", template="hello", variables={"name": "M", "when": "x", "order": "7"}) == ["/variables/order"]
    assert faults("telegram", "telegram", template="hello", variables={"name": "M", "when": "x"}) == ["/template"]


def test_a_mail_may_have_all_of_it_and_be_forwarded_without_a_word() -> None:
    assert message(mode="forward", to=["a@b.example"]).text == ""
    mail = {"to": ["a@b.example"], "bcc": ["c@d.example"], "subject": "Hi", "html": "<p>x</p>", "mode": "forward"}
    check(message(text="x", files=["f1"], **mail), CHANNELS["email"], OPEN, channel="email", template=None)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"text": "x", "template": "hello"},
        {"text": "x", "variables": {"a": "b"}},
        {"text": "x", "mode": "forward"},
        {"text": " \n"},
        {"text": "x", "visibility": "internal", "files": ["f1"]},
        {"text": "x" * 4001, "visibility": "internal"},
        {"text": "", "visibility": "internal"},
        {"text": "x", "to": ["a@b.example, c@d.example"]},
        {"text": "x", "to": ["a\r\nBcc: c@d.example"]},
        {"text": "x", "subject": "a\r\nBcc: c@d.example"},
        {"text": "nul \x00"},
    ],
)
def test_what_makes_no_message_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        message(**fields)


def test_regions_of_a_language_fit_each_other() -> None:
    assert fitting_language("es", "es-MX")
    assert fitting_language("pt_BR", "pt")
    assert fitting_language(None, "de")
    assert not fitting_language("es", "en")
