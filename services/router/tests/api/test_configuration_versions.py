"""Checks, old versions and rollback of the tenant's configuration over HTTP."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from contracts import decode
from contracts.topics import CONFIG
from router.api.testing import TOPIC_PARTITIONS, RunningApi, running_api
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase
from servicekit.web import BODY_BYTES_MAX

FIRST = {"if-match": '"0"'}


@pytest.fixture
async def api(redis_url: str, postgres: FreshDatabase, tmp_path: Path) -> AsyncIterator[RunningApi]:
    log = MemoryLog(TOPIC_PARTITIONS)
    async with running_api(
        log, redis_url=redis_url, admin_url=postgres.admin_url, folder=tmp_path, api_key_pepper="p" * 32
    ) as running:
        yield running


async def configure_twice(api: RunningApi) -> None:
    """Version 1 has ann and bob, version 2 has ann alone."""
    await api.configure()
    async with api.client(api.token("root", "admin")) as admin:
        changed = api.configuration(agents=["ann"])
        (await admin.put("/configuration", json=changed, headers={"if-match": '"1"'})).raise_for_status()


async def audited(api: RunningApi) -> list[tuple[str, str, str]]:
    async with api.database.transaction(api.tenant_id) as transaction:
        rows = await transaction.all("SELECT actor, action, target FROM audit ORDER BY at_ms, audit_id")
    return [(row["actor"], row["action"], row["target"]) for row in rows]


async def test_every_version_keeps_its_document(api: RunningApi) -> None:
    await configure_twice(api)
    async with api.client(api.token("root", "admin")) as admin:
        first, second = [await admin.get(f"/configuration/versions/{number}") for number in (1, 2)]
        third = await admin.get("/configuration/versions/3")

    assert [agent["id"] for agent in first.json()["agents"]] == ["ann", "bob"]
    assert [agent["id"] for agent in second.json()["agents"]] == ["ann"]
    assert first.headers["etag"] == '"1"'
    assert (third.status_code, third.json()["code"]) == (404, "version_unknown")


async def test_nobody_sees_a_version_of_another_tenant(api: RunningApi) -> None:
    await api.configure()
    async with api.client(api.token("root", "admin", tenant_id="rival")) as rival:
        read = await rival.get("/configuration/versions/1")
        back = await rival.post("/configuration/rollback", json={"to_version": 1}, headers=FIRST)

    assert (read.status_code, back.status_code) == (404, 404)


async def test_a_rollback_is_a_new_version_with_the_old_document_and_its_own_audit_row(api: RunningApi) -> None:
    await configure_twice(api)
    async with api.client(api.token("rita", "admin")) as admin:
        answer = await admin.post("/configuration/rollback", json={"to_version": 1}, headers={"if-match": '"2"'})
        active = await admin.get("/configuration")
        old = await admin.get("/configuration/versions/1")

    assert (answer.status_code, answer.json()["version"], answer.headers["etag"]) == (200, 3, '"3"')
    assert active.headers["etag"] == '"3"'
    assert active.json() == old.json()
    assert (await audited(api))[-1] == ("rita", "configuration.roll_back", "version:1")


async def test_a_rollback_on_top_of_another_version_is_refused(api: RunningApi) -> None:
    await configure_twice(api)
    async with api.client(api.token("root", "admin")) as admin:
        stale = await admin.post("/configuration/rollback", json={"to_version": 1}, headers={"if-match": '"1"'})
        blind = await admin.post("/configuration/rollback", json={"to_version": 1})

    assert (stale.status_code, stale.json()["code"], stale.json()["active_version"]) == (412, "version_changed", 2)
    assert (blind.status_code, blind.json()["code"]) == (428, "if_match_missing")


async def test_a_rollback_that_would_remove_a_domain_is_refused_with_the_fault(api: RunningApi) -> None:
    await api.configure()
    wider = api.configuration()
    wider["domains"].append({"id": f"{api.tenant_id}.more"})
    async with api.client(api.token("root", "admin")) as admin:
        await admin.put("/configuration", json=wider, headers={"if-match": '"1"'})
        answer = await admin.post("/configuration/rollback", json={"to_version": 1}, headers={"if-match": '"2"'})

    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["faults"]] == ["/domains"]
    assert f"{api.tenant_id}.more" in answer.json()["faults"][0]["message"]


async def test_a_document_that_this_release_refuses_is_shown_but_not_activated_again(api: RunningApi) -> None:
    await configure_twice(api)
    async with api.database.transaction(api.tenant_id) as transaction:
        row = await transaction.one("SELECT document FROM configuration_version WHERE version = 1")
        assert row is not None
        document = json.loads(row["document"])
        document["agents"][1]["capacity"] = 0
        await transaction.execute(
            "UPDATE configuration_version SET document = :document WHERE version = 1", document=json.dumps(document)
        )
    async with api.client(api.token("root", "admin")) as admin:
        read = await admin.get("/configuration/versions/1")
        back = await admin.post("/configuration/rollback", json={"to_version": 1}, headers={"if-match": '"2"'})

    assert read.json() == document
    assert (back.status_code, [fault["path"] for fault in back.json()["faults"]]) == (422, ["/agents/1/capacity"])


async def test_a_check_finds_what_only_the_server_knows_and_changes_nothing(api: RunningApi) -> None:
    await api.configure()
    async with api.client(api.token("root", "admin", tenant_id="rival")) as rival:
        taken = await rival.post("/configuration/check", json=api.configuration())
    other = api.configuration()
    other["domains"][0]["id"] = "elsewhere"
    other["channels"][0]["address"] = "web:new"
    for part in ("queues", "agents", "channels"):
        for item in other[part]:
            item["domain"] = "elsewhere"
    async with api.client(api.token("root", "admin")) as admin:
        removed = await admin.post("/configuration/check", json=other)
        other["domains"].append(api.configuration()["domains"][0])
        good = await admin.post("/configuration/check", json=other)
        same = await admin.post("/configuration/check", json=api.configuration())
        versions = await admin.get("/configuration/versions")
    async with api.database.transaction(api.tenant_id) as transaction:
        domains = await transaction.all("SELECT domain_id FROM domain")
        addresses = await transaction.all("SELECT address FROM channel_address")

    assert [fault["path"] for fault in taken.json()["faults"]] == ["/channels/0/address"]
    assert [fault["path"] for fault in removed.json()["faults"]] == ["/domains"]
    assert (good.status_code, good.json()["active_version"], good.json()["is_active"]) == (200, 1, False)
    assert same.json()["is_active"]
    assert len(versions.json()["versions"]) == 1
    assert [row["domain_id"] for row in domains] == [api.place.domain]
    assert [row["address"] for row in addresses] == [f"web:{api.tenant_id}"]
    assert len(await audited(api)) == 1
    assert isinstance(api.log, MemoryLog)
    assert {decode(each.value, each.headers).tenant_id for each in api.log.records(CONFIG.name)} <= {api.tenant_id}


async def test_a_check_tells_wrong_forms_and_wrong_references_together(api: RunningApi) -> None:
    document = api.configuration()
    document["agents"][1]["capacity"] = 0
    document["channels"][0]["queue"] = "gone"
    async with api.client(api.token("root", "admin")) as admin:
        answer = await admin.post("/configuration/check", json=document)

    assert {fault["path"] for fault in answer.json()["faults"]} == {"/agents/1/capacity", "/channels/0/queue"}


async def test_an_api_key_checks_but_rolls_nothing_back_and_a_stranger_does_neither(api: RunningApi) -> None:
    await configure_twice(api)
    async with api.client(api.token("root", "admin")) as admin:
        issued = await admin.post("/api-keys", json={"integration": "ci"})
    async with api.client(issued.json()["key"]) as integrator:
        checked = await integrator.post("/configuration/check", json=api.configuration())
        back = await integrator.post("/configuration/rollback", json={"to_version": 1}, headers={"if-match": '"2"'})
    async with api.client("nobody") as nobody:
        unread = await nobody.post("/configuration/check", content=b"[" * (BODY_BYTES_MAX + 1))
    async with api.client(api.token("ann", "agent")) as agent:
        as_agent = await agent.post("/configuration/check", json=api.configuration())

    assert checked.status_code == 200, checked.text
    assert (back.status_code, unread.status_code, as_agent.status_code) == (401, 401, 403)


async def test_a_domain_says_by_which_version_it_is_routed(api: RunningApi) -> None:
    await api.configure()
    async with api.client(api.token("root", "admin")) as admin:
        before = await admin.get("/configuration/applied")
        view = json.dumps({"domain": api.place.domain, "version": 1})
        await api.redis.hset(api.place.key("domains"), api.place.domain, view)
        after = await admin.get("/configuration/applied")

    assert before.json() == {"domains": [{"domain": api.place.domain, "version": 0}]}
    assert after.json() == {"domains": [{"domain": api.place.domain, "version": 1}]}
