"""Who is taken for whom: our own mailboxes, other tenants', senders for whom somebody vouches."""

import pytest
from contracts.configuration import EMAIL
from contracts.interactions import InteractionStarted
from email_gateway.domain.threading import own_message_id, reply_address
from email_gateway.receiving import Accepted, Refused
from email_gateway.sending_side import Ours
from email_gateway.testing.corpus.writing import mail
from email_gateway.testing.reception import desk, in_memory, only
from email_gateway.testing.samples import (
    ANNA,
    DOMAIN,
    HELP,
    KEYS,
    SALES,
    address_value,
    directory,
    letter,
    record,
)
from gatewaykit.directory import Directory


async def test_loops_are_cut() -> None:
    here = in_memory()
    ours = own_message_id("o1", "shop.example", KEYS)

    assert await here.get(mail("X-Centralino-Hops: 3")) == Accepted()
    assert await here.get(mail(f"From: Shop <{HELP}>", f"Message-ID: <{ours}>")) == Accepted()
    assert await here.said() == []


async def test_what_one_of_our_mailboxes_writes_to_another_is_no_loop() -> None:
    here = in_memory(known=two_tenants())
    passed_on = mail(f"From: Shop <{SALES}>", f"Message-ID: <{own_message_id('o1', 'shop.example', KEYS)}>")
    theirs = mail(f"From: {OTHERS}", f"Message-ID: <{own_message_id('o2', 'other.example', KEYS)}>")
    only(await here.get(passed_on))
    only(await here.get(theirs))
    identifiers = [each.personal.get("identifiers") for each in await here.said(InteractionStarted)]

    assert identifiers == [[], [{"type": "email", "value": OTHERS, "verified": False}]]


async def test_what_a_form_sends_in_our_name_is_taken_and_tells_of_no_customer() -> None:
    here = in_memory()
    only(await here.get(mail(f"From: Form <{HELP}>", f"Reply-To: {ANNA}", "Message-ID: <f1@shop.example>")))
    [started] = await here.said(InteractionStarted)

    assert started.personal["identifiers"] == []
    assert here.sending.acknowledged == []


@pytest.mark.parametrize(
    ("senders", "told", "authenticated"),
    [
        (["anna@customer.example"], "customer.example", "pass"),
        (["anna@mail.customer.example"], "customer.example", "pass"),
        (["anna@bücher.example"], "xn--bcher-kva.example", "pass"),
        (["anna@customer.example"], "evil.example", "fail"),
        (["anna@xcustomer.example"], "customer.example", "fail"),
        (["anna@customer.example, eve@evil.example"], "customer.example", "fail"),
        (["anna@customer.example", "eve@evil.example"], "customer.example", "fail"),
    ],
)
async def test_only_for_the_one_sender_dmarc_vouches(senders: list[str], told: str, authenticated: str) -> None:
    here = in_memory()
    verdict = f"Authentication-Results: mx.shop.example; dmarc=pass header.from={told}"
    fields = [f"From: {each}" for each in senders]
    only(await here.get(mail(verdict, *fields, "Message-ID: <v@customer.example>"), vouched=True))
    [started] = await here.said(InteractionStarted)

    assert started.attributes["authenticated"] == authenticated
    assert [each["verified"] for each in started.personal["identifiers"]] == [authenticated == "pass"]


THEIRS = "mx.provider.example"
FORGED = "dmarc=pass header.from=customer.example"


@pytest.mark.parametrize(
    ("authserv_id", "fields", "authenticated"),
    [
        (None, [f"{THEIRS}; {FORGED}"], "none"),
        (None, [f"mx.shop.example; {FORGED}"], "none"),
        (THEIRS, [f"{THEIRS}; {FORGED}"], "pass"),
        (THEIRS, [f"mx.shop.example; {FORGED}"], "none"),
        (THEIRS, [f"{THEIRS}; spf=pass", f"{THEIRS}; {FORGED}"], "none"),
        (THEIRS, [f"{THEIRS}; dmarc=fail", f"{THEIRS}; {FORGED}"], "fail"),
    ],
)
async def test_in_a_mailbox_its_own_server_is_believed_if_it_is_named_and_nobody_who_forges_it(
    authserv_id: str | None, fields: list[str], authenticated: str
) -> None:
    here = in_memory()
    raw = letter("m1", *(f"Authentication-Results: {each}" for each in fields))
    only(await here.get(raw, mail_from=None, source="imap", authserv_id=authserv_id))
    [started] = await here.said(InteractionStarted)

    assert started.attributes["authenticated"] == authenticated
    assert [each["verified"] for each in started.personal["identifiers"]] == [authenticated == "pass"]


@pytest.mark.parametrize("other", [SALES, "desk@shop.example"])
async def test_two_mailboxes_of_one_mail_domain_share_no_conversation(other: str) -> None:
    """The second one is another tenant's."""
    here = in_memory(known=two_tenants(theirs="desk@shop.example"))
    ours = only(await here.get(letter()))
    address = reply_address(ours, "shop.example", KEYS)
    here.sending.sent["o1"] = Ours(ours, "o1")
    answer = f"In-Reply-To: <{own_message_id('o1', 'shop.example', KEYS)}>"

    assert only(await here.get(letter("m2", f"Cc: {address}"), other)) != ours
    assert only(await here.get(letter("m3", answer), other)) != ours
    assert not any("joined_by" in each.attributes for each in await here.said(InteractionStarted))


async def test_a_reply_address_leads_to_no_other_tenant_that_has_the_mailbox_now() -> None:
    here = in_memory()
    interaction_id = only(await here.get(letter()))
    moved = desk(here.store, here.outbox, known=two_tenants(theirs=HELP, ours=()))
    answer = await moved.get(letter("m2"), reply_address(interaction_id, "shop.example", KEYS))

    assert answer == Refused(reason="no_such_address")


OTHERS = "support@other.example"


def two_tenants(theirs: str = OTHERS, ours: tuple[str, ...] = (HELP, SALES)) -> Directory:
    known = directory(*map(address_value, ours)) if ours else Directory([EMAIL])
    known.apply("other", record("domain", DOMAIN, {"partition": 3}))
    known.apply("other", record("channel", theirs, address_value(theirs)))
    known.complete = True
    return known
