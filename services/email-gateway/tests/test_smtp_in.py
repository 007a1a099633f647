"""The SMTP server, spoken to by smtplib and by hand."""

import asyncio
import smtplib
import ssl
import tracemalloc
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
import uvloop
from email_gateway.receiving import Accepted, Answer, Envelope, Later, Refused
from email_gateway.settings import EmailSettings
from email_gateway.smtp_in import SmtpServer
from email_gateway.smtp_session import TooLargeError, read_message
from hypothesis import given, settings
from hypothesis import strategies as st
from servicekit.system import SystemClock
from servicekit.telemetry import Telemetry
from servicekit.testing.certificates import Certificate, make_certificate
from servicekit.testing.eventually import eventually

T = TypeVar("T")
HELP, ANNA = "help@shop.example", "anna@customer.example"
MAIL = b"From: anna@customer.example\r\nSubject: Hi\r\n\r\n.dotted\r\nlast\r\n"
SHORT = 5.0


@dataclass
class Taker:
    """Accepts into a list; `answer` is what it says, once `gate` is open."""

    answer: Answer = field(default_factory=Accepted)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    taken: list[tuple[bytes, Envelope]] = field(default_factory=list)
    begun: int = 0

    async def __call__(self, raw: bytes, envelope: Envelope) -> Answer:
        self.begun += 1
        await self.gate.wait()
        if isinstance(self.answer, Accepted):
            self.taken.append((raw, envelope))
        return self.answer


class Known:
    """Takes one address."""

    def takes(self, address: str) -> bool | None:
        return address.lower() in (HELP, "grüße@shop.example")


@dataclass
class Running:
    server: SmtpServer
    taker: Taker
    stop: asyncio.Event
    task: asyncio.Task[None]
    hands: "list[Hand]" = field(default_factory=list)

    async def send(self, mail: bytes = MAIL, *, sender: str = ANNA, to: tuple[str, ...] = (HELP,)) -> object:
        return await self.talk(lambda client: client.sendmail(sender, list(to), mail))

    async def talk(self, say: Callable[[smtplib.SMTP], T], *, tls: ssl.SSLContext | None = None) -> T:
        def session() -> T:
            with smtplib.SMTP("127.0.0.1", self.server.port, timeout=SHORT) as client:
                if tls:
                    client.starttls(context=tls)
                return say(client)

        return await asyncio.to_thread(session)

    async def by_hand(self) -> "Hand":
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        hand = Hand(reader, writer)
        self.hands.append(hand)
        hand.greeting = await hand.answer()
        return hand


@dataclass
class Hand:
    """A client that says anything."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: str = ""

    async def answer(self) -> str:
        """The next answer; empty: the connection is closed."""
        while True:
            async with asyncio.timeout(SHORT):
                line = (await self.reader.readline()).decode()
            if not line or line[3:4] != "-":
                return line.strip()

    async def say(self, text: bytes) -> str:
        self.writer.write(text)
        return await self.answer()

    async def to_data(self, *, sender: bytes = ANNA.encode()) -> str:
        await self.say(b"EHLO client.example\r\n")
        await self.say(b"MAIL FROM:<" + sender + b">\r\n")
        await self.say(b"RCPT TO:<help@shop.example>\r\n")
        return await self.say(b"DATA\r\n")

    def close(self) -> None:
        self.writer.close()


def told(**given: object) -> EmailSettings:
    needed = {
        "reply_secret": "r" * 32,
        "files_url": "file:///tmp",
        "file_link_secrets": "l" * 32,
        "secrets_path": Path("secrets"),
    }
    return EmailSettings.model_validate(needed | given)


def files_of(certificate: Certificate) -> dict[str, object]:
    return {"smtp_certificate_file": certificate.certificate, "smtp_key_file": certificate.key}


@asynccontextmanager
async def running(taker: Taker | None = None, /, **given: object) -> AsyncGenerator[Running]:
    taker = taker or Taker()
    taker.gate.set()
    server = SmtpServer(
        told(**given), accept=taker, recipients=Known(), clock=SystemClock(), telemetry=Telemetry("test")
    )
    stop = asyncio.Event()
    task = asyncio.create_task(server.run(stop))
    await server.ready.wait()
    it = Running(server, taker, stop, task)
    try:
        yield it
    finally:
        for hand in it.hands:
            hand.close()
        taker.gate.set()
        stop.set()
        await task
        await eventually(lambda: not server.sessions)


async def test_a_message_arrives_as_it_was_sent() -> None:
    async with running() as it:
        await it.send()

        [(raw, envelope)] = it.taker.taken
        assert raw == MAIL
        assert (envelope.mail_from, envelope.recipients, envelope.source) == (ANNA, (HELP,), "smtp")
        assert (envelope.peer_ip, envelope.tls, envelope.vouched) == ("127.0.0.1", False, False)


async def test_several_messages_of_one_connection_arrive_pipelined_too() -> None:
    async with running() as it:
        hand = await it.by_hand()
        assert await hand.say(b"EHLO c.example\r\n") == "250 ENHANCEDSTATUSCODES"
        turn = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<help@shop.example>\r\nDATA\r\n"
        hand.writer.write(turn)
        answers = [await hand.answer() for _ in range(3)]
        hand.writer.write(b".\r\n" + turn)
        answers += [await hand.answer() for _ in range(4)]
        hand.writer.write(b"..\r\n.\r\nQUIT\r\n")
        answers += [await hand.answer() for _ in range(2)]
        hand.close()

        assert [answer[:3] for answer in answers] == ["250", "250", "354", "250", "250", "250", "354", "250", "221"]
        assert [raw for raw, _ in it.taker.taken] == [b"", b".\r\n"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([b".", b"\r\n", b"a", b"..", b"b" * 70_000, b"\r\n.x"]), max_size=12))
def test_every_message_is_read_to_its_end_and_no_further(pieces: list[bytes]) -> None:
    body = b"".join(pieces) + b"\r\n"
    stuffed = (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:]

    async def story() -> None:
        async with running() as it:
            hand = await it.by_hand()
            await hand.to_data()
            assert (await hand.say(stuffed + b".\r\nNOOP\r\n"))[:3] == "250"
            assert (await hand.answer())[:3] == "250"
            hand.close()
            assert [raw for raw, _ in it.taker.taken] == [body]

    asyncio.run(story())


async def test_a_bounce_has_no_sender() -> None:
    async with running() as it:
        await it.send(sender="")

        assert it.taker.taken[0][1].mail_from == ""


async def test_addresses_beyond_ascii_arrive() -> None:
    async with running() as it:
        await it.talk(
            lambda client: client.sendmail(
                "zoë@müller.example", ["grüße@shop.example"], MAIL, mail_options=["SMTPUTF8", "BODY=8BITMIME"]
            )
        )

        envelope = it.taker.taken[0][1]
        assert (envelope.mail_from, envelope.recipients) == ("zoë@müller.example", ("grüße@shop.example",))


@pytest.mark.parametrize(
    "address", ["other@shop.example", "help@elsewhere.example", "help%elsewhere.example@relay.example", "help"]
)
async def test_nothing_is_relayed(address: str) -> None:
    async with running() as it:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            await it.send(to=(address,))

        assert refused.value.recipients[address][0] == 550
        assert it.taker.begun == 0


@pytest.mark.parametrize(
    ("answer", "code"), [(Later(reason="database_away"), 451), (Refused(reason="no_such_address"), 554)]
)
async def test_what_is_not_accepted_is_not_answered_250(answer: Answer, code: int) -> None:
    async with running(Taker(answer)) as it:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            await it.send()

        assert refused.value.smtp_code == code


async def test_slow_accepting_is_answered_451_and_cancelled() -> None:
    async with running(accept_seconds=0.05) as it:
        it.taker.gate.clear()
        with pytest.raises(smtplib.SMTPDataError) as refused:
            await it.send()
        it.taker.gate.set()

        assert (refused.value.smtp_code, it.taker.taken) == (451, [])


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\r\n.\r\r\n", b"\r\n\x00.\r\n\n"]
)
async def test_no_second_message_is_smuggled_in(end: bytes) -> None:
    async with running() as it:
        hand = await it.by_hand()
        await hand.to_data()
        smuggled = b"MAIL FROM:<admin@shop.example>\r\nRCPT TO:<help@shop.example>\r\nDATA\r\nsecond\r\n.\r\n"
        answer = await hand.say(b"Subject: one\r\n\r\nfirst" + end + smuggled)

        assert answer.startswith("554 ")
        assert await hand.answer() == ""
        assert it.taker.taken == []


async def test_large_messages_are_refused_before_and_after_they_come() -> None:
    async with running(smtp_message_bytes_max=100_000) as it:
        hand = await it.by_hand()
        await hand.say(b"EHLO c.example\r\n")
        assert (await hand.say(b"MAIL FROM:<a@b.example> SIZE=100001\r\n"))[:3] == "552"
        await hand.to_data()
        assert (await hand.say(b"x" * 99_998 + b"\r\n.\r\n"))[:3] == "250"
        await hand.to_data()
        assert (await hand.say(b"x" * 99_999 + b"\r\n.\r\n"))[:3] == "552"
        await hand.to_data()
        assert (await hand.say(b"y\r\n" * 500_000 + b".\r\n"))[:3] == "552"
        assert (await hand.say(b"NOOP\r\n"))[:3] == "250"
        hand.close()

        assert len(it.taker.taken) == 1


async def test_what_is_too_large_is_not_held() -> None:
    reader = asyncio.StreamReader(limit=65_536)
    reading = asyncio.create_task(read_message(reader, 100_000))
    tracemalloc.start()
    for _ in range(400):
        reader.feed_data(b"x\r\n" * 20_000)
        for _ in range(4):
            await asyncio.sleep(0)
    reader.feed_data(b".\r\n")
    with pytest.raises(TooLargeError):
        await reading
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 5_000_000


async def test_an_address_has_so_many_connections() -> None:
    async with running(smtp_connections_per_ip=2) as it:
        hands = [await it.by_hand(), await it.by_hand()]
        third = await it.by_hand()
        assert third.greeting[:3] == "421"
        assert await third.answer() == ""
        hands[0].close()
        await eventually(lambda: it.server.turnstile.connections == 1)
        await it.send()
        hands[1].close()

        assert len(it.taker.taken) == 1


async def test_our_own_mail_server_is_believed_and_not_limited() -> None:
    async with running(smtp_connections_per_ip=1, trusted_mail_servers="10.0.0.0/8, 127.0.0.1") as it:
        hand = await it.by_hand()
        await it.send()
        hand.close()

        assert it.taker.taken[0][1].vouched


async def test_messages_recipients_and_their_rate_are_limited() -> None:
    async with running(smtp_messages_per_connection=2, smtp_recipients_max=1) as it:
        hand = await it.by_hand()
        for _ in range(2):
            await hand.to_data()
            await hand.say(b"x\r\n.\r\n")
        assert (await hand.say(b"MAIL FROM:<a@b.example>\r\n"))[:3] == "421"
        assert await hand.answer() == ""
        hand = await it.by_hand()
        await hand.say(b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<help@shop.example>\r\n")
        await hand.answer()
        await hand.answer()
        assert (await hand.say(b"RCPT TO:<help@shop.example>\r\n"))[:3] == "452"
        hand.close()
    async with running(smtp_messages_per_minute=1) as it:
        await it.send()
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            await it.send()

        assert refused.value.smtp_code == 450


async def test_so_many_messages_are_held_at_once() -> None:
    async with running(smtp_messages_held_max=1) as it:
        it.taker.gate.clear()
        first = asyncio.create_task(it.send())
        await eventually(lambda: it.taker.begun)
        hand = await it.by_hand()
        assert (await hand.to_data())[:3] == "451"
        it.taker.gate.set()
        await first
        assert (await hand.to_data())[:3] == "354"
        hand.close()


async def test_one_address_does_not_hold_up_all_others() -> None:
    async with running(smtp_messages_held_max=8) as it:
        hands = [await it.by_hand() for _ in range(3)]
        told = [(await hand.to_data())[:3] for hand in hands]
        turnstile = it.server.turnstile

        assert told == ["354", "354", "451"]
        assert turnstile.hold("192.0.2.1")
        turnstile.release("192.0.2.1")


async def test_who_says_nothing_is_cut_off() -> None:
    async with running(smtp_command_seconds=0.1) as it:
        hand = await it.by_hand()

        assert await hand.answer() == ""
    async with running(smtp_data_seconds=0.1) as it:
        hand = await it.by_hand()
        await hand.to_data()

        assert (await hand.say(b"Subject: ..."))[:3] == "421"
        assert await hand.answer() == ""


async def test_who_guesses_addresses_is_cut_off() -> None:
    async with running() as it:
        hand = await it.by_hand()
        await hand.say(b"EHLO c.example\r\n")
        await hand.say(b"MAIL FROM:<a@b.example>\r\n")
        answers = [await hand.say(b"RCPT TO:<x@shop.example>\r\n") for _ in range(20)]

        assert {answer[:3] for answer in answers[:-1]} == {"550"}
        assert answers[-1][:3] == "421"


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_mail_comes_through_tls(tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    certificate = make_certificate(tmp_path)
    client_side = ssl.create_default_context(cafile=str(certificate.certificate))

    async def story() -> None:
        async with running(smtp_tls="required", **files_of(certificate)) as it:
            with pytest.raises(smtplib.SMTPSenderRefused) as refused:
                await it.send()
            assert refused.value.smtp_code == 530
            await it.talk(lambda client: client.sendmail(ANNA, [HELP], MAIL * 5000), tls=client_side)

            [(raw, envelope)] = it.taker.taken
            assert (raw, envelope.tls) == (MAIL * 5000, True)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story())


async def test_what_was_said_before_tls_is_forgotten(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    async with running(**files_of(certificate)) as it:
        hand = await it.by_hand()
        await hand.say(b"EHLO c.example\r\n")
        assert (await hand.say(b"STARTTLS\r\nMAIL FROM:<evil@c.example>\r\n"))[:3] == "220"
        context = ssl.create_default_context(cafile=str(certificate.certificate))
        try:
            await hand.writer.start_tls(context, server_hostname="127.0.0.1")
            answer = await hand.say(b"RCPT TO:<help@shop.example>\r\n")
        except (ssl.SSLError, OSError):
            answer = "503 broken off"
        hand.close()

        assert answer[:3] == "503"


@pytest.mark.parametrize("said", ["", "EHLO c\r\n", "MAIL", "RCPT", "DATA", "half", "line", "dot", "end"])
async def test_a_broken_connection_is_accepted_once_or_not_at_all(said: str) -> None:
    """Who was told nothing sends again; that is no second message only because accepting knows it (`handlers`)."""
    async with running() as it:
        hand = await it.by_hand()
        steps = {
            "MAIL": b"EHLO c\r\nMAIL FROM:<a@b.example>\r\n",
            "RCPT": b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<help@shop.example>\r\n",
        }
        steps["DATA"] = steps["RCPT"] + b"DATA\r\n"
        steps["half"] = steps["DATA"] + MAIL[:20]
        steps["line"] = steps["DATA"] + MAIL
        steps["dot"] = steps["line"] + b"."
        steps["end"] = steps["line"] + b".\r\n"
        hand.writer.write(steps.get(said, said.encode()))
        if said == "end":
            await eventually(lambda: it.taker.begun)
        hand.close()
        await eventually(lambda: not it.server.sessions)

        assert len(it.taker.taken) == (said == "end")
        assert it.server.turnstile.held == 0


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_stopping_ends_what_is_under_way_and_takes_nothing_new(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def story() -> None:
        async with running() as it:
            idle, at_work = await it.by_hand(), await it.by_hand()
            it.taker.gate.clear()
            await at_work.to_data()
            at_work.writer.write(b"x\r\n.\r\n")
            await eventually(lambda: it.taker.begun)
            it.stop.set()
            assert (await idle.answer())[:3] == "421"
            it.taker.gate.set()
            assert (await at_work.answer())[:3] == "250"
            assert (await at_work.answer())[:3] == "421"
            await it.task

            with pytest.raises(ConnectionRefusedError):
                await it.by_hand()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story())
