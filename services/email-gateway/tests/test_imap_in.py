"""Reading mailboxes: of a real server, broken off at every step; and a server that does what it should not."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from contracts.messages import MessageReceived
from email_gateway.imap_client import (
    HEADER_BYTES_MAX,
    ImapAwayError,
    ImapClient,
    ImapRefusedError,
    Server,
    logged_in,
)
from email_gateway.imap_in import (
    ACCEPTED,
    REFUSED,
)
from email_gateway.receiving import Later, Refused
from email_gateway.testing.dovecot import PASSWORD, Dovecot, running_dovecot
from email_gateway.testing.post import Post
from email_gateway.testing.samples import HELP, TENANT, letter
from gatewaykit.testing.conversation_laws import announced
from servicekit.testing.certificates import make_certificate
from servicekit.testing.eventually import eventually

USERS = count()


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    with running_dovecot(*(f"u{number}" for number in range(100))) as server:
        yield server


@pytest.fixture
def user() -> str:
    """A mailbox of a test's own."""
    return f"u{next(USERS)}"


@pytest.fixture
def post(dovecot: Dovecot, user: str, tmp_path: Path) -> Post:
    return Post(dovecot, user, tmp_path)


async def test_unread_mail_and_then_whatever_comes_is_accepted_and_marked(post: Post) -> None:
    post.deliver("m1", "m2")
    async with post.reading():
        await post.has("m1", "m2")
        await asyncio.to_thread(post.deliver, "m3")
        await post.has("m1", "m2", "m3")
        await eventually(lambda: post.flagged(ACCEPTED) == 3)

    assert {each.recipients for each in post.asked} == {(HELP,)}
    assert post.server.doveadm("search", "-u", post.user, "mailbox", "INBOX", "unseen") == ""


async def test_what_a_person_had_read_before_the_first_time_is_left_alone(post: Post) -> None:
    post.deliver("old")
    post.server.doveadm("flags", "add", "-u", post.user, "\\Seen", "mailbox", "INBOX", "all")
    post.deliver("new")
    async with post.reading():
        await post.has("new")


async def test_what_a_person_reads_before_us_is_accepted_all_the_same(post: Post) -> None:
    async with post.reading():
        await eventually(lambda: post.store.database.tables.mailboxes)
        await eventually(lambda: next(iter(post.store.database.tables.mailboxes.values())).position.validity)
    post.deliver("m1")
    post.server.doveadm("flags", "add", "-u", post.user, "\\Seen", "mailbox", "INBOX", "all")
    async with post.reading():
        await post.has("m1")


@pytest.mark.parametrize(("authserv_id", "authenticated"), [("mx.provider.example", "pass"), (None, "none")])
async def test_a_mailboxs_server_vouches_only_under_the_name_that_is_configured(
    post: Post, authserv_id: str | None, authenticated: str
) -> None:
    post.configure(authserv_id=authserv_id)
    told = "Authentication-Results: mx.provider.example; dmarc=pass header.from=customer.example"
    post.server.deliver(post.user, letter("m1", told, body="text of m1"))
    async with post.reading():
        await post.has("m1")
    [message] = [event.data for event in await announced(post.store) if isinstance(event.data, MessageReceived)]

    assert message.attributes["authenticated"] == authenticated


@dataclass
class Breaking:
    """Connections of which the n-th call fails, before or after the server did it."""

    at: int
    after: bool
    calls: int = 0

    @asynccontextmanager
    async def __call__(self, server: Server) -> AsyncGenerator[ImapClient]:
        async with logged_in(server) as client:
            yield _Breaking(client, self)  # type: ignore[misc]  # it behaves like one


class _Breaking:
    def __init__(self, client: ImapClient, plan: Breaking) -> None:
        self._client = client
        self._plan = plan

    def __getattr__(self, name: str) -> Any:  # Any: whatever the client has
        found = getattr(self._client, name)
        if not callable(found):
            return found

        async def call(*args: Any, **more: Any) -> Any:  # Any: as the client's
            self._plan.calls += 1
            breaks = self._plan.calls == self._plan.at
            if breaks and not self._plan.after:
                raise ImapAwayError("broken")
            answer = await found(*args, **more)
            if breaks:
                raise ImapAwayError("broken")
            return answer

        return call


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 14))
async def test_whatever_breaks_off_each_message_is_accepted_once(post: Post, at: int, after: bool) -> None:
    plan = Breaking(at, after)
    post.deliver("m1", "m2")
    async with post.reading(plan):
        await post.has("m1", "m2")
        await asyncio.to_thread(post.deliver, "m3")
        await post.has("m1", "m2", "m3")
        await eventually(lambda: plan.calls >= at)
        await eventually(lambda: post.flagged(ACCEPTED) == 3, timeout_seconds=20)

    assert len(await post.texts()) == 3


async def test_a_server_that_hangs_up_while_we_wait_is_called_again(post: Post) -> None:
    async with post.reading():
        await eventually(lambda: post.user in post.server.doveadm("who").split())
        post.server.doveadm("kick", post.user)
        await asyncio.to_thread(post.deliver, "m1")
        await post.has("m1")


async def test_a_server_that_cannot_tell_is_asked(post: Post) -> None:
    class Silent(_Breaking):
        can_idle = False

        async def idle(self, seconds: float) -> None:
            raise AssertionError

    @asynccontextmanager
    async def connect(server: Server) -> AsyncGenerator[ImapClient]:
        async with logged_in(server) as client:
            yield Silent(client, Breaking(0, after=False))  # type: ignore[misc]  # it behaves like one

    async with post.reading(connect):
        await eventually(lambda: post.user in post.server.doveadm("who").split())
        for name in ("m1", "m2"):
            await asyncio.to_thread(post.deliver, name)
            await eventually(lambda: post.flagged(ACCEPTED) == len(post.asked) > 0)
        await post.has("m1", "m2")


@asynccontextmanager
async def examining(server: Server) -> AsyncGenerator[ImapClient]:
    """A client who opens folders to read alone, as if the user had no more right to them. Dovecot passes over what is
    to be marked then; here it is refused, as others do."""
    async with logged_in(server) as client:
        command = client._command

        async def examine(text: bytes, **more: Any) -> Any:  # Any: as the client's
            if text.startswith(b"UID STORE"):
                raise ImapRefusedError("NO")
            return await command(text.replace(b"SELECT ", b"EXAMINE "), **more)

        client._command = examine  # type: ignore[method-assign]  # this connection's alone
        yield client


async def test_of_a_folder_that_may_only_be_read_each_message_is_accepted_once(post: Post) -> None:
    post.deliver("m1", "m2")
    async with post.reading(examining):
        await post.has("m1", "m2")
        await asyncio.to_thread(post.deliver, "m3")
        await post.has("m1", "m2", "m3")
        await eventually(lambda: post.lease().position.last_uid == 3)

        assert post.metric("imap_mailboxes_failing") == 0
    assert len(post.asked) == 3
    assert post.lease().error is None


async def test_another_uidvalidity_loses_nothing_and_doubles_nothing(post: Post) -> None:
    post.deliver("m1", "m2")
    async with post.reading():
        await post.has("m1", "m2")
        await eventually(lambda: post.flagged(ACCEPTED) == 2)
    post.server.forget_uids(post.user)
    post.deliver("m3")
    post.server.doveadm("flags", "add", "-u", post.user, "\\Seen", "mailbox", "INBOX", "all")
    # Of a server that keeps no keywords, what was taken comes again, and is known.
    post.server.doveadm("flags", "remove", "-u", post.user, ACCEPTED, "mailbox", "INBOX", "all")
    async with post.reading():
        await post.has("m1", "m2", "m3")
        await eventually(lambda: post.flagged(ACCEPTED) == 3)

    assert len(post.asked) == 5


async def test_what_is_put_off_comes_again_and_nothing_overtakes_it(post: Post) -> None:
    post.answers = [Later(reason="backend_away")] * 2
    post.deliver("m1", "m2")
    async with post.reading():
        await post.has("m1", "m2")

    assert await post.texts() == ["text of m1", "text of m2"]
    assert len(post.asked) == 4


async def test_what_is_refused_stays_unread_and_holds_nobody_up(post: Post) -> None:
    post.answers = [Refused(reason="file_too_large")]
    post.deliver("m1", "m2")
    async with post.reading():
        await post.has("m2")
        await eventually(lambda: post.flagged(REFUSED) == 1)

    assert len(post.server.doveadm("search", "-u", post.user, "mailbox", "INBOX", "unseen").splitlines()) == 1


async def test_what_is_too_large_is_announced_by_its_header_alone(post: Post) -> None:
    post.bytes_max = 10_000
    post.server.deliver(post.user, letter("m1", body="x" * 70 * 1000))
    async with post.reading():
        await post.has()
        await eventually(lambda: post.flagged(ACCEPTED) == 1)
    [message] = [event.data for event in await announced(post.store) if isinstance(event.data, MessageReceived)]

    assert message.personal["text"] == ""
    assert int(message.attributes["too_large"]) > 70_000


async def test_one_replica_reads_a_mailbox_and_the_other_goes_on(post: Post) -> None:
    async with post.reading(holder="b"):
        async with post.reading(holder="a"):
            await asyncio.to_thread(post.deliver, "m1")
            await post.has("m1")
            holders = {lease.holder for lease in post.store.database.tables.mailboxes.values()}
            assert len(holders) == 1
        await asyncio.to_thread(post.deliver, "m2")
        await post.has("m1", "m2")

    assert len(post.asked) == 2


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("password", "login_refused"),
        ("folder", "folder_refused"),
        ("certificate", "certificate_untrusted"),
        ("secret", "secret_missing"),
        ("port", "server_away"),
        ("store", "mail_put_off"),
    ],
)
async def test_what_is_wrong_is_told_by_a_word_until_it_is_mended(post: Post, wrong: str, error: str) -> None:
    post.deliver("m1")
    secret = post.folder / TENANT / "imap"
    match wrong:
        case "password":
            secret.write_text("wrong")
        case "secret":
            secret.unlink()
        case "folder":
            post.configure(folder="None such")
        case "port":
            post.configure(port=1)
        case "certificate":
            post.trusted = make_certificate(post.folder).certificate
        case _:
            post.answers = [Later(reason="backend_away")] * 1000
    async with post.reading() as reading:
        await eventually(lambda: post.lease().failed_at_ms)
        told, failing = post.lease().error, post.metric("imap_mailboxes_failing")
        trouble = reading.trouble()
    secret.write_text(PASSWORD)
    post.answers.clear()
    post.configure()
    post.trusted = post.server.certificate.certificate
    async with post.reading():
        await post.has("m1")
        await eventually(lambda: (post.lease().position.read_at_ms or 0) >= (post.lease().failed_at_ms or 0))
        mended = post.metric("imap_mailboxes_failing")

    assert (told, failing, trouble) == (error, 1, None)
    assert (mended, post.lease().waiting) == (0, 0)


async def test_a_wrong_password_and_a_wrong_certificate_are_refused(dovecot: Dovecot, tmp_path: Path) -> None:
    trusted = ssl.create_default_context(cafile=str(dovecot.certificate.certificate))
    other = ssl.create_default_context(cafile=str(make_certificate(tmp_path).certificate))
    for starttls, port in ((False, dovecot.tls_port), (True, dovecot.port)):
        for password, context, error in (("wrong", trusted, ImapRefusedError), (PASSWORD, other, ImapAwayError)):
            server = Server(
                host="127.0.0.1", port=port, starttls=starttls, user="u99", password=password, context=context
            )
            with pytest.raises(error):
                async with logged_in(server):
                    pass


async def test_folders_have_names_of_any_letters(dovecot: Dovecot, user: str) -> None:
    dovecot.doveadm("mailbox", "create", "-u", user, "Büro & Söhne/中")
    dovecot.deliver(user, letter(), folder="Büro & Söhne/中")
    context = ssl.create_default_context(cafile=str(dovecot.certificate.certificate))
    server = Server(host="127.0.0.1", port=dovecot.port, starttls=True, user=user, password=PASSWORD, context=context)
    async with logged_in(server) as client:
        await client.select("Büro & Söhne/中")

        assert await client.search("UID 1:*") == [1]
        with pytest.raises(ImapRefusedError):
            await client.select("No such folder")


@asynccontextmanager
async def talking(*lines: bytes) -> AsyncGenerator[ImapClient]:
    """A client whose server says these things at once, whatever it is asked."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            for line in lines:
                writer.write(line)
            await writer.drain()
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2], limit=1_048_576)
    client = ImapClient(reader, writer)
    try:
        yield client
    finally:
        await client.close()
        server.close()
        await server.wait_closed()


Act = Callable[[ImapClient], Any]


@pytest.mark.parametrize(
    ("lines", "act"),
    [
        ([b"* 1 FETCH (UID 1 BODY[] {1001}\r\n" + b"x" * 1001 + b")\r\nA1 OK\r\n"], "message"),
        ([b"* 1 FETCH (UID 1 BODY[] {999999999}\r\n"], "message"),
        (
            [b"* 1 FETCH (UID 1 X {600}\r\n" + b"x" * 600 + b" BODY[] {600}\r\n" + b"x" * 600 + b")\r\nA1 OK\r\n"],
            "message",
        ),
        ([b"* OK " + b"x" * 1_100_000 + b"\r\n"], "message"),
        ([b"* 1 EXISTS\r\n" * 10_001], "message"),
        ([b"* X " + b"{1}\r\nx" * 11 + b"\r\n"], "message"),
        ([b"* BYE\r\n"], "message"),
        ([b"A1 BAD\r\n"], "message"),
        ([b"* BYE go away\r\n"], "log_in"),
        ([b"* PREAUTH hello\r\n"], "log_in"),
        ([b"* OK hi\r\nA1 OK go on\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"], "log_in"),
        ([b"* 1 EXISTS\r\nA1 OK\r\n"], "select"),
        ([b"A1 OK no idling\r\n"], "idle"),
        ([b"* 1 FETCH (UID 1 RFC822.SIZE " + b"9" * 5000 + b")\r\nA1 OK\r\n"], "summary"),
        ([b"* 1 FETCH (UID " + b"9" * 5000 + b" RFC822.SIZE 1)\r\nA1 OK\r\n"], "summary"),
        ([b"* SEARCH 4294967296\r\nA1 OK\r\n"], "search"),
        ([b"* OK [UIDVALIDITY 4294967296]\r\nA1 OK\r\n"], "select"),
        ([b"* OK [UIDVALIDITY 1] [UIDNEXT 99999999999]\r\nA1 OK\r\n"], "select"),
    ],
    ids=[
        "large",
        "huge",
        "large-in-all",
        "long-line",
        "many-lines",
        "many-literals",
        "bye",
        "bad",
        "bye-at-once",
        "preauth",
        "before-tls",
        "no-validity",
        "no-idle",
        "endless-size",
        "endless-uid",
        "large-uid",
        "large-validity",
        "large-next",
    ],
)
async def test_a_server_that_does_what_it_should_not_is_left(lines: list[bytes], act: str) -> None:
    server = Server(host="x", port=1, starttls=True, user="u", password="p", context=ssl.create_default_context())
    acts: dict[str, Act] = {
        "message": lambda client: client.message(1, bytes_max=1000, seconds=5),
        "log_in": lambda client: client.log_in(server),
        "select": lambda client: client.select("INBOX"),
        "idle": lambda client: client.idle(5),
        "summary": lambda client: client.summary(1),
        "search": lambda client: client.search("ALL"),
    }
    async with talking(*lines) as client:
        with pytest.raises(ImapAwayError):
            await acts[act](client)


async def test_bodies_come_as_literals_as_quoted_strings_and_among_other_lines() -> None:
    quoted = b'* 1 FETCH (UID 1 BODY[] "a \\"b\\" \\\\")\r\nA1 OK\r\n'
    mixed = b"* 3 EXISTS\r\n* 2 FETCH (FLAGS ())\r\n* 1 FETCH (BODY[] {4}\r\n)\r\nx UID 1)\r\nA1 OK\r\n"
    nothing = b"A1 OK\r\n"
    for said, wanted in ((quoted, b'a "b" \\'), (mixed, b")\r\nx"), (nothing, None)):
        async with talking(said) as client:
            assert await client.message(1, bytes_max=HEADER_BYTES_MAX, seconds=5) == wanted
