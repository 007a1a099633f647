import pytest
from email_gateway.domain.automatic import HOPS_HEADER, HOPS_MAX, classify
from email_gateway.domain.headers import Headers


def headers(*fields: tuple[str, str]) -> Headers:
    return Headers((("from", b"Anna <anna@customer.example>"), *((name, text.encode()) for name, text in fields)))


def test_a_person_may_be_answered() -> None:
    found = classify(
        headers(("auto-submitted", "no"), ("x-auto-response-suppress", "RN")), envelope_sender="a@b.example"
    )

    assert found.may_be_answered
    assert found.reasons == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("auto-submitted", "Auto-Replied; owner=a"),
        ("precedence", "LIST"),
        ("list-id", "<x>"),
        ("feedback-id", "1:2"),
        ("x-auto-response-suppress", "DR, OOF, AutoReply"),
        ("x-failed-recipients", "a@b.example"),
        ("x-loop", "<help@shop.example>"),
        (HOPS_HEADER.lower(), str(HOPS_MAX)),
    ],
)
def test_a_machine_is_not_answered(name: str, text: str) -> None:
    found = classify(
        headers((name, text)), envelope_sender="a@b.example", own_addresses=frozenset({"help@shop.example"})
    )

    assert found.reasons == ({HOPS_HEADER.lower(): "hops"}.get(name, name),)
    assert not found.may_be_answered


@pytest.mark.parametrize("sender", ["bounces+12@list.example", "MAILER-DAEMON@mx.example", "no-reply@x.example"])
def test_the_envelopes_sender_counts_too(sender: str) -> None:
    assert classify(headers(), envelope_sender=sender).reasons == ("sender",)


def test_a_null_sender_is_not_answered_and_alone_makes_no_bounce() -> None:
    found = classify(headers(), envelope_sender="")

    assert not found.may_be_answered
    assert not found.bounce
    assert classify(headers(("return-path", "<>")), envelope_sender=None) == found


def test_hops_are_counted_and_rubbish_is_none() -> None:
    assert classify(headers((HOPS_HEADER.lower(), " 2 ")), envelope_sender="a@b.example").hops == 2
    assert classify(headers((HOPS_HEADER.lower(), "9" * 5000)), envelope_sender="a@b.example").hops == 0
