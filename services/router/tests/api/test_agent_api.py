"""Agents over HTTP: desk, commands and their results, messages."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from contracts import Event, decode
from contracts.agents import Refusal
from contracts.commands import AcceptOffer, AddNote, CompleteTask, SendMessage
from contracts.topics import COMMANDS_CHAT
from router.api.testing import PARTITIONS, TOPIC_PARTITIONS, RunningApi, running_api
from servicekit.ports import Partition
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import Faults, MemoryLog
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.tokens import TokenIssuer

GONE = Refusal(code="offer_gone", detail="The offer is gone.", http_status=409)


@pytest.fixture
async def api(redis_url: str, postgres: FreshDatabase, tmp_path: Path) -> AsyncIterator[RunningApi]:
    log = MemoryLog(TOPIC_PARTITIONS)
    async with running_api(
        log, redis_url=redis_url, admin_url=postgres.admin_url, folder=tmp_path, command_wait_seconds=0.5
    ) as running:
        await running.configure()
        yield running


async def sent_messages(api: RunningApi) -> list[Event]:
    async with api.log.reader("test") as reader:
        partitions = [Partition(COMMANDS_CHAT.name, number) for number in range(PARTITIONS)]
        await reader.assign(dict.fromkeys(partitions, 0))
        records = await reader.read(records_max=100, timeout_seconds=1)
        return [decode(record.value, record.headers) for record in records]


async def test_the_desk_shows_what_the_engine_projected(api: RunningApi) -> None:
    mine = api.assignment("i1")
    await api.project("ann", assignments=[mine], held=1)
    async with api.client(api.token("ann", "agent")) as ann:
        desk = (await ann.get("/me")).json()
        dispositions = (await ann.get("/me/dispositions")).json()

    assert (desk["agent_id"], desk["name"], desk["domain"]) == ("ann", "Ann", api.place.domain)
    assert (desk["state"], desk["presence"], desk["held"]) == ("ready", "present", 1)
    assert [each["assignment_id"] for each in desk["assignments"]] == [mine["assignment_id"]]
    assert desk["push_sequence"] > 0
    assert [(each["id"], each["label"]) for each in dispositions] == [("solved", "Solved")]


async def test_the_desk_says_what_is_pending_and_which_reasons_there_are_to_choose_from(api: RunningApi) -> None:
    lunch = {"id": "lunch", "label": "Lunch", "paid": False}
    await api.project("ann", clocked_in=True, pending_state="not_ready", pending_reason_code="lunch")
    async with api.client(api.token("ann", "agent")) as ann:
        before = (await ann.get("/me")).json()
        await api.project_reasons(lunch)
        desk = (await ann.get("/me")).json()

    assert before["not_ready_reasons"] == []
    assert desk["not_ready_reasons"] == [lunch]
    assert (desk["clocked_in"], desk["pending_state"], desk["pending_reason_code"]) == (True, "not_ready", "lunch")


async def test_a_desk_that_no_engine_has_shown_yet_is_to_be_asked_for_again(api: RunningApi) -> None:
    async with api.client(api.token("ann", "agent")) as ann:
        answer = await ann.get("/me")

    assert (answer.status_code, answer.json()["code"]) == (503, "view_rebuilding")
    assert answer.headers["retry-after"] == "1"


async def test_a_command_goes_to_the_domain_s_partition_and_answers_with_its_result(api: RunningApi) -> None:
    async with api.client(api.token("ann", "agent")) as ann:
        answer = await ann.post("/offers/o1/accept", headers={"idempotency-key": "k1"})
        command_id = answer.json()["command_id"]
        later = await ann.get(f"/commands/{command_id}")
    (command,) = [event for event in api.engine.commands if isinstance(event.data, AcceptOffer)]

    assert answer.status_code == 200, answer.text
    assert answer.json() == {"command_id": command_id, "outcome": "done", "assignment_id": None, "task_id": None}
    assert later.json() == answer.json()
    assert command.data == AcceptOffer(command_id=command_id, domain=api.place.domain, agent_id="ann", offer_id="o1")
    assert command.tenant_id == api.tenant_id


async def test_a_retry_with_the_same_key_gets_the_first_result(api: RunningApi) -> None:
    async with api.client(api.token("ann", "agent")) as ann:
        first = await ann.post("/offers/o1/accept", headers={"idempotency-key": "k1"})
        api.engine.refusals["offer.accept"] = GONE
        second = await ann.post("/offers/o1/accept", headers={"idempotency-key": "k1"})
        another = await ann.post("/offers/o1/accept")

    assert first.status_code == 200
    assert second.json() == first.json()
    assert another.status_code == 409


async def test_a_key_is_its_caller_s_own_and_for_one_thing(api: RunningApi) -> None:
    headers = {"idempotency-key": "k1"}
    async with api.client(api.token("ann", "agent")) as ann, api.client(api.token("bob", "agent")) as bob:
        first = await ann.post("/offers/o1/accept", headers=headers)
        api.engine.refusals["offer.accept"] = GONE
        others = [
            await bob.post("/offers/o1/accept", headers=headers),
            await ann.post("/offers/o2/accept", headers=headers),
        ]
        again = await ann.post("/offers/o1/accept", headers=headers)

    assert [answer.status_code for answer in (first, *others, again)] == [200, 409, 409, 200]


async def test_a_refused_command_is_a_problem_with_the_engine_s_reason(api: RunningApi) -> None:
    api.engine.refusals["offer.accept"] = GONE
    async with api.client(api.token("ann", "agent")) as ann:
        answer = await ann.post("/offers/o1/accept")
        later = await ann.get(f"/commands/{answer.json()['command_id']}")

    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert answer.json()["code"] == "offer_gone"
    assert later.status_code == 409


async def test_a_command_is_pending_while_the_engine_is_away(api: RunningApi) -> None:
    api.engine.away = True
    async with api.client(api.token("ann", "agent")) as ann:
        answer = await ann.put("/me/state", json={"state": "ready"})
        unknown = await ann.get(f"/commands/{answer.json()['command_id']}")

    assert answer.status_code == 202
    assert unknown.status_code == 404


async def test_results_are_shown_to_their_agent_and_supervisors_only(api: RunningApi) -> None:
    async with api.client(api.token("ann", "agent")) as ann:
        command_id = (await ann.put("/me/state", json={"state": "ready"})).json()["command_id"]
    statuses = []
    for token in (
        api.token("bob", "agent"),
        api.token("sue", "supervisor"),
        api.token("sue", "supervisor", tenant_id="rival"),
    ):
        async with api.client(token) as client:
            statuses.append((await client.get(f"/commands/{command_id}")).status_code)

    assert statuses == [404, 200, 404]


async def test_a_message_becomes_a_command_to_the_gateway_with_the_assignment_s_sequence(api: RunningApi) -> None:
    mine = api.assignment("i1")
    await api.project("ann", assignments=[mine])
    async with api.client(api.token("ann", "agent")) as ann:
        path = f"/assignments/{mine['assignment_id']}/messages"
        answer = await ann.post(path, json={"message_id": "m1", "text": "hello"})
    (event,) = await sent_messages(api)

    assert (answer.status_code, answer.json()) == (202, {"message_id": "m1"})
    assert isinstance(event.data, SendMessage)
    assert event.data.assignment_sequence == mine["sequence"]
    assert (event.data.agent_id, event.data.interaction_id, event.data.personal) == ("ann", "i1", {"text": "hello"})


async def test_messages_are_refused_where_the_agent_owns_nothing(api: RunningApi) -> None:
    await api.project("ann", assignments=[api.assignment("i1", state="wrapup"), api.assignment("i2", "bob")])
    answers = {}
    async with api.client(api.token("ann", "agent")) as ann:
        for name in ("i1", "i2", "i3"):
            body = {"message_id": "m1", "text": "hello"}
            answers[name] = await ann.post(f"/assignments/{name}.t1.o1.a/messages", json=body)
        long = await ann.post("/assignments/i1.t1.o1.a/messages", json={"message_id": "m1", "text": "x" * 100_001})

    codes = {name: (answer.status_code, answer.json()["code"]) for name, answer in answers.items()}
    assert codes == {"i1": (409, "assignment_over"), "i2": (404, "assignment_gone"), "i3": (404, "assignment_gone")}
    assert (long.status_code, long.json()["faults"][0]["path"]) == (422, "/text")
    assert await sent_messages(api) == []


async def test_a_consultant_may_write_to_the_agents_alone_and_is_not_seen_typing(api: RunningApi) -> None:
    mine = {**api.assignment("i1"), "role": "consultant"}
    await api.project("ann", assignments=[mine])
    path = f"/assignments/{mine['assignment_id']}"
    async with api.client(api.token("ann", "agent")) as ann, api.redis.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.subscribe("typing:{i1}")
        refused = await ann.post(f"{path}/messages", json={"message_id": "m1", "text": "hello"})
        taken = await ann.post(f"{path}/messages", json={"message_id": "m2", "text": "psst", "visibility": "internal"})
        typing = await ann.post(f"{path}/typing")
        await api.project("ann", assignments=[{**mine, "role": "participant"}])
        await ann.post(f"{path}/messages", json={"message_id": "m3", "text": "hello"})
        silent = await heard.get_message(timeout=0.2)
        await ann.post(f"{path}/typing")
        seen = await heard.get_message(timeout=5)
    sent = [event.data for event in await sent_messages(api)]

    assert (refused.status_code, refused.json()["code"]) == (409, "role_forbids")
    assert (taken.status_code, typing.status_code) == (202, 204)
    assert silent is None
    assert seen is not None
    assert [(data.message_id, type(data)) for data in sent if isinstance(data, SendMessage | AddNote)] == [
        ("m2", AddNote),
        ("m3", SendMessage),
    ]


async def test_an_assignment_is_not_gone_while_redis_is_rebuilt(api: RunningApi) -> None:
    await api.redis.flushdb()
    async with api.client(api.token("ann", "agent")) as ann:
        answer = await ann.post("/assignments/i1.t1.o1.a/messages", json={"message_id": "m1", "text": "hello"})

    assert (answer.status_code, answer.json()["code"]) == (503, "view_rebuilding")


async def test_an_assignment_that_is_projected_a_moment_later_is_found(api: RunningApi) -> None:
    await api.project("ann")
    async with api.client(api.token("ann", "agent")) as ann:
        body = {"message_id": "m1", "text": "hello"}

        async def sent() -> bool:
            answer = await ann.post("/assignments/i1.t1.o1.a/messages", json=body)
            return answer.status_code == 202

        await api.project("ann", assignments=[api.assignment("i1")])

        assert await eventually(sent)


async def test_a_task_is_completed_with_what_the_agent_had_seen(api: RunningApi) -> None:
    async with api.client(api.token("ann", "agent")) as ann:
        body = {"disposition": "solved", "then": "keep_open", "seen_number": 4}
        answer = await ann.post("/assignments/a1/complete", json=body)
        ended = await ann.post("/assignments/a1/end")
    [command, *_] = [event.data for event in api.engine.commands if isinstance(event.data, CompleteTask)]

    assert (answer.status_code, ended.status_code) == (200, 200)
    assert (command.disposition, command.then, command.seen_number) == ("solved", "keep_open", 4)


@pytest.mark.parametrize("key", ["has space", "x" * 201, "-dash"])
async def test_a_bad_idempotency_key_is_refused_by_name(api: RunningApi, key: str) -> None:
    async with api.client(api.token("ann", "agent")) as ann:
        answer = await ann.put("/me/state", json={"state": "ready"}, headers={"idempotency-key": key})

    assert answer.status_code == 422
    assert answer.json()["faults"][0]["path"] == "/idempotency-key"


async def test_an_unknown_append_says_to_retry_and_the_retry_has_a_new_writer(
    redis_url: str, postgres: FreshDatabase, tmp_path: Path
) -> None:
    log = MemoryLog(TOPIC_PARTITIONS, delivery_timeout_seconds=0.2)
    async with running_api(log, redis_url=redis_url, admin_url=postgres.admin_url, folder=tmp_path) as api:
        await api.configure()
        async with api.client(api.token("ann", "agent")) as ann:
            headers = {"idempotency-key": "k1"}
            api.engine.away = True  # half of what is lost has landed
            log.faults = Faults(lost=1.0)
            unknown = await ann.put("/me/state", json={"state": "ready"}, headers=headers)
            log.faults = Faults()
            api.engine.away = False
            retried = await ann.put("/me/state", json={"state": "ready"}, headers=headers)

    assert (unknown.status_code, unknown.json()["code"]) == (503, "outcome_unknown")
    assert retried.status_code == 200, retried.text


async def test_development_tokens_exist_only_with_a_signing_key(
    api: RunningApi, redis_url: str, postgres: FreshDatabase, tmp_path: Path
) -> None:
    key_file = tmp_path / "key.pem"
    TokenIssuer.generate().save(key_file)
    wanted = {"role": "agent", "subject": "ann", "tenant": api.tenant_id}
    async with api.client("nobody") as nobody:
        absent = await nobody.post("/development/tokens", json=wanted)
    async with (
        running_api(
            MemoryLog(TOPIC_PARTITIONS),
            redis_url=redis_url,
            admin_url=postgres.admin_url,
            folder=tmp_path,
            development_signing_key_file=str(key_file),
        ) as development,
        development.client("nobody") as nobody,
    ):
        issued = await nobody.post("/development/tokens", json=wanted)
    async with api.database.transaction(api.tenant_id) as transaction:
        audited = await transaction.all("SELECT actor, target FROM audit WHERE action = 'development_token.issue'")

    assert absent.status_code == 404
    assert issued.status_code == 201
    assert [(row["actor"], row["target"]) for row in audited] == [("development", "agent/ann")]


async def test_openapi_is_served_with_problems_on_every_route(api: RunningApi) -> None:
    async with api.client("nobody") as nobody:
        document = (await nobody.get("/openapi.json")).json()

    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) > 12
    assert all(operation["tags"] and operation["summary"] for operation in operations)
    assert all({"422", "4XX", "5XX"} <= set(operation["responses"]) for operation in operations)
