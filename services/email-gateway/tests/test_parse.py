import base64
from collections.abc import Callable
from dataclasses import replace

import pytest
from email_gateway.domain.charsets import beginning
from email_gateway.domain.limits import Limits
from email_gateway.domain.mail import ParsedMail
from email_gateway.domain.parse import parse_mail
from email_gateway.testing.corpus import SAMPLES
from email_gateway.testing.corpus.writing import entity, mail, multipart, text
from email_gateway.testing.fuzz.run import fuzz
from email_gateway.testing.fuzz.watch import Costs, check, exercise, timed
from hypothesis import given
from hypothesis import strategies as st

FIELDS = ("To: ", "Subject: ", "Content-Type: text/plain; ", "Content-Type: text/html", "Date: ", "References: ")


@given(st.binary(max_size=2000))
def test_any_bytes_parse(raw: bytes) -> None:
    check(raw, exercise(raw))


@given(st.sampled_from(FIELDS), st.text(max_size=200), st.text(max_size=500))
def test_any_words_in_a_field_and_a_body_parse(field: str, value: str, body: str) -> None:
    raw = mail(field.encode() + value.encode("utf-8", "surrogatepass"), body=body.encode("utf-8", "surrogatepass"))

    check(raw, exercise(raw))


def test_a_message_parses_the_same_twice() -> None:
    assert [parse_mail(one.raw) for one in SAMPLES] == [parse_mail(one.raw) for one in SAMPLES]


def test_a_short_fuzzing_finds_nothing_and_reaches_most_lines() -> None:
    found = fuzz(20260302, goes_on=lambda number: number < 150)
    rows = found.coverage.report().values()

    assert found.failure is None
    assert sum(row[0] for row in rows) / sum(row[1] for row in rows) > 0.88


def limited(**limits: int) -> Callable[[bytes], ParsedMail]:
    return lambda raw: parse_mail(raw, replace(Limits(), **limits))


THREE = multipart("mixed", text("one"), text("two"), entity('Content-Type: image/png; name="a"', body="three"))


@pytest.mark.parametrize(
    ("limits", "raw", "warning"),
    [
        ({"message_bytes_max": 300}, mail(body="x" * 500), "message_cut"),
        ({"parts_max": 2}, THREE, "parts_cut"),
        ({"depth_max": 0}, THREE, "depth_cut"),
        ({"header_bytes_max": 20}, THREE, "headers_cut"),
        ({"headers_max": 2}, THREE, "headers_cut"),
        ({"header_value_bytes_max": 20}, mail("Subject: " + "y" * 30, body="x"), "header_cut"),
        ({"addresses_max": 1}, mail("To: a@x.example, b@x.example", body="x"), "addresses_cut"),
        ({"decoded_bytes_max": 4}, THREE, "decoded_cut"),
        ({"text_chars_max": 4}, mail(body="12345"), "text_cut"),
        ({"html_chars_max": 4}, mail("Content-Type: text/html", body="12345"), "html_cut"),
        ({"html_effort_max": 1}, mail("Content-Type: text/html", body="<b><i>x"), "html_too_costly"),
        ({"html_entities_max": 1}, mail("Content-Type: text/html", body="&lt;&lt;"), "html_too_costly"),
        ({"html_work_max": 1}, mail("Content-Type: text/html", body="<b><i>x"), "html_too_costly"),
        (
            {"name_chars_max": 3},
            multipart("mixed", entity("Content-Type: a/b; name=abcdef", body="x")),
            "file_name_cut",
        ),
    ],
)
def test_what_is_over_a_limit_is_left_out_with_a_warning(limits: dict[str, int], raw: bytes, warning: str) -> None:
    assert warning in limited(**limits)(raw).warnings
    assert warning not in parse_mail(raw).warnings


def test_words_without_an_end_take_no_quadratic_time() -> None:
    name = "=? " * 10_900 + "?="
    part = entity(f'Content-Type: a/b; name="{name}"', f'Content-Disposition: attachment; filename="{name}"', body="")

    timed(multipart("mixed", *[part] * 4), Costs())


def test_pieces_of_base64_without_number_are_not_kept() -> None:
    found = parse_mail(mail("Content-Type: a/b; name=a", "Content-Transfer-Encoding: base64", body="AB==" * 600_000))

    assert "base64_rest_dropped" in found.warnings
    assert len(found.attachments[0].data) == 1


def test_files_within_files_count_too() -> None:
    attribute = b"\x02" + (0x69002).to_bytes(4, "little") + bytes(4) + bytes(2)
    data = base64.encodebytes(b"\x78\x9f\x3e\x22\0\0" + attribute * 70)
    winmail = entity("Content-Type: application/ms-tnef", "Content-Transfer-Encoding: base64", body=data)
    found = parse_mail(multipart("mixed", text("x"), winmail, winmail))

    assert len(found.attachments) == Limits().parts_max
    assert "parts_cut" in found.warnings


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b"ab\n" * 100, b"ab\n" * 13),
        (b"abc", b"abc"),
        ("äb\n".encode() * 20, None),
        ("äb\n".encode("utf-16-le") * 20, None),
        ("äb\n".encode("utf-16-be") * 20, None),
        (b"x" * 100, b"x" * 40),
    ],
)
def test_the_beginning_of_a_text_is_whole_letters(data: bytes, kept: bytes | None) -> None:
    found = beginning(data, 10)

    assert len(found) <= 40
    assert data.startswith(found)
    if kept is None:
        assert len(found) > 30
        codec = "utf-8" if b"\0" not in data else "utf-16-le" if data[1] == 0 else "utf-16-be"
        assert found.decode(codec).startswith("äb")
    else:
        assert found.rstrip(b"\n") == kept.rstrip(b"\n")


def test_a_hidden_paragraph_hides_no_other() -> None:
    found = parse_mail(
        mail("Content-Type: text/html", body='<p style="display:none">Preview<p>Where is it?</p><p>Anna</p>')
    )

    assert found.text == "Where is it?\n\nAnna"


def test_a_message_at_its_limits_is_not_cut() -> None:
    assert limited(parts_max=4, depth_max=1, text_chars_max=8, decoded_bytes_max=11)(THREE).warnings == ()


REPEATED = (
    *(
        b"<b>",
        b"<div>",
        b"<a '",
        b"&#9",
        b"</p><b id=1>",
        b"<!--",
        b"<table><td>",
        b"> a\nb\n",
        b"On 1 <a@b>\n",
        b"--\nx\n",
    ),
    *(
        b"=?utf-8?q?",
        b"=?a?b?=",
        b"(",
        b'"',
        b"<",
        b"a*0*=x;",
        b"x=y; ",
        b"\n--=_b1x",
        b"\n--=_b1\n\n",
        b"begin 644 a\n#",
    ),
)


@pytest.mark.parametrize("piece", REPEATED)
@pytest.mark.parametrize(
    "head", ["To: ", "Subject: ", "Content-Type: text/html\n\n", "Content-Type: multipart/mixed; boundary==_b1\n\n"]
)
def test_time_does_not_grow_with_the_square_of_a_message(piece: bytes, head: str) -> None:
    costs = Costs()
    raw = mail(head.encode() + piece * (40_000 // len(piece)), body=piece * (40_000 // len(piece)))

    timed(raw, costs)

    assert costs.time_share <= 1


def test_two_deliveries_of_one_message_have_one_hash_and_another_body_has_another() -> None:
    first = parse_mail(b"Received: a\r\n" + mail(body="x", without=("message-id",)))
    second = parse_mail(b"Received: b\r\n" + mail(body="x", without=("message-id",)))

    assert first.content_sha256 == second.content_sha256 != parse_mail(mail(body="y")).content_sha256
