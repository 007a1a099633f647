"""The tenant's configuration over HTTP: versions, faults, what is published, who may."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from contracts import Event, decode
from contracts.commands import ActivateConfiguration
from contracts.configuration import TenantConfiguration
from contracts.configuration_faults import form_faults
from contracts.configuration_records import ConfigurationRecord
from contracts.topics import CONFIG, ROUTING_INPUTS
from pydantic import ValidationError
from router.api.administration import faults_beside
from router.api.testing import TOPIC_PARTITIONS, RunningApi, running_api
from servicekit.ports import Partition
from servicekit.system import SystemClock
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.tenants import unguarded_tables
from servicekit.testing.tokens import TokenIssuer
from servicekit.web import BODY_BYTES_MAX
from sqlalchemy.exc import ProgrammingError

FIRST = {"if-match": '"0"'}


@pytest.fixture
async def api(redis_url: str, postgres: FreshDatabase, tmp_path: Path) -> AsyncIterator[RunningApi]:
    log = MemoryLog(TOPIC_PARTITIONS)
    async with running_api(
        log, redis_url=redis_url, admin_url=postgres.admin_url, folder=tmp_path, api_key_pepper="p" * 32
    ) as running:
        yield running


async def published(api: RunningApi, partition: Partition) -> Sequence[Event]:
    async with api.log.reader("test") as reader:
        first, end = await reader.bounds(partition)
        await reader.assign({partition: first})
        records = await reader.read(records_max=100, timeout_seconds=1) if end else []
        return [decode(record.value, record.headers) for record in records]


async def test_a_document_becomes_a_version_its_records_and_a_switch_of_each_domain(api: RunningApi) -> None:
    async with api.client(api.token("root", "admin")) as admin:
        answer = await admin.put("/configuration", json=api.configuration(), headers=FIRST)
        read = await admin.get("/configuration")

    async def told() -> list[Event]:
        return [each for each in await published(api, Partition(ROUTING_INPUTS.name, 0)) if each.tenant_id]

    (switch,) = await eventually(told)
    records = await published(api, Partition(CONFIG.name, 0))

    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == 1
    assert read.headers["etag"] == '"1"'
    assert read.json()["agents"][0]["id"] == "ann"
    assert isinstance(switch.data, ActivateConfiguration)
    assert (switch.data.version, switch.data.hash) == (1, answer.json()["hash"])
    data = [each.data for each in records if isinstance(each.data, ConfigurationRecord)]
    assert [each.kind for each in data] == ["domain", "queue", "agent", "agent", "channel", "version"]
    assert data[0].value is not None
    assert data[0].value["partition"] == 0


async def test_only_what_changed_is_published_with_the_version_last(api: RunningApi) -> None:
    await api.configure()
    changed = api.configuration(agents=["ann", "cid"])
    async with api.client(api.token("root", "admin")) as admin:
        await admin.put("/configuration", json=changed, headers={"if-match": '"1"'})

    async def second() -> list[ConfigurationRecord]:
        events = await published(api, Partition(CONFIG.name, 0))
        data = [each.data for each in events if isinstance(each.data, ConfigurationRecord)]
        return [each for each in data if each.version == 2] if data[-1].version == 2 else []

    records = await eventually(second)

    assert [(each.id, each.value is None) for each in records] == [
        ("agent:cid", False),
        ("agent:bob", True),
        ("version", False),
    ]


async def test_the_same_document_again_is_no_new_version(api: RunningApi) -> None:
    await api.configure()
    async with api.client(api.token("root", "admin")) as admin:
        again = await admin.put("/configuration", json=api.configuration(), headers=FIRST)
        versions = await admin.get("/configuration/versions")

    assert (again.status_code, again.json()["version"]) == (200, 1)
    assert [line["version"] for line in versions.json()["versions"]] == [1]


async def test_a_change_on_top_of_another_version_is_refused(api: RunningApi) -> None:
    await api.configure()
    async with api.client(api.token("root", "admin")) as admin:
        stale = await admin.put("/configuration", json=api.configuration(agents=["ann"]), headers=FIRST)
        blind = await admin.put("/configuration", json=api.configuration(agents=["ann"]))

    assert (stale.status_code, stale.json()["code"]) == (412, "version_changed")
    assert (blind.status_code, blind.json()["code"]) == (428, "if_match_missing")


async def test_every_fault_of_a_document_is_told_with_its_path(api: RunningApi) -> None:
    document = api.configuration()
    document["agents"][1] |= {"capacity": 0, "domain": "nowhere"}
    document["queues"][0]["requirements"].append({"skill": "magic"})
    document["channels"][0]["queue"] = "gone"
    async with api.client(api.token("root", "admin")) as admin:
        answer = await admin.put("/configuration", json=document, headers=FIRST)
        document["agents"][1]["capacity"] = 1
        well_formed = await admin.put("/configuration", json=document, headers=FIRST)
        versions = await admin.get("/configuration/versions")

    references = {"/agents/1/domain", "/queues/0/requirements/1/skill", "/channels/0/queue"}
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert {fault["path"] for fault in answer.json()["faults"]} == {"/agents/1/capacity", *references}
    assert {fault["path"] for fault in well_formed.json()["faults"]} == references
    assert versions.json() == {"versions": []}


async def test_a_wrong_form_is_told_in_the_words_of_the_command_line(api: RunningApi) -> None:
    document = api.configuration()
    document["queues"][0] |= {"requirments": [], "priority": "high"}
    document["domains"][0]["costs"] = {"web/chat": 0}
    broken = [document, {"agents": 3}, []]
    async with api.client(api.token("root", "admin")) as admin:
        put = [await admin.put("/configuration", json=each, headers=FIRST) for each in broken]
        checked = [await admin.post("/configuration/check", json=each) for each in broken]
    heard = [[(fault["path"], fault["message"]) for fault in each.json()["faults"]] for each in (*put, *checked)]

    with pytest.raises(ValidationError) as refused:
        TenantConfiguration.model_validate(document)
    words = [(fault.path, fault.message) for fault in form_faults(refused.value, TenantConfiguration)]
    assert {path for path, _ in words} > {"/queues/0/requirments", "/queues/0/priority"}
    assert heard[0] == heard[3] == words
    assert heard[1] == heard[4]
    assert "did you mean 'requirements'?" in dict(heard[0])["/queues/0/requirments"]
    assert not any("nput should" in message for each in heard for _, message in each)


@pytest.mark.parametrize("document", [[], {"agents": 3}, {"agents": [1]}, {"queues": [{"requirements": 1}]}, "text"])
async def test_a_document_of_another_form_is_refused(api: RunningApi, document: object) -> None:
    async with api.client(api.token("root", "admin")) as admin:
        answer = await admin.put("/configuration", json=document, headers=FIRST)

    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


async def test_a_document_with_control_characters_is_refused_beside_its_faults_of_form(api: RunningApi) -> None:
    document = api.configuration()
    document["agents"][0]["name"] = "Nu\x00l"
    broken = document | {"skills": ["Not A Code"]}
    async with api.client(api.token("root", "admin")) as admin:
        answers = [
            await admin.put("/configuration", json=each, headers={"if-match": '"0"'}) for each in (document, broken)
        ]
        checked = await admin.post("/configuration/check", json=document)

    assert [answer.status_code for answer in (*answers, checked)] == [422, 422, 422]
    assert all(
        "/agents/0/name" in {fault["path"] for fault in answer.json()["faults"]} for answer in (*answers, checked)
    )


async def test_a_domain_in_use_is_not_removed(api: RunningApi) -> None:
    await api.configure()
    other = api.configuration()
    other["domains"][0]["id"] = "elsewhere"
    for part in ("queues", "agents", "channels"):
        for item in other[part]:
            item["domain"] = "elsewhere"
    async with api.client(api.token("root", "admin")) as admin:
        answer = await admin.put("/configuration", json=other, headers={"if-match": '"1"'})

    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["faults"]] == ["/domains"]


async def test_an_address_of_another_tenant_is_refused(api: RunningApi) -> None:
    await api.configure()
    async with api.client(api.token("root", "admin", tenant_id="rival")) as rival:
        answer = await rival.put("/configuration", json=api.configuration(), headers=FIRST)

    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["faults"]] == ["/channels/0/address"]


async def test_domains_are_spread_over_partitions_and_stay_there(api: RunningApi) -> None:
    document = api.configuration()
    document["domains"] += [{"id": f"{api.tenant_id}.{name}"} for name in ("b", "c")]
    async with api.client(api.token("root", "admin")) as admin:
        await admin.put("/configuration", json=document, headers=FIRST)
    async with api.database.transaction(api.tenant_id) as transaction:
        rows = await transaction.all("SELECT domain_id, partition FROM domain ORDER BY 1")

    assert [row["partition"] for row in rows] == [1, 0, 0]
    assert rows[2]["domain_id"] == api.place.domain


async def test_wrong_tokens_are_refused_and_wrong_tenants_see_nothing(api: RunningApi) -> None:
    await api.configure()
    now_ms = SystemClock().now_ms()
    tokens = {
        "token_expired": api.token("root", "admin", now_ms=now_ms - 7_200_000),
        "wrong_audience": api.token("root", "admin", audience="another"),
        "wrong_issuer": api.token("root", "admin", issuer="another"),
        "unknown_key": TokenIssuer.generate().token(subject="root", tenant_id="x", roles=["admin"], now_ms=now_ms),
    }
    answers = {}
    for code, token in tokens.items():
        async with api.client(token) as client:
            answers[code] = (await client.get("/configuration")).json()["code"]
    async with api.client(api.token("ann", "agent")) as agent:
        as_agent = await agent.put("/configuration", json={}, headers=FIRST)
    async with api.client(api.token("ann", "agent", tenant_id="rival")) as stranger:
        desk = await stranger.get("/me")
    async with api.client(api.token("root", "admin", tenant_id="rival")) as rival:
        configuration = await rival.get("/configuration")

    assert answers == {code: code for code in tokens}
    assert (as_agent.status_code, as_agent.json()["code"]) == (403, "role_missing")
    assert (desk.status_code, desk.json()["code"]) == (403, "not_an_agent")
    assert configuration.status_code == 404


async def test_an_api_key_reads_until_it_is_revoked_and_never_writes(api: RunningApi) -> None:
    await api.configure()
    async with api.client(api.token("root", "admin")) as admin:
        issued = await admin.post("/api-keys", json={"integration": "bi"})
        (line,) = (await admin.get("/api-keys")).json()["keys"]
        async with api.client(issued.json()["key"]) as integrator:
            read = await integrator.get("/configuration")
            live = await integrator.get("/live")
            written = await integrator.put("/configuration", json=api.configuration(), headers=FIRST)
            revoked = await admin.delete(f"/api-keys/bi/{line['key_id']}")
            afterwards = await integrator.get("/configuration")

    assert issued.status_code == 201
    assert (read.status_code, live.status_code) == (200, 200)
    assert written.status_code == 401
    assert revoked.status_code == 204
    assert afterwards.status_code == 401


async def test_each_privileged_action_has_one_audit_row_and_every_table_is_guarded(api: RunningApi) -> None:
    await api.configure()
    async with api.client(api.token("root", "admin")) as admin:
        await admin.put("/configuration", json=api.configuration(), headers=FIRST)
        await admin.post("/api-keys", json={"integration": "bi"})
    async with api.client(api.token("sue", "supervisor")) as supervisor:
        for _ in range(2):
            headers = {"idempotency-key": "once"}
            await supervisor.put("/agents/ann/state", json={"state": "not_ready"}, headers=headers)
    async with api.database.transaction(api.tenant_id) as transaction:
        rows = await transaction.all("SELECT actor, action, target FROM audit ORDER BY at_ms")

    assert [(row["actor"], row["action"]) for row in rows] == [
        ("root", "configuration.activate"),
        ("root", "api_key.issue"),
        ("sue", "agent.set_state"),
    ]
    assert await unguarded_tables(application_url=api.application_url, schema="router") == []


async def test_no_key_of_a_command_keeps_another_action_out_of_the_audit(api: RunningApi) -> None:
    await api.configure()
    async with api.client(api.token("sue", "supervisor")) as supervisor:
        for agent in ("ann", "bob"):
            headers = {"idempotency-key": "configuration:2"}
            await supervisor.put(f"/agents/{agent}/state", json={"state": "not_ready"}, headers=headers)
    async with api.client(api.token("root", "admin")) as admin:
        await admin.put("/configuration", json=api.configuration(agents=["ann"]), headers={"if-match": '"1"'})
    async with api.database.transaction(api.tenant_id) as transaction:
        rows = await transaction.all("SELECT actor, action FROM audit ORDER BY at_ms")

    assert [(row["actor"], row["action"]) for row in rows] == [
        ("root", "configuration.activate"),
        ("sue", "agent.set_state"),
        ("sue", "agent.set_state"),
        ("root", "configuration.activate"),
    ]


@pytest.mark.parametrize("statement", ["DELETE FROM audit", "UPDATE audit SET actor = 'nobody'"])
async def test_an_audit_row_is_never_changed(api: RunningApi, statement: str) -> None:
    await api.configure()
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with api.database.transaction(api.tenant_id) as transaction:
            await transaction.execute(statement)

    async with api.database.transaction(api.tenant_id) as transaction:
        assert len(await transaction.all("SELECT actor FROM audit")) == 1


async def test_a_document_with_as_many_agents_as_one_may_have_is_activated(api: RunningApi) -> None:
    document = api.configuration()
    skills = [f"skill-{number}" for number in range(10)]
    document["skills"] += skills
    document["agents"] = [
        {**document["agents"][0], "id": f"agent-{number:036}", "skills": dict.fromkeys(skills, 3)}
        for number in range(15_000)
    ]
    async with api.client(api.token("root", "admin")) as admin:
        answer = await admin.put("/configuration", json=document, headers=FIRST, timeout=60)
        read = await admin.get("/configuration", timeout=60)

    def last() -> ConfigurationRecord | None:
        assert isinstance(api.log, MemoryLog)
        records = api.log.records(CONFIG.name)
        data = decode(records[-1].value, records[-1].headers).data if records else None
        return data if isinstance(data, ConfigurationRecord) and data.kind == "version" else None

    assert answer.status_code == 200, answer.text
    assert len(answer.request.content) > BODY_BYTES_MAX
    assert len(read.json()["agents"]) == 15_000
    assert await eventually(last, timeout_seconds=60)


async def test_a_large_document_of_a_stranger_is_refused_unread(api: RunningApi) -> None:
    async with api.client("nobody") as nobody:
        answer = await nobody.put("/configuration", content=b"[" * (BODY_BYTES_MAX + 1), headers=FIRST)

    assert (answer.status_code, answer.json()["code"]) == (401, "token_malformed")


async def test_a_part_that_no_batch_of_the_journal_could_hold_is_a_fault(api: RunningApi) -> None:
    document = api.configuration()
    document["channels"][0]["origins"] = [f"https://{number:0100}.example" for number in range(1000)]
    async with api.client(api.token("root", "admin")) as admin:
        answer = await admin.put("/configuration", json=document, headers=FIRST)

    assert [fault["path"] for fault in answer.json()["faults"]] == ["/channels/0"]


def test_a_fault_of_one_agent_does_not_hide_another_s() -> None:
    domain = {"id": "main", "not_ready_reasons": [{"id": "away"}], "unanswered_reason_code": "away"}
    document = {"domains": [domain], "agents": [{"id": f"agent-{number}", "domain": "gone"} for number in range(11)]}

    faults = faults_beside(document, ["/agents/1", "/agents/2/domain", "/agents/3/name"])

    hidden = {1, 2}
    assert [fault.path for fault in faults] == [f"/agents/{n}/domain" for n in range(11) if n not in hidden]
