"""What we send: read back by our own parser and by the standard library."""

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage

import pytest
from email_gateway.domain.addresses import Address
from email_gateway.domain.automatic import HOPS_HEADER, classify
from email_gateway.domain.compose import Composed, From, OutgoingFile, compose, references_of, subject_of
from email_gateway.domain.files import safe_name
from email_gateway.domain.outgoing import RECIPIENTS_MAX, Draft, Mode, Original, UnfitError, recipients_of
from email_gateway.domain.parse import parse_mail
from email_gateway.domain.threading import Keys, is_own_message_id, join_candidates, read_reply_address, reply_address
from hypothesis import example, given, settings
from hypothesis import strategies as st

KEYS = Keys(active=b"k" * 32)
OWN = frozenset({"support@example.org", "sales@example.org"})
SENDER = From(address="support@example.org", name="Support", domain="example.org", own=OWN, keys=KEYS)
CUSTOMER = Address("kunde@example.net", "Käthe Öl")
TOKEN = reply_address("f" * 32, "example.org", KEYS)
ORIGINAL = Original(
    message_id="m3@example.net",
    references=("m1@example.net", "m2@example.net"),
    from_=CUSTOMER,
    to=(Address("support@example.org"), Address("colleague@example.net")),
    cc=(Address(TOKEN), Address("boss@example.net", "The Boss"), Address("Sales@example.org")),
    subject="Re: AW: Broken kettle",
    sent_at_ms=1_764_000_000_000,
    text="It drips.\nFrom below.",
    html="<p>It <b>drips</b>.</p>",
)
DRAFT = Draft(text="We send a new one.", original=ORIGINAL)
NOW_MS = 1_764_100_000_000
ID = "0193a5c4-0000-7000-8000-000000000000"


def composed(draft: Draft, *files: OutgoingFile, sender: From = SENDER) -> Composed:
    return compose(draft, sender, files, unique=ID, interaction_id="f" * 32, now_ms=NOW_MS)


def by_the_library(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def text_of(sent: Composed) -> str:
    body = by_the_library(sent.raw).get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def test_a_reply_goes_to_who_wrote_and_carries_what_brings_the_answer_back() -> None:
    sent = composed(DRAFT)
    read = parse_mail(sent.raw)

    assert sent.recipients.addresses == ("kunde@example.net",)
    assert read.from_ == Address("support@example.org", "Support")
    assert read.to == (CUSTOMER,)
    assert read.subject == "Re: Broken kettle"
    assert read.in_reply_to == ("m3@example.net",)
    assert read.references == ("m1@example.net", "m2@example.net", "m3@example.net")
    assert read.sent_at_ms == NOW_MS
    assert read.message_id == sent.message_id
    assert is_own_message_id(sent.message_id, "example.org", KEYS)
    assert read_reply_address(read.reply_to[0].address, "example.org", KEYS) == "f" * 32
    assert sent.sender == read.reply_to[0].address
    assert (read.visible_text, read.warnings) == ("We send a new one.", ())


def test_the_answer_to_what_we_sent_joins_the_conversation() -> None:
    sent = composed(DRAFT)
    found = join_candidates(
        recipients=[sent.sender], in_reply_to=[sent.message_id], references=(), text="", domain="example.org", keys=KEYS
    )

    assert [(each.reason, each.signed) for each in found] == [("in_reply_to", True), ("reply_address", True)]


def test_the_original_is_quoted_below() -> None:
    assert text_of(composed(DRAFT)).split("\n\n")[1] == (
        "On 2025-11-24 16:00 UTC, Käthe Öl <kunde@example.net> wrote:\n> It drips.\n> From below.\n"
    )


def test_a_signature_stands_above_the_quote() -> None:
    sent = composed(DRAFT, sender=replace(SENDER, signature="Anna\nSupport"))

    assert text_of(sent).split("\n\n")[1] == "-- \nAnna\nSupport"


def test_an_answer_to_all_leaves_out_ourselves_and_keys_to_conversations() -> None:
    sent = composed(replace(DRAFT, mode="reply_all", cc=("extra@example.net", "BOSS@example.net")))

    assert [each.address for each in sent.recipients.to] == ["kunde@example.net"]
    assert [each.address for each in sent.recipients.cc] == [
        "extra@example.net",
        "BOSS@example.net",
        "colleague@example.net",
    ]


def test_a_reply_goes_where_its_sender_wants_it() -> None:
    asked = replace(ORIGINAL, reply_to=(Address("desk@example.net"),))

    assert composed(replace(DRAFT, original=asked)).recipients.addresses == ("desk@example.net",)


def test_an_answer_to_our_own_message_goes_to_who_got_it() -> None:
    ours = replace(ORIGINAL, from_=Address("support@example.org"), to=(CUSTOMER,))

    assert composed(replace(DRAFT, original=ours)).recipients.addresses == ("kunde@example.net",)


def test_without_an_original_it_goes_to_the_counterpart() -> None:
    assert composed(Draft(text="Hello", counterpart="new@example.net")).recipients.addresses == ("new@example.net",)


def test_blind_copies_stand_in_the_envelope_alone() -> None:
    sent = composed(replace(DRAFT, bcc=("hidden@example.net",)))

    assert sent.recipients.addresses == ("kunde@example.net", "hidden@example.net")
    assert b"hidden" not in sent.raw
    assert "bcc" not in by_the_library(sent.raw)


def test_a_message_for_blind_copies_alone_names_nobody() -> None:
    sent = composed(Draft(mode="forward", text="x", bcc=("hidden@example.net",), original=ORIGINAL))

    assert by_the_library(sent.raw)["to"] == "undisclosed-recipients:;"


def test_a_forward_shows_the_original_and_no_key_to_a_conversation() -> None:
    sent = composed(Draft(mode="forward", text="Please look.", to=("third@example.net",), original=ORIGINAL))
    read = parse_mail(sent.raw)

    assert read.subject == "Fwd: Broken kettle"
    assert read.in_reply_to == ()
    assert "From: Käthe Öl <kunde@example.net>" in read.visible_text
    assert "It drips." in read.visible_text
    assert TOKEN.partition("@")[0] not in read.text + read.html


def test_a_forward_needs_somebody() -> None:
    with pytest.raises(UnfitError) as refused:
        composed(Draft(mode="forward", text="x", original=ORIGINAL))

    assert refused.value.code == "recipient_missing"


def test_html_goes_beside_its_text_with_the_images_that_it_shows() -> None:
    image = OutgoingFile(name="a.png", mime="image/png", data=b"\x89PNG\r\n\x1a\n" + b"x" * 100, inline_id="i1@x")
    other = replace(image, name="b.png", inline_id="i2@x")
    draft = replace(DRAFT, text="", html='<p onclick="x()">Hi <img src="cid:i1@x"><script>y</script></p>')
    read = by_the_library(composed(draft, image, other).raw)
    types = [part.get_content_type() for part in read.walk()]

    assert types == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "image/png",
    ]
    html = read.get_body(("html",))
    assert html is not None
    assert '<p>Hi <img src="cid:i1@x"></p>' in html.get_content()
    assert [part.get_content_disposition() for part in read.walk()][-2:] == ["inline", "attachment"]
    assert [(each.name, each.is_inline) for each in parse_mail(composed(draft, image, other).raw).attachments] == [
        ("a.png", True),
        ("b.png", False),
    ]


def test_an_acknowledgement_is_answered_by_nobody() -> None:
    sent = composed(replace(DRAFT, automatic=True, original=replace(ORIGINAL, hops=1)))
    read = by_the_library(sent.raw)

    assert sent.sender == ""
    assert (read["auto-submitted"], read[HOPS_HEADER]) == ("auto-replied", "2")
    assert not classify(parse_mail(sent.raw).headers, envelope_sender="").may_be_answered
    assert "It drips" not in parse_mail(sent.raw).text


def test_a_mailbox_that_others_run_gets_its_answers_itself() -> None:
    sent = composed(DRAFT, sender=replace(SENDER, takes_replies=False))

    assert sent.sender == "support@example.org"
    assert "reply-to" not in by_the_library(sent.raw)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Kettle", "Re: Kettle"),
        ("RE: Re[2]: AW: Fwd: Kettle", "Re: Kettle"),
        ("回复：壶", "Re: 壶"),
        ("Order: 12", "Re: Order: 12"),
        ("", "Re:"),
        ("re:" * 50 + "x", "Re: " + "re:" * 30 + "x"),
    ],
)
def test_a_subject_has_one_prefix(before: str, after: str) -> None:
    assert subject_of(replace(DRAFT, original=replace(ORIGINAL, subject=before))) == after


def test_long_threads_keep_their_beginning_and_their_end() -> None:
    ids = tuple(f"m{number}@example.net" for number in range(100))
    found = references_of(replace(ORIGINAL, references=(*ids, "no id", "m3@example.net")))

    assert (found[0], found[-1], len(found)) == ("m0@example.net", "m3@example.net", 20)


@pytest.mark.parametrize(
    ("address", "goes_as", "utf8"),
    [
        ("anna@exämple.de", "anna@xn--exmple-cua.de", False),
        ("änna@example.de", "änna@example.de", True),
        ("änna@exämple.de", "änna@xn--exmple-cua.de", True),
    ],
)
def test_smtputf8_is_asked_for_only_where_the_part_before_the_at_needs_it(
    address: str, goes_as: str, utf8: bool
) -> None:
    sent = composed(Draft(text="x", to=(address,)))

    assert (sent.recipients.addresses, sent.utf8) == ((goes_as,), utf8)
    assert [each.address for each in parse_mail(sent.raw).to] == [goes_as]


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        (Draft(text=" ", to=("a@example.net",)), "text_invalid"),
        (Draft(text="x" * 100_001, to=("a@example.net",)), "text_too_long"),
        (Draft(text="x", to=("nobody",)), "recipient_invalid"),
        (Draft(text="x", to=("a@" + "ä" * 300 + ".de",)), "recipient_invalid"),
        (Draft(text="x", to=("l" * 65 + "@example.net",)), "recipient_invalid"),
        (Draft(text="x", to=tuple(f"a{n}@example.net" for n in range(RECIPIENTS_MAX + 1))), "recipients_too_many"),
    ],
)
def test_what_cannot_be_sent_is_said(draft: Draft, code: str) -> None:
    with pytest.raises(UnfitError) as refused:
        composed(draft)

    assert refused.value.code == code


def test_too_much_is_refused() -> None:
    with pytest.raises(UnfitError) as refused:
        composed(DRAFT, OutgoingFile(name="a", mime="a/b", data=bytes(24 * 1024 * 1024)))

    assert refused.value.code == "message_too_large"


ANY = st.text(st.characters(codec=None) | st.sampled_from("\r\n\0\u2028 \t<>\"'\\,;:@=?%"), max_size=80)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=100)
LOCALS = st.from_regex(r"[a-z0-9!#$%&*+/=?^_{|}~-]{1,30}", fullmatch=True)
ADDRESSES = st.builds("{}@{}.test".format, LOCALS, st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True))
FIELDS = {
    *("from", "reply-to", "to", "cc", "subject", "date", "message-id", "mime-version", "in-reply-to", "references"),
    *("content-type", "content-transfer-encoding"),
}


@settings(deadline=None)
@given(
    said=st.lists(ANY, min_size=9, max_size=9),
    mode=st.sampled_from(["reply", "reply_all", "forward"]),
    own=st.booleans(),
)
@example(said=["", "", "\r", "", "", "", "", "", ""], mode="forward", own=False)
def test_nothing_written_becomes_a_field_or_a_part(said: list[str], mode: Mode, own: bool) -> None:
    subject, name, who, reference, file_name, mime, content_id, html, text = said
    original = Original(
        subject=subject,
        from_=Address("a@example.net", who),
        cc=(Address(who, name), Address("b@example.net", who)),
        message_id=reference,
        references=(reference, who),
        text=text,
        html=html,
    )
    draft = Draft(mode=mode, text=text + "x", html=html, original=original, to=("c@example.net",))
    attached = OutgoingFile(name=file_name, mime=mime, data=b"\r\n.\r\n--=_", inline_id=content_id)
    sender = replace(SENDER, name=name, signature=who)
    sent = composed(replace(draft, subject=subject if own else ""), attached, sender=sender)
    read = by_the_library(sent.raw)
    leaves = [part for part in read.walk() if not part.is_multipart()]

    names = [key.lower() for key in read]
    assert set(names) <= FIELDS
    assert len(names) == len(set(names))
    assert sent.raw.partition(b"\r\n\r\n")[0].isascii()
    assert set(sent.raw.replace(b"\r\n", b"")).isdisjoint(b"\r\n")
    assert max(map(len, sent.raw.split(b"\r\n"))) <= 998
    assert [part.get_filename() is None for part in leaves] == [True] * (len(leaves) - 1) + [False]
    assert len(leaves) <= 3
    assert sent.recipients.to == (Address("c@example.net"),)


@settings(deadline=None)
@given(
    subject=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=200),
    names=st.lists(NAMES, min_size=1, max_size=5),
    people=st.lists(ADDRESSES, min_size=1, max_size=30, unique=True),
    text=st.text(st.characters(codec="utf-8", exclude_categories=["C"]) | st.just("\n"), min_size=1, max_size=2000),
    file_name=NAMES,
    data=st.binary(max_size=2000),
)
def test_both_parsers_read_what_was_written(
    subject: str, names: list[str], people: list[str], text: str, file_name: str, data: bytes
) -> None:
    original = Original(from_=Address("a@b.test", names[0]), cc=tuple(map(Address, people, names)))
    draft = Draft(mode="reply_all", text=text + "|", subject=subject, original=original, cc=tuple(people))
    sent = composed(draft, OutgoingFile(name=file_name, mime="application/zip", data=data))
    ours, theirs = parse_mail(sent.raw), by_the_library(sent.raw)
    attached = list(theirs.iter_attachments())

    assert ours.subject == theirs["subject"].strip() == (" ".join(subject.split()) or "Re:")
    assert [each.address for each in ours.cc] == [each.addr_spec for each in theirs["cc"].addresses]
    assert [each.address for each in ours.cc] == [each.address for each in sent.recipients.cc]
    # The standard library puts spaces between the encoded words of a long name (RFC 2047, 6.2 has none there).
    assert theirs["to"].addresses[0].display_name.replace(" ", "") == names[0]
    assert text_of(sent) == text.lstrip("\n") + "|\n"
    assert attached[0].get_filename() == ours.attachments[0].name == safe_name(file_name, "application/zip", 1, 120)
    assert attached[0].get_content() == data == ours.attachments[0].data
    assert ours.warnings == ()


@given(
    draft=st.builds(
        Draft,
        mode=st.sampled_from(["reply", "reply_all"]),
        to=st.lists(ADDRESSES, max_size=3).map(tuple),
        cc=st.lists(ADDRESSES, max_size=3).map(tuple),
        bcc=st.lists(ADDRESSES, max_size=3).map(tuple),
        original=st.builds(
            Original,
            from_=ADDRESSES.map(Address),
            to=st.lists(st.sampled_from([*sorted(OWN), TOKEN, "x@y.test", "bad"]).map(Address)).map(tuple),
            cc=st.lists(st.sampled_from([*sorted(OWN), TOKEN.upper(), "x@y.test"]).map(Address)).map(tuple),
        ),
    )
)
def test_everybody_gets_it_once_and_no_mailbox_of_ours(draft: Draft) -> None:
    found = recipients_of(draft, OWN).addresses

    assert len({each.lower() for each in found}) == len(found)
    assert not {each for each in found if each.lower() in OWN or each.lower().startswith("reply+")}
    assert {each.lower() for each in (*draft.to, *draft.cc, *draft.bcc)} <= {each.lower() for each in found}
