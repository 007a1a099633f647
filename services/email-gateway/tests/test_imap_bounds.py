"""Reading mailboxes: leases that are lost, folders and messages that are large."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from contracts.messages import MessageReceived
from email_gateway.imap_client import (
    HEADER_BYTES_MAX,
    LINE_BYTES_MAX,
    Folder,
    ImapClient,
    Server,
    logged_in,
)
from email_gateway.imap_in import (
    ACCEPTED,
    ANSWER_UIDS_MAX,
    LEASE_MS,
    RENEW_SECONDS,
    STEP_UIDS,
    uids_in_steps,
)
from email_gateway.receiving import Answer, Envelope
from email_gateway.testing.dovecot import Dovecot, running_dovecot
from email_gateway.testing.post import Post, QuickClock
from email_gateway.testing.samples import letter
from gatewaykit.testing.conversation_laws import announced
from servicekit.testing.eventually import eventually
from typing_extensions import override

USERS = count()


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    with running_dovecot(*(f"u{number}" for number in range(100))) as server:
        yield server


@pytest.fixture
def post(dovecot: Dovecot, tmp_path: Path) -> Post:
    """A mailbox of a test's own."""
    return Post(dovecot, f"u{next(USERS)}", tmp_path)


class Later60Seconds(QuickClock):
    """Another replica's, on which the leases of others have run out."""

    @override
    def now_ms(self) -> int:
        return super().now_ms() + LEASE_MS + 1


class Asleep(QuickClock):
    """Of a replica that stands still: it renews no lease."""

    @override
    async def sleep(self, seconds: float) -> None:
        if seconds == RENEW_SECONDS:
            await asyncio.Event().wait()
        await super().sleep(seconds)


@pytest.mark.parametrize("committed", [False, True])
async def test_who_wakes_up_after_its_lease_doubles_nothing_and_puts_nothing_back(post: Post, committed: bool) -> None:
    """It stood still with a message in its hands, before or after it was accepted."""
    holds, wakes, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stopping(raw: bytes, envelope: Envelope) -> Answer:
        answer = await post.accept(raw, envelope) if committed else None
        holds.set()
        await wakes.wait()
        answer = answer or await post.accept(raw, envelope)
        done.set()
        return answer

    post.deliver("m1", "m2")
    async with post.reading(holder="a", accept=stopping, clock=Asleep()):
        await holds.wait()
        sleeper = post.telemetry
        async with post.reading(holder="b", clock=Later60Seconds()):
            await eventually(lambda: post.flagged(ACCEPTED) == 2, timeout_seconds=20)
            await asyncio.to_thread(post.deliver, "m3")
            await post.has("m1", "m2", "m3")
            await eventually(lambda: post.lease().position.last_uid == 3)
            wakes.set()
            await done.wait()
            lost = ("centralino_imap_failures_total", {"error": "lease_lost"})
            await eventually(lambda: sleeper.registry.get_sample_value(*lost))

            assert (post.lease().holder, post.lease().position.last_uid) == ("b", 3)
    assert sorted(await post.texts()) == ["text of m1", "text of m2", "text of m3"]
    assert sleeper.registry.get_sample_value("centralino_imap_mailboxes_failing") == 0
    assert post.lease().error is None


async def test_of_a_large_mailbox_no_answer_is_long_and_no_message_is_missed(post: Post) -> None:
    """First what is unread among thousands, then what came during an outage."""
    folder = post.server.folder / "mail" / post.user / "Maildir"
    post.deliver("m1")
    post.server.doveadm("flags", "add", "-u", post.user, "\\Seen", "mailbox", "INBOX", "all")
    kept = next(folder.glob("[cn]*/*"))
    for number in range(2 * STEP_UIDS):
        (folder / "cur" / f"{number}.seen:2,S").hardlink_to(kept)
    post.deliver("m2")
    asked = Recording()
    async with post.reading(asked.connect):
        await post.has("m2")
        await eventually(lambda: post.lease().position.last_uid == 2 * STEP_UIDS + 2)
    post.deliver("m3", "m4")
    async with post.reading(asked.connect):
        await post.has("m2", "m3", "m4")

    assert max(asked.found) <= STEP_UIDS
    assert sum(asked.found) < 10


@dataclass
class Recording:
    """How many UIDs each search gave."""

    found: list[int] = field(default_factory=list)

    @asynccontextmanager
    async def connect(self, server: Server) -> AsyncGenerator[ImapClient]:
        async with logged_in(server) as client:
            search = client.search

            async def counted(criteria: str) -> list[int]:
                uids = await search(criteria)
                self.found.append(len(uids))
                return uids

            client.search = counted  # type: ignore[method-assign]  # this connection's alone
            yield client


class Many:
    """A folder of which only UIDs are asked."""

    def __init__(self, *uids: range) -> None:
        self.uids = uids
        self.answers: list[int] = []

    async def search(self, criteria: str) -> list[int]:
        first, _, last = criteria.split()[1].partition(":")
        found = [uid for each in self.uids for uid in each if int(first) <= uid <= int(last)]
        self.answers.append(len(found))
        return found

    async def all(self, first: int, last: int) -> list[int]:
        held = sum(len(each) for each in self.uids) + 10**6 * (len(self.uids) > 1)
        folder = Folder(validity=1, next_uid=last + 1, messages=held, may_flag=True, may_name_flags=True)
        steps = uids_in_steps(self, folder, first, last, "UNSEEN")  # type: ignore[arg-type]  # it searches like one
        return [uid async for uids in steps for uid in uids]


async def test_uids_are_asked_for_in_steps_that_grow_only_as_far_as_an_answer_is_read() -> None:
    """Among a million messages that were read, or in a small folder whose UIDs lie far apart."""
    crowded, sparse = Many(range(400_000, 600_000), range(700_000, 700_001)), Many(range(1, 2**32, 2**29))
    found = await crowded.all(2, 700_000)
    far = await sparse.all(2, 2**32 - 1)

    assert found == [*range(400_000, 600_000), 700_000]
    assert max(crowded.answers) <= ANSWER_UIDS_MAX
    assert 11 * ANSWER_UIDS_MAX < LINE_BYTES_MAX
    assert far == list(range(1 + 2**29, 2**32, 2**29))
    assert len(sparse.answers) < 200


async def test_a_header_is_read_as_far_as_its_bound(post: Post) -> None:
    post.bytes_max = 10_000
    fields = [f"X-Field-{number}: {'x' * 1000}" for number in range(400)]
    post.server.deliver(post.user, letter("m1", "Subject: Large", *fields, body="x"))
    async with post.reading():
        await eventually(lambda: post.flagged(ACCEPTED) == 1)
    [message] = [event.data for event in await announced(post.store) if isinstance(event.data, MessageReceived)]

    assert message.personal["subject"] == "Large"
    assert int(message.attributes["too_large"]) > HEADER_BYTES_MAX
