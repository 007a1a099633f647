"""The API on PostgreSQL, filled by the consumers: what each caller gets, and what nobody gets."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from contracts import Event
from contracts.interactions import InteractionStarted
from contracts.messages import MessageFailed, MessageReceived
from contracts.written import (
    MessageEdited,
    MessageErased,
    MessagesMoved,
    MessageStatusChanged,
    Moved,
    WindowChanged,
)
from crm.app import application
from crm.consumers import GROUP, reactions
from crm.settings import CrmSettings
from crm.store import PostgresCrmStore, PostgresCrmTransaction
from crm.testing import Conversation, Topics
from servicekit.auth import Role
from servicekit.database import Database
from servicekit.run import Shell
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.tenants import unguarded_tables
from servicekit.testing.tokens import TokenIssuer
from servicekit.transactional import TransactionalProcessor
from sqlalchemy.exc import DBAPIError

Json = dict[str, Any]  # Any: a document as a client sees it

ISSUER = TokenIssuer.generate()
VISITOR = {"type": "visitor", "value": "v-1", "verified": False}
SHELL = Shell(SystemClock(), SystemIds(), SystemChance(), MemoryLog({}), Telemetry("test"))
TENT = Conversation(personal={"name": "María Peña", "identifiers": [VISITOR]})
BOOTS = Conversation(
    interaction_id="chat-2",
    first_ms=TENT.first_ms + 60_000,
    personal={"name": "María Peña", "identifiers": [VISITOR]},
    words=("Boots for my tent trip", "Size?", "Forty"),
)
GLOBEX = Conversation(
    interaction_id="chat-g",
    tenant_id="globex",
    personal={"name": "María Globex", "identifiers": [VISITOR]},
    words=("A secret tent", "Hush", "Yes"),
)


@dataclass(frozen=True, slots=True)
class Crm:
    """The API and the consumers behind it."""

    client: httpx.AsyncClient
    database: Database
    store: PostgresCrmStore
    topics: Topics
    application_url: str

    async def read(self, events: Sequence[Event]) -> None:
        """Consume these."""
        processor = TransactionalProcessor(
            group=GROUP, store=self.store, reactions=reactions(SHELL.clock), telemetry=SHELL.telemetry
        )
        for event in events:
            await processor.process([self.topics.land(event)])

    async def get(self, path: str, *, tenant: str = "acme", **query: str | int) -> httpx.Response:
        """Ask as an agent of the tenant."""
        return await self.client.get(path, params=query, headers=bearer("agent", tenant=tenant))

    async def found(self, path: str, *, tenant: str = "acme", **query: str | int) -> Json:
        """The document; the request must succeed."""
        answer = await self.get(path, tenant=tenant, **query)
        assert answer.status_code == 200, answer.text
        document: Json = answer.json()
        return document

    async def customer_id(self) -> str:
        """Of the only customer of acme."""
        [customer] = (await self.found("/customers"))["customers"]
        return str(customer["customer_id"])


def bearer(*roles: Role, tenant: str = "acme", **claims: Any) -> dict[str, str]:  # Any: TokenIssuer's own arguments
    values = {"now_ms": SystemClock().now_ms(), **claims}
    token = ISSUER.token(subject="ana", tenant_id=tenant, roles=roles, **values)
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
async def crm(postgres: FreshDatabase, tmp_path: Path) -> AsyncGenerator[Crm, None]:
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(ISSUER.jwks()))
    async with migrated(postgres.admin_url, "crm") as kept:
        app = application(CrmSettings(jwks_url=f"file:{keys}"), SHELL, kept.database)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test/crm/v1") as client:
            crm = Crm(client, kept.database, PostgresCrmStore(kept.database), Topics(), kept.application_url)
            for chat in (TENT, BOOTS, GLOBEX):
                await crm.read(chat.events())
            yield crm


async def test_an_interaction_comes_with_its_customer_and_outcome(crm: Crm) -> None:
    failed = MessageFailed(
        message_id="m-9",
        interaction_id="chat-1",
        domain="acme.main",
        agent_id="ana",
        reason="interaction_ended",
        detail="The conversation is over.",
        failed_at_ms=TENT.first_ms,
    )
    await crm.read([TENT.event(failed, "failed")])

    document = await crm.found("/interactions/chat-1")

    assert document["customer"]["name"] == "María Peña"
    assert document["customer"]["identifiers"] == [VISITOR]
    assert (document["state"], document["channel"], document["attributes"]) == ("ended", "webchat", {"page": "tents"})
    outcome = document["outcome"]
    assert (outcome["agent_id"], outcome["disposition"], outcome["waited_ms"]) == ("ana", "solved", 4_000)
    assert [each["reason"] for each in document["failed_messages"]] == ["interaction_ended"]


async def test_a_conversation_is_read_by_number_page_by_page(crm: Crm) -> None:
    first = await crm.found("/interactions/chat-1/messages", limit=2)
    rest = await crm.found("/interactions/chat-1/messages", limit=2, after=first["next_after"])

    lines = [*first["messages"], *rest["messages"]]
    assert [(line["number"], line["direction"], line["text"], line["agent_id"]) for line in lines] == [
        (1, "inbound", "Where is my tent?", None),
        (2, "outbound", "On its way.", "ana"),
        (3, "inbound", "Thank you!", None),
    ]
    assert (first["next_after"], rest["next_after"]) == (2, None)


async def test_messages_are_shown_although_their_interaction_is_not_read_yet(crm: Crm) -> None:
    early = Conversation(interaction_id="chat-9")
    await crm.read([event for event in early.events() if event.type.topic.name == "messages"])

    assert len((await crm.found("/interactions/chat-9/messages"))["messages"]) == 3
    assert (await crm.get("/interactions/chat-9")).status_code == 404


async def change(crm: Crm, change: Json, *roles: Role, tenant: str = "acme", customer_id: str = "") -> httpx.Response:
    """PATCH the only customer of acme, or the given one."""
    path = f"/customers/{customer_id or await crm.customer_id()}"
    return await crm.client.patch(path, json=change, headers=bearer(*(roles or ("supervisor",)), tenant=tenant))


async def test_supervisors_and_integrators_say_what_routing_is_to_know_of_a_customer(crm: Crm) -> None:
    whole = await change(crm, {"tier": "gold", "language": "es", "labels": ["vip", "b2b"]}, "integrator")
    partly = await change(crm, {"language": None, "labels": []})

    assert (whole.status_code, whole.json()["tier"], whole.json()["labels"]) == (200, "gold", ["vip", "b2b"])
    assert partly.json() == {**whole.json(), "language": None, "labels": []}
    assert await crm.found(f"/customers/{await crm.customer_id()}") == partly.json()
    assert (await crm.found("/customers"))["customers"] == [partly.json()]


async def test_each_change_of_a_customer_has_one_audit_row_that_nobody_can_change(crm: Crm) -> None:
    customer_id = await crm.customer_id()
    for role in ("supervisor", "integrator"):
        assert (await change(crm, {"tier": "gold"}, role)).status_code == 200
    await change(crm, {"tier": "gold"}, "agent")
    await change(crm, {"tier": "?"})

    async with crm.database.transaction("acme") as tx:
        rows = await tx.all("SELECT actor, action, target FROM audit")
    assert [tuple(row.values()) for row in rows] == [("ana", "customer.change", customer_id)] * 2
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with crm.database.transaction("acme") as tx:
                await tx.execute(statement)


@pytest.mark.parametrize("roles", [("agent",), ("admin",)])
async def test_nobody_else_changes_a_customer(crm: Crm, roles: tuple[Role, ...]) -> None:
    assert (await change(crm, {"tier": "gold"}, *roles)).status_code == 403
    assert (await crm.found(f"/customers/{await crm.customer_id()}"))["tier"] is None


async def test_another_tenants_customer_is_unknown_and_stays_as_it_is(crm: Crm) -> None:
    customer_id = await crm.customer_id()
    answer = await change(crm, {"tier": "gold"}, tenant="globex", customer_id=customer_id)

    assert (answer.status_code, answer.json()["code"]) == (404, "customer_unknown")
    assert (await crm.found(f"/customers/{customer_id}"))["tier"] is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"tier": "Gold Member"},
        {"language": ""},
        {"labels": None},
        {"labels": ["no spaces please"]},
        {"labels": [f"l{number}" for number in range(21)]},
    ],
)
async def test_what_no_rule_could_read_is_refused(crm: Crm, body: Json) -> None:
    answer = await change(crm, body)

    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


async def test_an_interaction_tells_its_story(crm: Crm) -> None:
    story = (await crm.found("/interactions/chat-1"))["story"]

    assert [each["summary"] for each in story] == [
        "waits in sales",
        "assigned to ana as owner",
        "ana wraps up (interaction_ended)",
        "completed by ana (completed_by_agent, solved)",
    ]
    assert story[1]["type"] == "task.assigned"
    assert story[1]["told"]["agent_id"] == "ana"


async def test_the_timeline_is_newest_first_with_outcomes(crm: Crm) -> None:
    page = await crm.found(f"/customers/{await crm.customer_id()}/timeline")

    entries = [(entry["kind"], entry["interaction_id"], entry["summary"]) for entry in page["entries"]]
    assert entries == [
        ("message", "chat-2", "Forty"),
        ("message", "chat-2", "Size?"),
        ("message", "chat-2", "Boots for my tent trip"),
        ("interaction", "chat-2", "webchat with ana: solved"),
        ("message", "chat-1", "Thank you!"),
        ("message", "chat-1", "On its way."),
        ("message", "chat-1", "Where is my tent?"),
        ("interaction", "chat-1", "webchat with ana: solved"),
    ]
    assert page["next_cursor"] is None


async def test_pages_of_a_timeline_neither_repeat_nor_skip_while_more_comes(crm: Crm) -> None:
    path = f"/customers/{await crm.customer_id()}/timeline"
    whole = (await crm.found(path))["entries"]
    same_instant = replace(BOOTS, interaction_id="chat-3", first_ms=TENT.first_ms + 120_000)

    page = await crm.found(path, limit=3)
    seen = page["entries"]
    await crm.read(same_instant.events())
    while page["next_cursor"]:
        page = await crm.found(path, limit=3, cursor=page["next_cursor"])
        seen += page["entries"]

    assert seen == whole


FILE = {"blob_id": "b-1", "name": "Invoice.pdf", "mime": "application/pdf", "size_bytes": 9, "sha256": "0f"}
MAIL = MessageReceived(
    message_id="mail-4",
    interaction_id="chat-1",
    domain="acme.main",
    channel="email",
    number=4,
    received_at_ms=TENT.first_ms + 10_000,
    personal={
        "text": "Still no tent",
        "subject": "Order 7",
        "html": "<p>Still no tent</p>",
        "quoted": "> On its way.",
        "from": "maria@example.org",
        "cc": ["zoe@example.org"],
        "files": [FILE],
    },
    in_reply_to="chat-1-2",
    attributes={"authenticated": "pass"},
)
ABOUT: Json = {"interaction_id": "chat-1", "domain": "acme.main"}


async def test_a_mail_is_shown_with_what_was_told_of_it_and_what_became_of_the_answer(crm: Crm) -> None:
    recipients = [
        {"address": "maria@example.org", "status": "read"},
        {"address": "zo\x00e@example.org", "status": "failed", "reason": "bounced"},
    ]
    told: Json = {"recipients": [*recipients, {"address": "x@example.org", "status": "lost"}, "nobody"]}
    read = MessageStatusChanged(**ABOUT, message_id="chat-1-2", status="read", changed_at_ms=7, personal=told)
    await crm.read([TENT.event(MAIL, "4"), TENT.event(read, "status")])

    _, answer, _, mail = (await crm.found("/interactions/chat-1/messages"))["messages"]
    entry = (await crm.found(f"/customers/{await crm.customer_id()}/timeline", limit=5))["entries"][4]
    [found] = (await crm.found("/search", q="invoice order"))["messages"]

    assert (answer["status"], answer["status_at_ms"], answer["files"]) == ("read", 7, [])
    assert mail["files"] == [{**FILE, "inline_id": None}]
    assert (mail["subject"], mail["in_reply_to"], mail["attributes"]) == (
        "Order 7",
        "chat-1-2",
        {"authenticated": "pass"},
    )
    assert answer["recipients"] == [
        {"address": "maria@example.org", "status": "read", "reason": None},
        {"address": "zoe@example.org", "status": "failed", "reason": "bounced"},
    ]
    assert mail["recipients"] == []
    assert (mail["html"], mail["quoted"], mail["status"]) == ("<p>Still no tent</p>", "> On its way.", None)
    assert mail["parties"] == {"from": ["maria@example.org"], "cc": ["zoe@example.org"]}
    assert (entry["message_id"], entry["summary"], entry["has_html"]) == ("mail-4", "Still no tent", True)
    assert entry["files"] == found["files"] == mail["files"]
    assert "html" not in entry
    assert "html" not in found


async def test_an_edit_is_marked_and_what_was_taken_back_is_a_tombstone(crm: Crm) -> None:
    edited = MessageEdited(**ABOUT, message_id="chat-1-1", edited_at_ms=8, personal={"text": "Where are my boots?"})
    erased = MessageErased(**ABOUT, message_id="mail-4", erased_at_ms=9)
    told = (TENT.event(erased, "erased"), TENT.event(MAIL, "4"), TENT.event(edited, "edited"))
    await crm.read(told)

    first, *_, last = (await crm.found("/interactions/chat-1/messages"))["messages"]
    entry = (await crm.found(f"/customers/{await crm.customer_id()}/timeline", limit=5))["entries"][4]

    assert (first["text"], first["edited_at_ms"], first["erased_at_ms"]) == ("Where are my boots?", 8, None)
    assert (last["text"], last["subject"], last["html"], last["quoted"]) == ("", None, None, None)
    assert (last["erased_at_ms"], last["files"], last["parties"], last["number"]) == (9, [], {}, 4)
    assert (entry["summary"], entry["erased_at_ms"], entry["files"]) == ("", 9, [])
    assert (await crm.found("/search", q="invoice"))["messages"] == []
    assert [line["text"] for line in (await crm.found("/search", q="boots where"))["messages"]] == [first["text"]]


async def test_a_message_that_was_moved_stands_in_its_new_interaction_alone(crm: Crm) -> None:
    moved = MessagesMoved(
        **ABOUT,
        to_interaction_id="chat-2",
        moved=(Moved(message_id="chat-1-3", number=4),),
        reason="split",
        agent_id="ana",
        moved_at_ms=9,
    )
    await crm.read([TENT.event(moved, "moved")])

    left = (await crm.found("/interactions/chat-1/messages"))["messages"]
    joined = (await crm.found("/interactions/chat-2/messages", after=3))["messages"]
    entries = (await crm.found(f"/customers/{await crm.customer_id()}/timeline"))["entries"]

    assert [line["number"] for line in left] == [1, 2]
    assert [(line["text"], line["moved_from"]) for line in joined] == [("Thank you!", "chat-1")]
    assert [each["interaction_id"] for each in entries if each["summary"] == "Thank you!"] == ["chat-2"]
    assert [each["interaction_id"] for each in (await crm.found("/search", q="thank"))["messages"]] == ["chat-2"]


async def test_an_interaction_tells_until_when_one_may_write(crm: Crm) -> None:
    window = WindowChanged(
        **ABOUT, opens_at_ms=1, closes_at_ms=None, basis="advertisement", changed_at_ms=TENT.first_ms
    )
    assert (await crm.found("/interactions/chat-1"))["window"] is None

    await crm.read([TENT.event(window, "window")])

    told = (await crm.found("/interactions/chat-1"))["window"]
    assert (told["opens_at_ms"], told["closes_at_ms"], told["basis"]) == (1, None, "advertisement")


async def test_a_chain_of_interactions_is_read_as_one_story(crm: Crm) -> None:
    """chat-1 is gone on from twice, one of those again; a circle ends as well."""
    begun = TENT.events()[0].data
    assert isinstance(begun, InteractionStarted)
    for name, before in (("more-1", "chat-1"), ("more-2", "chat-1"), ("more-3", "more-2"), ("ring", "ring")):
        data = replace(begun, interaction_id=name, attributes={"continues": before}, personal={})
        await crm.read([TENT.event(data, name)])

    documents = [await crm.found(f"/interactions/{name}/chain") for name in ("chat-1", "more-3")]
    view = await crm.found("/interactions/chat-1")
    first = await crm.found("/interactions/more-1/chain", limit=4)
    rest = await crm.found("/interactions/more-1/chain", cursor=first["next_cursor"])

    assert documents[0] == documents[1]
    entries = documents[0]["entries"]
    assert [*first["entries"], *rest["entries"]] == entries
    assert [each["interaction_id"] for each in entries if each["kind"] == "message"] == ["chat-1"] * 3
    assert {each["interaction_id"]: each["continues"] for each in entries if each["kind"] == "interaction"} == {
        "chat-1": None,
        "more-1": "chat-1",
        "more-2": "chat-1",
        "more-3": "more-2",
    }
    assert (view["continues"], view["continued_by"]) == (None, ["more-1", "more-2"])
    assert len((await crm.found("/interactions/ring/chain"))["entries"]) == 1


@pytest.mark.parametrize("query", ["", "maría", "MARI pena", "v-1", "v"])
async def test_customers_are_found_by_beginnings_of_words(crm: Crm, query: str) -> None:
    page = await crm.found("/customers", query=query)

    assert [(line["name"], line["identifiers"]) for line in page["customers"]] == [("María Peña", [VISITOR])]


@pytest.mark.parametrize("query", ["globex", "maria smith", "?!", "%", "_"])
async def test_customers_who_lack_a_word_are_not_found(crm: Crm, query: str) -> None:
    assert (await crm.found("/customers", query=query))["customers"] == []


async def test_customers_come_page_by_page_newest_first(crm: Crm) -> None:
    others = [
        Conversation(interaction_id=f"chat-c{number}", first_ms=TENT.first_ms + number // 2, personal={"name": "Zoe"})
        for number in range(1, 6)
    ]
    for chat in others:
        await crm.read(chat.events()[:1])

    pages = [await crm.found("/customers", query="zo", limit=2)]
    for _ in range(2):
        pages.append(await crm.found("/customers", query="zo", limit=2, cursor=pages[-1]["next_cursor"]))

    seen = [line["customer_id"] for page in pages for line in page["customers"]]
    assert len(set(seen)) == len(seen) == 5
    assert pages[-1]["next_cursor"] is None


async def test_messages_are_found_by_all_their_words(crm: Crm) -> None:
    both = await crm.found("/search", q="tent")
    one = await crm.found("/search", q="TENT trip")
    first = await crm.found("/search", q="tent", limit=1)
    second = await crm.found("/search", q="tent", limit=1, cursor=first["next_cursor"])

    assert [line["interaction_id"] for line in both["messages"]] == ["chat-2", "chat-1"]
    assert [line["text"] for line in one["messages"]] == ["Boots for my tent trip"]
    assert [*first["messages"], *second["messages"]] == both["messages"]
    assert (await crm.found("/search", q="tent elephant"))["messages"] == []
    assert (await crm.found("/search", q="..."))["messages"] == []
    assert both["messages"][0]["customer_id"] == await crm.customer_id()


@pytest.mark.parametrize(
    "path",
    [
        "/customers/{}",
        "/customers/{}/timeline",
        "/interactions/{}",
        "/interactions/{}/messages",
        "/interactions/{}/chain",
    ],
)
async def test_ids_of_another_tenant_are_as_unknown_as_any(crm: Crm, path: str) -> None:
    whose = await crm.customer_id() if "customers" in path else "chat-1"

    answers = [await crm.get(path.format(each), tenant="globex") for each in (whose, "never-was")]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()
    assert (await crm.get(path.format(whose))).status_code == 200


async def test_a_tenant_finds_only_its_own(crm: Crm) -> None:
    names = (await crm.found("/customers", tenant="globex"))["customers"]
    messages = (await crm.found("/search", tenant="globex", q="tent"))["messages"]

    assert [line["name"] for line in names] == ["María Globex"]
    assert [line["text"] for line in messages] == ["A secret tent"]
    assert (await crm.found("/customers", tenant="initech"))["customers"] == []


async def test_no_table_shows_a_row_while_no_tenant_is_set(crm: Crm) -> None:
    assert await unguarded_tables(application_url=crm.application_url, schema="crm") == []


PATHS = (
    "/customers",
    "/customers/c-1",
    "/customers/c-1/timeline",
    "/interactions/chat-1",
    "/interactions/chat-1/messages",
    "/interactions/chat-1/chain",
    "/interactions/chat-1/transcripts",
    "/search?q=tent",
)


@pytest.mark.parametrize("path", PATHS)
async def test_nobody_is_let_in_without_a_good_token(crm: Crm, path: str) -> None:
    now_ms = SystemClock().now_ms()
    stranger = TokenIssuer.generate().token(subject="ana", tenant_id="acme", roles=["agent"], now_ms=now_ms)
    refused = [
        {},
        bearer("agent", audience="elsewhere"),
        bearer("agent", issuer="elsewhere"),
        bearer("agent", now_ms=now_ms - 7_200_000),
        {"authorization": f"Bearer {stranger}"},
    ]

    answers = [await crm.client.get(path, headers=headers) for headers in refused]

    assert {answer.status_code for answer in answers} == {401}
    assert (await crm.client.get(path, headers=bearer("integrator"))).status_code == 403


@pytest.mark.parametrize("role", ["agent", "supervisor", "admin"])
async def test_the_roles_of_the_centre_are_let_in(crm: Crm, role: Role) -> None:
    assert (await crm.client.get("/customers", headers=bearer(role))).status_code == 200


@pytest.mark.parametrize("path", ["/customers", "/search?q=tent", "/customers/c-1/timeline"])
async def test_a_cursor_that_no_page_gave_is_a_problem(crm: Crm, path: str) -> None:
    answer = await crm.client.get(path, params={"q": "tent", "cursor": "bm8"}, headers=bearer("agent"))

    assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/customers", {"limit": 201}),
        ("/customers", {"limit": 0}),
        ("/customers", {"query": "x" * 201}),
        ("/search", {}),
        ("/search", {"q": ""}),
        ("/interactions/chat-1/messages", {"after": -1}),
        ("/interactions/chat-1/messages", {"after": 2**60}),
        ("/customers/a%00b", {}),
    ],
)
async def test_requests_out_of_bounds_are_refused_with_every_fault(
    crm: Crm, path: str, query: dict[str, str | int]
) -> None:
    answer = await crm.client.get(path, params=query, headers=bearer("agent"))

    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")
    assert answer.json()["faults"]


async def test_a_character_that_the_database_does_not_keep_finds_nothing(crm: Crm) -> None:
    assert (await crm.found("/customers", query="\x00"))["customers"] == []
    assert (await crm.found("/search", q="te\x00nt"))["messages"] == []


async def test_every_path_is_described(crm: Crm) -> None:
    document = (await crm.client.get("/openapi.json")).json()

    assert len([path for path in document["paths"] if "/metrics" not in path]) == len(PATHS)
    assert all(path.startswith("/crm/v1/") for path in document["paths"])


async def test_searches_go_through_their_indexes_under_row_level_security(crm: Crm) -> None:
    """Operators that are not leakproof could not: that is why words stand in tables."""
    async with crm.database.transaction("acme", PostgresCrmTransaction) as tx:
        await tx.execute("SET LOCAL enable_seqscan = off")
        rows = await tx.all(
            "EXPLAIN SELECT at_ms FROM message_word WHERE tenant_id = 'acme' AND word = 'tent'"
            " AND (at_ms, interaction_id, number) < (9, 'x', 1) ORDER BY at_ms DESC, interaction_id DESC, number DESC"
        )

    plan = "\n".join(row["QUERY PLAN"] for row in rows)
    assert "Index Only Scan Backward" in plan
    assert "Sort" not in plan
    assert "word = 'tent'" in plan.split("Index Cond:")[1].split("Filter:")[0]


async def test_readers_and_writers_work_at_once(crm: Crm) -> None:
    chats = [replace(TENT, interaction_id=f"chat-r{number}") for number in range(5)]

    async def write() -> None:
        for chat in chats:
            await crm.read(chat.events())

    async def read() -> int:
        return sum([(await crm.get("/search", q="tent")).status_code == 200 for _ in range(10)])

    _, answered = await asyncio.wait_for(asyncio.gather(write(), read()), 30)

    assert answered == 10
