"""Supervisors see how providers' addresses stand, and have providers told where to deliver."""

import json
from pathlib import Path
from typing import Any

import pytest
from chat_gateway.testing.managers import SUBJECT, Managers
from chat_gateway.testing.samples import TENANT
from chat_gateway.testing.written import WrittenGateway
from httpx import ASGITransport, AsyncClient, Response
from servicekit.auth import Role
from servicekit.ports import HttpNotSentError, HttpReply
from servicekit.testing.fake_http import FakeHttp, programmed


class Managed:
    def __init__(self, folder: Path, *answers: HttpReply | Exception) -> None:
        self.managers = Managers(folder)
        (folder / TENANT).mkdir()
        (folder / TENANT / "token").write_text("77:secret")
        (folder / TENANT / "hook").write_text("hook-secret")
        self.http = FakeHttp(programmed(*answers))
        settings = {"jwks_url": self.managers.jwks_url, "public_url": "https://chat.example"}
        self.written = WrittenGateway(self.http, folder, **settings)
        secrets = {"bot_token": ["token"], "webhook_secret": ["hook"]}
        self.written.address(
            "telegram:bot", "telegram", {"provider": "telegram", "account_id": "77", "secrets": secrets}
        )
        self.written.address(
            "slack:acme", "slack", {"provider": "slack", "account_id": "T1", "secrets": {"bot_token": ["none"]}}
        )

    async def ask(self, method: str, path: str, body: object = None, **who: Any) -> Response:
        transport = ASGITransport(self.written.gateway.app, raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url="http://test/chat/v1") as client:
            return await client.request(method, path, json=body, headers=self.managers.headers(**who))

    def audited(self) -> list[tuple[str, str, str, object]]:
        rows = self.written.store.database.tables.audit.values()
        return [(row.actor, row.action, row.target, row.content) for row in rows]


async def test_addresses_stand_there_with_what_they_lack_and_no_secret(tmp_path: Path) -> None:
    answer = await Managed(tmp_path).ask("GET", "/addresses")
    slack, telegram = answer.json()["addresses"]

    assert (telegram["webhook_url"], telegram["registers"], telegram["missing"]) == (
        "https://chat.example/chat/v1/webhooks/telegram:bot",
        True,
        [],
    )
    assert slack["missing"] == ["signing_secret", "none"]
    assert not slack["registers"]
    assert "secret" not in answer.text.replace("webhook_secret", "").replace("signing_secret", "").replace(
        '"secrets"', ""
    )


async def test_each_number_of_one_account_stands_there(tmp_path: Path) -> None:
    managed = Managed(tmp_path)
    account = {"provider": "twilio", "account_id": "AC1", "secrets": {"auth_token": ["token"]}}
    for name in ("sms:one", "sms:two", "sms:gone"):
        managed.written.address(name, "sms", account)
    managed.written.configure("channel", "sms:gone", None)
    answer = await managed.ask("GET", "/addresses")

    names = [each["address"] for each in answer.json()["addresses"]]
    assert names == ["slack:acme", "sms:one", "sms:two", "telegram:bot"]


async def test_other_tenants_addresses_are_not_there(tmp_path: Path) -> None:
    managed = Managed(tmp_path)

    assert (await managed.ask("GET", "/addresses", tenant_id="other")).json() == {"addresses": []}
    assert (await managed.ask("POST", "/addresses/telegram:bot/register", tenant_id="other")).status_code == 404


@pytest.mark.parametrize(("role", "status"), [("agent", 403), ("integrator", 403), ("admin", 200)])
async def test_agents_look_after_no_accounts(tmp_path: Path, role: Role, status: int) -> None:
    assert (await Managed(tmp_path).ask("GET", "/addresses", role=role)).status_code == status


@pytest.mark.parametrize(
    ("reply", "registered"),
    [
        ({"ok": True, "result": True}, True),
        ({"ok": False, "description": "bad webhook"}, False),
        ({"status": 1}, False),
    ],
)
async def test_the_provider_is_told_where_to_deliver(tmp_path: Path, reply: Any, *, registered: bool) -> None:
    managed = Managed(tmp_path, HttpReply(status=200, headers={}, body=json.dumps(reply).encode()))
    answer = await managed.ask("POST", "/addresses/telegram:bot/register")
    [asked] = managed.http.requests

    assert answer.json()["registered"] is registered
    assert json.loads(asked.body)["url"] == "https://chat.example/chat/v1/webhooks/telegram:bot"
    assert "77:secret" not in answer.text
    assert managed.audited() == [(SUBJECT, "address.register", "telegram:bot", {})]


async def test_what_cannot_be_audited_is_not_done(tmp_path: Path) -> None:
    managed = Managed(tmp_path)
    managed.written.interrupted.away = True
    answer = await managed.ask("POST", "/addresses/telegram:bot/register")

    assert answer.status_code == 503
    assert managed.http.requests == []


async def test_nothing_is_handed_over_again_where_it_would_be_another_message(tmp_path: Path) -> None:
    managed = Managed(tmp_path)
    answer = await managed.ask("POST", "/addresses/telegram:bot/replay", {"since_ms": 0})

    assert (answer.status_code, answer.json()["code"]) == (409, "cannot_replay")
    assert managed.audited() == []


async def test_before_the_configuration_is_read_nobody_says_that_an_address_is_unknown(tmp_path: Path) -> None:
    managed = Managed(tmp_path)
    managed.written.directory.complete = False

    assert (await managed.ask("POST", "/addresses/other/replay", {"since_ms": 0})).status_code == 503


async def test_what_cannot_be_told_by_a_call_says_so(tmp_path: Path) -> None:
    managed = Managed(tmp_path, HttpNotSentError("ConnectError"))
    (tmp_path / TENANT / "none").write_text("x")
    secrets = {"bot_token": ["none"], "signing_secret": ["none"]}
    managed.written.address("slack:b", "slack", {"provider": "slack", "account_id": "T2", "secrets": secrets})
    by_hand = await managed.ask("POST", "/addresses/slack:b/register")
    away = await managed.ask("POST", "/addresses/telegram:bot/register")

    assert (by_hand.status_code, by_hand.json()["webhook_url"]) == (
        409,
        "https://chat.example/chat/v1/webhooks/slack:b",
    )
    assert [target for _, _, target, _ in managed.audited()] == ["telegram:bot"]
    assert (away.status_code, away.json()["code"]) == (502, "provider_away")
