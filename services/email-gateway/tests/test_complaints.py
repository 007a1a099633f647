"""Those who call a message of ours unwanted are written to no more, and the message says so."""

from email.message import EmailMessage

import pytest
from contracts.interactions import AttentionRequested, InteractionStarted
from contracts.messages import MessageReceived
from contracts.written import MessageStatusChanged
from email_gateway.domain.suppression import hash_of
from email_gateway.domain.threading import own_message_id, reply_address
from email_gateway.receiving import Accepted
from email_gateway.testing.desk import Desk
from email_gateway.testing.memory import MemoryMailStore
from email_gateway.testing.samples import ANNA, HELP, KEYS, SALES, TENANT
from gatewaykit.domain import decisions
from gatewaykit.keep import keep
from gatewaykit.outgoings import reference_of

BERT = "bert@customer.example"


@pytest.fixture
async def at() -> Desk:
    store = MemoryMailStore()
    return Desk(store, store.outbox)


def own_id(name: str, part: int = 1) -> str:
    """Of the agent's message with this id."""
    return own_message_id(reference_of(TENANT, name, part), "shop.example", KEYS)


def report(*named: str, about: str = "", kind: str = "abuse", answers: str = "", name: str = "c1") -> bytes:
    """As providers write it (RFC 5965); `named` complained of the message `about`."""
    feedback = EmailMessage()
    feedback["Feedback-Type"] = kind
    feedback["Original-Mail-From"] = f"<{answers or 'x@shop.example'}>"
    for each in named:
        feedback["Original-Rcpt-To"] = f"<{each}>"
    returned = EmailMessage()
    returned["Subject"] = "Re: Kettle"
    if about:
        returned["Message-ID"] = f"<{about}>"
    returned.set_content("Soon.")
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "fbl@isp.example", HELP, "Complaint"
    letter["Message-ID"] = f"<{name}@isp.example>"
    letter.set_content("A complaint.")
    letter.make_mixed()
    part = EmailMessage()
    part["Content-Type"] = "message/feedback-report"
    part.set_payload(feedback.as_string())
    letter.attach(part)
    letter.add_attachment(returned)
    letter.replace_header("Content-Type", letter["Content-Type"].replace("multipart/mixed", "multipart/report"))
    letter.set_param("report-type", "feedback-report")
    return letter.as_bytes()


async def answered(at: Desk, **personal: object) -> str:
    """A conversation with Anna in which the agent has said `m1`."""
    interaction_id = await at.get("q1")
    await at.assign(interaction_id)
    await at.answer(interaction_id, "m1", personal=personal)
    return interaction_id


async def reasons(at: Desk) -> dict[str, str]:
    """Why nothing is sent to whom."""
    async with at.store.transaction(TENANT) as tx:
        rows = await tx.suppressions(TENANT, after="", now_ms=at.clock.now_ms() + 10**12, rows_max=9)
    names = {hash_of(TENANT, each): each for each in (ANNA, BERT, "eve@x.example")}
    return {names[row.address_hash]: row.reason for row in rows}


async def news(at: Desk) -> list[tuple[str, str | None]]:
    return [(each.status, each.reason) for each in await at.said(MessageStatusChanged)]


@pytest.mark.parametrize("mailbox", [HELP, SALES])
async def test_a_complaint_is_told_of_the_message_and_its_recipient_gets_no_more(at: Desk, mailbox: str) -> None:
    await answered(at)
    raw = report(about=own_id("m1"))
    answers = [await at.take(raw, mailbox), await at.take(raw, mailbox)]

    assert answers == [Accepted(), Accepted()]
    assert await news(at) == [("delivered", "complained")]
    assert await reasons(at) == {ANNA: "complained"}
    assert len(await at.said(InteractionStarted)) == len(await at.said(MessageReceived)) == 1
    assert await at.said(AttentionRequested) == []


async def test_of_several_recipients_it_is_the_one_whom_the_complaint_names(at: Desk) -> None:
    await answered(at, cc=[BERT])
    await at.take(report("eve@x.example", BERT.upper(), about=own_id("m1")))
    async with at.store.transaction(TENANT) as tx:
        [row] = await tx.parts_of(TENANT, "m1", lock=False)

    assert await reasons(at) == {BERT: "complained"}
    assert [(each.address, each.state, each.reason) for each in row.recipients] == [
        (ANNA, "pending", None),
        (BERT, "delivered", "complained"),
    ]


async def test_who_of_several_complained_may_not_be_known_then_agents_see_it(at: Desk) -> None:
    interaction_id = await answered(at, cc=[BERT])
    await at.take(report(about=own_id("m1")))
    shown = (await at.said(MessageReceived))[-1]

    assert (shown.interaction_id, shown.attributes["automatic"]) == (interaction_id, "complaint")
    assert (shown.attributes["kind"], await reasons(at)) == ("automatic", {})


@pytest.mark.parametrize("over", [False, True])
async def test_a_reply_address_tells_the_conversation_where_there_is_no_message_id(at: Desk, over: bool) -> None:
    interaction_id = await answered(at)
    if over:
        async with at.store.transaction(TENANT) as tx:
            before = await tx.lock_conversation(TENANT, interaction_id)
            assert before
            now_ms = at.clock.now_ms()
            await keep(tx, before, decisions.ended(before, "agent_closed", now_ms), now_ms)
    await at.take(report(answers=reply_address(interaction_id, "shop.example", KEYS)))

    assert await reasons(at) == {ANNA: "complained"}
    assert len(await at.said(InteractionStarted)) == 1
    assert len(await at.said(MessageReceived)) == (1 if over else 2)


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "", "other"])
async def test_other_reports_about_our_mail_change_nothing(at: Desk, kind: str) -> None:
    await answered(at)
    await at.take(report(about=own_id("m1"), kind=kind))

    assert (await reasons(at), await news(at), len(await at.said(MessageReceived))) == ({}, [], 1)


@pytest.mark.parametrize("about", ["", "q1@customer.example", own_id("m2"), own_id("m1").replace(".", ".x", 1)])
async def test_what_matches_nothing_of_ours_stops_nobodys_mail_and_opens_nothing(at: Desk, about: str) -> None:
    await answered(at)
    answer = await at.take(report(ANNA, about=about))

    assert answer == Accepted()
    assert (await reasons(at), await news(at)) == ({}, [])
    assert len(await at.said(InteractionStarted)) == len(await at.said(MessageReceived)) == 1
