"""Written channels: the same is kept whatever comes late, twice or out of order, in memory and in PostgreSQL."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Any, get_args

import pytest
from contracts import Event, decode
from contracts.commands import CustomerFacts
from contracts.interactions import InteractionStarted, InteractionUpdated
from contracts.messages import MessageReceived, MessageSent
from contracts.written import (
    MessageEdited,
    MessageErased,
    MessageFilesChanged,
    MessagesMoved,
    MessageStatus,
    MessageStatusChanged,
    Moved,
    WindowChanged,
)
from crm.consumers import GROUP, reactions
from crm.domain.stories import Message, searched
from crm.domain.words import words_of
from crm.domain.written import Change, Status
from crm.store import PostgresCrmStore
from crm.testing import CrmTables, MemoryCrmStore, Topics
from crm.transaction import CrmStore
from hypothesis import given, settings
from hypothesis import strategies as st
from servicekit.errors import PoisonedError, RejectError
from servicekit.store import EVERY_TENANT
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import MigratedDatabase, migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.virtual import VirtualClock, run_virtual
from servicekit.transactional import TransactionalProcessor

Json = dict[str, object]
TELEMETRY = Telemetry("test")
CLOCK = VirtualClock()
FILE = {"blob_id": "b-1", "name": "Invoice.pdf", "mime": "application/pdf", "size_bytes": 9, "sha256": "0f"}
MAIL: Json = {
    "text": "Where is my tent?",
    "subject": "Order 7",
    "html": "<p>Where is my tent?</p>",
    "quoted": "> Dear Maria",
    "from": "maria@example.org",
    "to": ["help@shop.example"],
    "files": [FILE, {"name": "without bytes"}, "nonsense"],
}


def received(number: int, interaction_id: str = "i-a", personal: Json | None = None) -> MessageReceived:
    return MessageReceived(
        message_id=f"{interaction_id}-{number}",
        interaction_id=interaction_id,
        domain="acme.main",
        channel="email",
        number=number,
        received_at_ms=1_000 + number,
        personal=personal or {"text": f"text {number} of {interaction_id}"},
        attributes={"authenticated": "pass"},
    )


def sent(number: int) -> MessageSent:
    return MessageSent(
        message_id=f"i-a-{number}",
        interaction_id="i-a",
        domain="acme.main",
        channel="email",
        number=number,
        agent_id="ana",
        assignment_id="a-1",
        sent_at_ms=1_000 + number,
        personal={"text": "On its way.", "files": [FILE]},
    )


def edited(message_id: str, text: str, at_ms: int) -> MessageEdited:
    return MessageEdited(**place(message_id), edited_at_ms=at_ms, personal={"text": text})


def erased(message_id: str, at_ms: int = 2_500) -> MessageErased:
    return MessageErased(**place(message_id), erased_at_ms=at_ms)


def files_changed(message_id: str, *names: str) -> MessageFilesChanged:
    files = [{**FILE, "blob_id": f"{message_id}.{place}", "name": name} for place, name in enumerate(names, start=1)]
    return MessageFilesChanged(
        **place(message_id), changed_at_ms=2_100, fetched=len(files), pending=0, failed=0, personal={"files": files}
    )


def status(message_id: str, status: MessageStatus, at_ms: int) -> MessageStatusChanged:
    return MessageStatusChanged(**place(message_id), status=status, changed_at_ms=at_ms)


def window(closes_at_ms: int, changed_at_ms: int) -> WindowChanged:
    return WindowChanged(
        interaction_id="i-a",
        domain="acme.main",
        opens_at_ms=1,
        closes_at_ms=closes_at_ms,
        basis="customer_message",
        changed_at_ms=changed_at_ms,
    )


def moved(left: str, to: str, at_ms: int, places: dict[str, int]) -> MessagesMoved:
    return MessagesMoved(
        interaction_id=left,
        to_interaction_id=to,
        domain="acme.main",
        moved=tuple(Moved(message_id=name, number=number) for name, number in places.items()),
        reason="split",
        agent_id="ana",
        moved_at_ms=at_ms,
    )


def place(message_id: str) -> dict[str, Any]:  # Any: fields of any event
    return {"message_id": message_id, "interaction_id": "i-a", "domain": "acme.main"}


TOLD: list[object] = [
    received(1, personal=MAIL),
    received(2),
    received(3),
    received(4),
    sent(5),
    received(3, "i-b"),
    edited("i-a-2", "Better said", 2_000),
    edited("i-a-2", "Best said", 2_001),
    edited("i-a-3", "Not for you", 2_002),
    files_changed("i-a-3", "lost.png"),
    erased("i-a-3"),
    files_changed("i-a-4", "tent.png"),
    files_changed("i-a-4", "tent.png", "pole.png"),
    status("i-a-5", "read", 2_002),
    moved("i-a", "i-b", 3_000, {"i-a-2": 1, "i-a-3": 2}),
    moved("i-b", "i-c", 4_000, {"i-a-2": 1}),
    moved("i-c", "i-a", 5_000, {"i-a-2": 6}),
    window(9_000, 10),
    window(19_000, 20),
]


def event(data: object, tenant_id: str = "acme", event_id: str = "e") -> Event:
    return Event(id=event_id, source="/test", tenant_id=tenant_id, subject="it", time_ms=0, data=data)


def events(told: Iterable[object], tenant_id: str = "acme") -> list[Event]:
    return [event(data, tenant_id, f"e-{place}") for place, data in enumerate(told)]


async def read(store: CrmStore, told: Sequence[Event], *, batch: int = 1, topics: Topics | None = None) -> None:
    processor = TransactionalProcessor(group=GROUP, store=store, reactions=reactions(CLOCK), telemetry=TELEMETRY)
    topics = topics or Topics()
    records = [topics.land(each) for each in told]
    for first in range(0, len(records), batch):
        await processor.process(records[first : first + batch])


async def kept_of(told: Sequence[Event], batch: int = 1) -> CrmTables:
    store = MemoryCrmStore()
    await read(store, told, batch=batch)
    return store.database.tables


EXPECTED = run_virtual(kept_of(events(TOLD)))


def test_what_is_expected_here_is_right() -> None:
    """Each message once, the moved ones in their new place; words of the latest edit, none of what was taken back."""
    found = {key[1:]: (each.message_id, each.text) for key, each in EXPECTED.messages.items()}

    assert found == {
        ("i-a", 1): ("i-a-1", "Where is my tent?"),
        ("i-a", 4): ("i-a-4", "text 4 of i-a"),
        ("i-a", 5): ("i-a-5", "On its way."),
        ("i-a", 6): ("i-a-2", "Best said"),
        ("i-b", 2): ("i-a-3", ""),
        ("i-b", 3): ("i-b-3", "text 3 of i-b"),
    }
    assert EXPECTED.statuses["acme", "i-a-5"].status == "read"
    assert EXPECTED.windows["acme", "i-a"].closes_at_ms == 19_000
    assert EXPECTED.changes["acme", "i-a-3"].text is None
    assert [[file["name"] for file in EXPECTED.messages["acme", *at].files] for at in (("i-a", 4), ("i-b", 2))] == [
        ["tent.png", "pole.png"],
        [],
    ]


def test_a_mail_is_kept_with_all_that_was_told() -> None:
    mail = EXPECTED.messages["acme", "i-a", 1]

    assert (mail.subject, mail.html, mail.quoted) == ("Order 7", "<p>Where is my tent?</p>", "> Dear Maria")
    assert mail.parties == {"from": ["maria@example.org"], "to": ["help@shop.example"]}
    assert mail.attributes == {"authenticated": "pass"}
    assert mail.files == [{**FILE, "inline_id": None}]


async def test_html_of_older_words_goes_with_an_edit_and_everything_with_an_erasure() -> None:
    mail = received(1, personal=MAIL)
    after_edit = await kept_of(events([mail, edited("i-a-1", "Found it", 5)]))
    after_erasure = await kept_of(events([mail, erased("i-a-1", 6)]))

    now = after_edit.messages["acme", "i-a", 1]
    assert (now.text, now.html, now.subject, len(now.files)) == ("Found it", None, "Order 7", 1)
    gone = after_erasure.messages["acme", "i-a", 1]
    assert (gone.text, gone.subject, gone.html, gone.quoted) == ("", None, None, None)
    assert (gone.parties, gone.files, gone.message_id) == ({}, [], "i-a-1")


@settings(max_examples=300, deadline=None)
@given(st.permutations(events(TOLD)), st.lists(st.sampled_from(events(TOLD)), max_size=8), st.integers(1, 9))
def test_any_order_and_any_repeat_lead_to_the_same(order: list[Event], again: list[Event], batch: int) -> None:
    tables = run_virtual(kept_of([*order, *again], batch))

    assert (tables.messages, tables.changes) == (EXPECTED.messages, EXPECTED.changes)
    assert (tables.statuses, tables.windows) == (EXPECTED.statuses, EXPECTED.windows)


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("last", get_args(MessageStatus))
@pytest.mark.parametrize("before", get_args(MessageStatus))
async def test_the_status_that_was_read_last_stands(before: MessageStatus, last: MessageStatus, batch: int) -> None:
    """Also when a repeat begins before it: what was read once is read again in the same order."""
    told = events([status("m", before, 7), status("m", last, 5)])
    tables = await kept_of([*told, told[1], *told], batch)

    assert tables.statuses["acme", "m"] == Status(tenant_id="acme", message_id="m", status=last, changed_at_ms=5)


async def test_what_comes_encrypted_has_no_words() -> None:
    tables = await kept_of(events([received(1, personal={"kid": "k", "ct": "AA"}), edited("i-a-1", "", 5)]))

    assert (tables.messages["acme", "i-a", 1].text, tables.messages["acme", "i-a", 1].files) == ("", [])


CLAIM = {"type": "email", "value": "Maria@Example.ORG", "verified": True}
PHONE = {"type": "phone", "value": "0034 600 123 456", "verified": True}


def started(interaction_id: str, authenticated: str, *identifiers: dict[str, object]) -> InteractionStarted:
    return InteractionStarted(
        interaction_id=interaction_id,
        domain="acme.main",
        client="shop",
        channel="email",
        address="email:help",
        started_at_ms=1_000,
        attributes={"authenticated": authenticated, "continues": "i-0"},
        personal={"name": "Maria", "identifiers": list(identifiers)},
    )


async def test_a_sender_whose_domain_disowns_the_mail_is_led_to_nobody_and_takes_nothing() -> None:
    more = InteractionUpdated(
        interaction_id="i-2",
        domain="acme.main",
        updated_at_ms=2_000,
        personal={"identifiers": [{"type": "visitor", "value": "v-1", "verified": False}]},
    )
    forged = {**CLAIM, "value": "maria@example.org"}

    tables = await kept_of(
        events([started("i-1", "pass", CLAIM), started("i-2", "fail", forged), more, started("i-3", "none", forged)])
    )

    whose = {name: tables.interactions["acme", name].customer_id for name in ("i-1", "i-2", "i-3")}
    assert whose["i-1"] == whose["i-3"] != whose["i-2"]
    assert [(key, held.customer_id) for key, held in tables.identifiers.items()] == [
        (("acme", ("email", "maria@example.org")), whose["i-1"])
    ]
    disowned = [row.decision for row in tables.decisions.values() if row.decision.reason == "sender_disowned"]
    assert [decision.conflicts for decision in disowned] == [(whose["i-1"],), (whose["i-1"],)]


async def test_a_disowned_address_that_nobody_holds_is_not_given_away() -> None:
    tables = await kept_of(events([started("i-1", "fail", CLAIM), started("i-2", "pass", CLAIM)]))

    [held] = tables.identifiers.values()
    assert held.customer_id == tables.interactions["acme", "i-2"].customer_id
    assert held.customer_id != tables.interactions["acme", "i-1"].customer_id


async def test_the_router_is_told_of_a_mails_customer_as_of_a_chats() -> None:
    store = MemoryCrmStore()
    await read(store, events([started("i-1", "pass", CLAIM, PHONE), started("i-2", "pass", PHONE)]))
    await read(store, [event(started("i-3", "fail", CLAIM), event_id="e-9")], topics=Topics({"interactions": 9}))

    async with store.database.outbox.batch(rows_max=9) as batch:
        told = [decode(row.outgoing.value, row.outgoing.headers).data for row in batch.rows]
    facts = {each.interaction_id: each.known for each in told if isinstance(each, CustomerFacts)}
    assert facts == {"i-1": False, "i-2": True, "i-3": False}


async def test_an_interaction_names_the_one_that_it_goes_on_from() -> None:
    tables = await kept_of(events([started("i-1", "pass")]))

    assert tables.interactions["acme", "i-1"].continues == "i-0"


MESSAGE = Message(
    tenant_id="acme",
    interaction_id="i-a",
    number=1,
    message_id="m-1",
    direction="inbound",
    agent_id=None,
    text="A secret tent",
    at_ms=1,
)
ERASED = Change(tenant_id="acme", message_id="m-1", erased_at_ms=9)


class StoreSuite:
    @pytest.mark.parametrize("added_before", [True, False])
    async def test_a_message_is_changed_by_what_became_of_it(self, store: CrmStore, *, added_before: bool) -> None:
        change = Change(tenant_id="acme", message_id="m-1", edited_at_ms=5, text="b", interaction_id="i-b", number=4)
        change = replace(change, files='[{"name": "a.png"}]', files_told=1)
        if added_before:
            async with store.transaction(EVERY_TENANT) as tx:
                await tx.add_message(MESSAGE)
        async with store.transaction(EVERY_TENANT) as tx:
            if not added_before:
                await tx.add_message(MESSAGE)
            await tx.save_change(change)

        async with store.transaction(EVERY_TENANT) as tx:
            assert await tx.change("acme", "m-1") == change
            assert await tx.change("acme", "m-2") is None
            expected = replace(MESSAGE, interaction_id="i-b", number=4, text="b", files=[{"name": "a.png"}])
            assert await tx.message("acme", "m-1") == expected

    async def test_a_number_that_stands_for_another_message_is_refused(self, store: CrmStore) -> None:
        await read(store, events([received(1), received(1, "i-b")]))

        with pytest.raises(PoisonedError) as poisoned:
            await read(
                store,
                events([moved("i-a", "i-b", 5, {"i-a-1": 1})]),
                topics=Topics({"messages": 9}),
            )

        assert isinstance(poisoned.value.error, RejectError)
        assert poisoned.value.error.reason == "message_number_taken"

    async def test_what_one_tenant_changes_is_nothing_to_another(self, store: CrmStore) -> None:
        async with store.transaction(EVERY_TENANT) as tx:
            await tx.add_message(MESSAGE)
            await tx.save_change(replace(ERASED, tenant_id="globex"))

        async with store.transaction("acme") as tx:
            assert await tx.message("acme", "m-1") == MESSAGE
            assert await tx.change("globex", "m-1") is None


class TestMemory(StoreSuite):
    @pytest.fixture
    def store(self) -> CrmStore:
        return MemoryCrmStore()


class TestPostgres(StoreSuite):
    @pytest.fixture
    async def kept(self, postgres: FreshDatabase) -> AsyncGenerator[MigratedDatabase, None]:
        async with migrated(postgres.admin_url, "crm") as kept:
            yield kept

    @pytest.fixture
    def store(self, kept: MigratedDatabase) -> CrmStore:
        return PostgresCrmStore(kept.database)

    async def test_any_order_leads_to_the_same_there(self, store: CrmStore, kept: MigratedDatabase) -> None:
        """Each tenant is told in another order, with repeats, one by one or in batches."""
        random, topics = Random(7), Topics()
        tenants = [f"tenant-{number}" for number in range(24)]
        for number, tenant in enumerate(tenants):
            told = events(TOLD, tenant)
            order = random.sample(told, len(told)) + random.sample(told, 5)
            await read(store, order, batch=(1, 4, len(order))[number % 3], topics=topics)

        for tenant in tenants:
            async with kept.database.transaction(tenant) as tx:
                found = await tx.all("SELECT message_id, status, changed_at_ms FROM message_status")
                assert [dict(row) for row in found] == [
                    {"message_id": "i-a-5", "status": "read", "changed_at_ms": 2_002}
                ]
                words = await tx.all("SELECT word, at_ms, interaction_id, number FROM message_word")
                [closes] = await tx.all("SELECT closes_at_ms FROM interaction_window")
            assert closes["closes_at_ms"] == 19_000
            assert {tuple(row.values()) for row in words} == {
                (word, each.at_ms, each.interaction_id, each.number)
                for each in EXPECTED.messages.values()
                for word in words_of(searched(each))
            }
            async with store.transaction(EVERY_TENANT) as tx_of_all:
                for message in EXPECTED.messages.values():
                    there = await tx_of_all.message(tenant, message.message_id)
                    assert there == replace(message, tenant_id=tenant)

    @pytest.mark.parametrize("batch", [1, 2, 5])
    async def test_the_status_that_was_read_last_stands_there(
        self, store: CrmStore, kept: MigratedDatabase, batch: int
    ) -> None:
        order: list[MessageStatus] = ["sent", "read", "failed", "unknown", "sent"]
        await read(store, events([status("m", word, 9 - place) for place, word in enumerate(order)]), batch=batch)

        async with kept.database.transaction("acme") as tx:
            [found] = await tx.all("SELECT status, changed_at_ms FROM message_status")
        assert dict(found) == {"status": "sent", "changed_at_ms": 5}

    @pytest.mark.parametrize("first", ["message", "erasure"])
    async def test_a_message_and_its_erasure_at_once_leave_no_words(
        self, store: CrmStore, kept: MigratedDatabase, first: str
    ) -> None:
        """In two partitions: neither transaction sees the other's rows, so the later one waits before it looks."""
        begun, going_on = asyncio.Event(), asyncio.Event()

        async def tell() -> None:
            async with store.transaction(EVERY_TENANT) as tx:
                change = await tx.change("acme", "m-1")
                await _stay(first == "message")
                await tx.add_message(replace(MESSAGE, text="") if change else MESSAGE)

        async def erase() -> None:
            async with store.transaction(EVERY_TENANT) as tx:
                await tx.save_change(ERASED)
                await _stay(first == "erasure")

        async def _stay(is_first: bool) -> None:
            if is_first:
                begun.set()
                await going_on.wait()

        both = {"message": (tell, erase), "erasure": (erase, tell)}[first]
        tasks = [asyncio.create_task(both[0]())]
        await asyncio.wait_for(begun.wait(), 20)
        tasks.append(asyncio.create_task(both[1]()))
        await eventually(lambda: somebody_waits(kept))
        going_on.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 20)

        async with kept.database.transaction("acme") as tx:
            assert [row["text"] for row in await tx.all("SELECT text FROM message")] == [""]
            assert await tx.all("SELECT * FROM message_word") == []


async def somebody_waits(kept: MigratedDatabase) -> bool:
    async with kept.database.transaction(EVERY_TENANT) as tx:
        return bool(await tx.all("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
