"""Handing messages to a mail server that does what servers do."""

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop
from email_gateway.domain.smtp_replies import LOGIN_RETRY_MS, RETRY_MS
from email_gateway.relay import AWAY_MS, Delivery, Envelope, Relay, RelayServer
from email_gateway.testing.smtp_server import Listening, Script, Step, smtp_server
from gatewaykit.domain.provider import Again, Outcome, Refused, Sent, Uncertain
from servicekit.system import SystemClock
from servicekit.testing.certificates import Certificate, make_certificate
from servicekit.testing.set_clock import SetClock

ONE = "a@example.net"
MAIL = Envelope(
    sender="reply+1@example.org",
    recipients=(ONE,),
    raw=b"Subject: x\r\n\r\n.dot\r\nMAIL FROM:<x>\r\n",
    utf8=False,
    id="id+1",
    message_id="m@example.org",
)
SENT = Sent(provider_message_id="m@example.org")
LARGE = replace(MAIL, raw=b"Subject: x\r\n\r\n" + b"x" * 76 * 400_000 + b"\r\n")


def relay(server: Listening, **settings: object) -> Relay:
    found = RelayServer(host="127.0.0.1", port=server.port, tls="none")
    return Relay(replace(found, **settings), SystemClock())  # type: ignore[arg-type]  # each by name


async def delivered(server: Listening, mail: Envelope = MAIL, **settings: object) -> Delivery:
    one = relay(server, **settings)
    try:
        return await one.deliver(mail)
    finally:
        await one.close()


async def outcome(script: Script, mail: Envelope = MAIL, **settings: object) -> Outcome:
    async with smtp_server(script) as server:
        return (await delivered(server, mail, **settings)).outcomes[ONE]


@pytest.mark.parametrize("step", ["connect", "ehlo", "mail", "rcpt", "data"])
async def test_a_connection_lost_before_the_message_means_not_sent(step: Step) -> None:
    script = Script(hang_up_at=step)
    found = await outcome(script)

    assert isinstance(found, Again)
    assert (found.scope, found.after_ms) == ("account", AWAY_MS)
    assert script.taken == []


async def test_a_connection_lost_within_the_message_means_not_sent() -> None:
    assert isinstance(await outcome(Script(hang_up_at="body"), LARGE), Again)


async def test_a_message_that_is_refused_before_its_end_is_refused() -> None:
    found = await outcome(Script(hang_up_at="body", answers={"body": "552 5.3.4 too large"}), LARGE)

    assert found == Refused(code="message_too_large", detail="data: 552 5.3.4")


@pytest.mark.parametrize(
    ("script", "mail", "expected"),
    [
        (Script(), MAIL, SENT),
        (Script(), replace(MAIL, raw=b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * 100_000), SENT),
        (
            Script(hang_up_at="body", answers={"body": "552 5.3.4 too large"}),
            LARGE,
            Refused(code="message_too_large", detail="data: 552 5.3.4"),
        ),
    ],
    ids=["taken", "large", "refused"],
)
def test_on_the_loop_that_services_run_on(script: Script, mail: Envelope, expected: Outcome) -> None:
    """uvloop's transports are not asyncio's."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(outcome(script, mail))

    assert found == expected
    assert [each.content for each in script.taken] == ([mail.raw] if found == SENT else [])


@pytest.mark.parametrize("keep", [True, False])
async def test_a_connection_lost_after_the_end_of_the_message_leaves_it_open(keep: bool) -> None:
    script = Script(hang_up_at="end", keep=keep)

    assert isinstance(await outcome(script), Uncertain)
    assert len(script.taken) == keep


@pytest.mark.parametrize("step", ["connect", "rcpt", "data"])
async def test_a_server_that_says_nothing_has_not_got_it(step: Step) -> None:
    assert isinstance(await outcome(Script(stall_at=step), command_seconds=0.2), Again)


async def test_a_server_that_never_confirms_leaves_it_open() -> None:
    assert isinstance(await outcome(Script(stall_at="end"), deliver_seconds=0.5), Uncertain)


@pytest.mark.parametrize(
    ("step", "answer", "expected"),
    [
        ("connect", "554 5.7.1 not you", Again(after_ms=RETRY_MS, scope="account", detail="connect: 554 5.7.1")),
        ("mail", "550 5.7.1 not you", Refused(code="not_authorised", detail="mail: 550 5.7.1")),
        ("mail", "421 4.3.2 bye", Again(after_ms=RETRY_MS, scope="account", detail="mail: 421 4.3.2")),
        ("mail", "530 5.7.0 log in", Again(after_ms=RETRY_MS, scope="account", detail="mail: 530 5.7.0")),
        ("rcpt", "550 5.1.1 <a@example.net> no", Refused(code="recipient_unknown", detail="rcpt: 550 5.1.1")),
        ("rcpt", "550 No such user", Refused(code="recipient_unknown", detail="rcpt: 550")),
        ("rcpt", "550 5.7.1 blocked", Refused(code="not_authorised", detail="rcpt: 550 5.7.1")),
        ("rcpt", "552 5.2.2 full", Refused(code="recipient_full", detail="rcpt: 552 5.2.2")),
        ("rcpt", "450 4.7.1 grey", Again(after_ms=RETRY_MS, scope="pair", detail="rcpt: 450 4.7.1")),
        ("data", "451 4.3.0 later", Again(after_ms=RETRY_MS, scope="pair", detail="data: 451 4.3.0")),
        ("data", "554 5.5.1 no valid", Refused(code="content_refused", detail="data: 554 5.5.1")),
        ("end", "554 5.7.1 spam", Refused(code="content_refused", detail="data: 554 5.7.1")),
        ("end", "552 5.3.4 large", Refused(code="message_too_large", detail="data: 552 5.3.4")),
        ("end", "451 4.3.0 later", Again(after_ms=RETRY_MS, scope="pair", detail="data: 451 4.3.0")),
        ("end", "250 kept", SENT),
    ],
)
async def test_what_the_server_says_is_understood(step: Step, answer: str, expected: Outcome) -> None:
    script = Script(answers={step: answer})

    assert await outcome(script) == expected
    assert len(script.taken) == isinstance(expected, Sent)


async def test_an_answer_that_is_none_leaves_it_open() -> None:
    assert isinstance(await outcome(Script(answers={"end": "hello"})), Uncertain)


async def test_each_recipient_has_an_outcome_of_its_own() -> None:
    script = Script(answers={"b@example.net": "550 5.1.1 no", "c@example.net": "451 4.7.1 grey"})
    async with smtp_server(script) as server:
        delivery = await delivered(server, replace(MAIL, recipients=(ONE, "b@example.net", "c@example.net")))

    assert delivery.outcomes[ONE] == SENT
    assert isinstance(delivery.outcomes["b@example.net"], Refused)
    assert isinstance(delivery.outcomes["c@example.net"], Again)
    assert delivery.gone == {"b@example.net"}
    assert [each.recipients for each in script.taken] == [(ONE,)]


async def test_the_message_arrives_as_it_is() -> None:
    script = Script()
    await outcome(script)

    assert [(each.sender, each.content) for each in script.taken] == [(MAIL.sender, MAIL.raw)]


async def test_reports_are_asked_for_where_the_server_knows_them() -> None:
    script = Script(extensions=("DSN",))
    await outcome(script)
    await outcome(script, replace(MAIL, sender="", reports=False))
    await outcome(Script())

    assert script.taken[0].options == (
        *("RET=HDRS", "ENVID=id+2B1"),
        *("NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;a@example.net"),
    )
    assert script.taken[1].options == ("NOTIFY=NEVER",)


async def test_what_the_server_is_too_small_for_is_not_sent() -> None:
    script = Script()
    async with smtp_server(script, data_size_limit=10) as server:
        found = (await delivered(server, MAIL)).outcomes[ONE]

    assert isinstance(found, Refused)
    assert found.code == "message_too_large"


async def test_connections_are_used_again_and_bounded() -> None:
    script = Script()
    async with smtp_server(script) as server:
        one = relay(server, connections_max=1, messages_per_connection=3)
        for _ in range(4):
            assert (await one.deliver(MAIL)).outcomes[ONE] == SENT
        await one.close()

    assert (script.connections, script.open_most) == (2, 1)


async def test_an_idle_connection_that_the_server_closed_is_replaced() -> None:
    script = Script()
    async with smtp_server(script, timeout=0.2) as server:
        one = relay(server)
        await one.deliver(MAIL)
        await server.closed()
        found = (await one.deliver(MAIL)).outcomes[ONE]
        await one.close()

    assert (found, script.connections) == (SENT, 2)


async def test_the_server_is_not_asked_faster_than_it_wants() -> None:
    clock = SetClock(0)
    async with smtp_server(Script()) as server:
        one = Relay(RelayServer(host="127.0.0.1", port=server.port, tls="none", per_second=0.05), clock)
        found = [(await one.deliver(MAIL)).outcomes[ONE] for _ in range(2)]
        await one.close()

    assert found[0] == SENT
    assert isinstance(found[1], Again)


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path)


@pytest.fixture
def tls(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context


async def test_words_go_over_tls_to_who_can_prove_their_name(tls: ssl.SSLContext, certificate: Certificate) -> None:
    trusted = {"ca_file": certificate.certificate, "user": "centre", "tls": "starttls"}
    async with smtp_server(Script(), tls=tls, password="right") as server:
        found = [
            (await delivered(server, MAIL, **settings)).outcomes[ONE]
            for settings in (
                trusted | {"password": "right"},
                trusted | {"password": "wrong"},
                trusted | {"password": "right", "ca_file": None},
            )
        ]

    assert found == [
        SENT,
        Again(after_ms=LOGIN_RETRY_MS, scope="account", detail="login: 535 5.7.8"),
        Again(after_ms=AWAY_MS, scope="account", detail="SSLCertVerificationError"),
    ]


async def test_without_tls_nothing_is_said_where_it_is_wanted() -> None:
    script = Script()
    async with smtp_server(script) as server:
        found = (await delivered(server, tls="starttls")).outcomes[ONE]

    assert isinstance(found, Again)
    assert "mail" not in script.commands
