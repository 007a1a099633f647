"""What lint finds of written channels, and what plan and export make of their parts."""

from pathlib import Path
from typing import Any

import pytest
from centralino.config.differences import differences
from centralino.config.documents import read_configuration_files
from centralino.config.exported import Form, exported
from centralino.config.findings import Finding
from centralino.config.lint import lint
from centralino.config.testing import Json, address, document
from contracts.configuration import TenantConfiguration

SECRETS: Json = {use: [use] for use in ("app_secret", "access_token", "verify_token")}
WHATSAPP: Json = {"provider": "whatsapp", "account_id": "1", "secrets": SECRETS}
TEMPLATE: Json = {
    "id": "hello",
    "domain": "main",
    "address": "w",
    "name": "hello",
    "language": "es",
    "text": "Hola {name}",
}
REPLY: Json = {"id": "hi", "domain": "main", "name": "Hi", "text": "Hello {customer_name}, {{braces}} {agent_name}"}


def reached(account: Json | None, channel: str = "whatsapp") -> Json:
    found = {**address("help"), "address": "w", "channel": channel}
    return {**found, "account": account} if account else found


def found(**changes: Any) -> list[Finding]:
    return [each for each in lint(document(**changes)) if each.rule != "queue_without_overflow"]


def test_what_can_work_is_no_mistake() -> None:
    assert found(channels=[reached(WHATSAPP)], templates=[TEMPLATE], replies=[REPLY]) == []


@pytest.mark.parametrize(
    ("changes", "rule", "path", "words"),
    [
        (
            {"channels": [reached({**WHATSAPP, "secrets": {"app_secret": ["s"]}})]},
            "account_without_its_secrets",
            "/channels/0/account/secrets",
            "whatsapp needs access_token, verify_token",
        ),
        (
            {"channels": [reached({**WHATSAPP, "options": {"bussiness_account": "1"}})]},
            "account_with_an_unknown_name",
            "/channels/0/account/options/bussiness_account",
            "whatsapp has no option 'bussiness_account'",
        ),
        (
            {"channels": [reached({**WHATSAPP, "secrets": {**SECRETS, "app_secrets": ["s"]}})]},
            "account_with_an_unknown_name",
            "/channels/0/account/secrets/app_secrets",
            "whatsapp has no secret 'app_secrets'",
        ),
        (
            {"channels": [reached({"provider": "twilio", "account_id": "1"}, "telegram")]},
            "account_that_nothing_speaks_to",
            "/channels/0/account/provider",
            "telegram by twilio",
        ),
        (
            {"channels": [reached(None)]},
            "account_that_nothing_speaks_to",
            "/channels/0",
            "without the provider's account",
        ),
        (
            {
                "channels": [
                    reached(
                        {
                            "provider": "line",
                            "account_id": "1",
                            "secrets": {"channel_secret": ["s"], "access_token": ["t"]},
                        },
                        "line",
                    )
                ],
                "templates": [TEMPLATE],
            },
            "template_that_cannot_be_sent",
            "/templates/0/address",
            "line by line has no templates",
        ),
        (
            {"channels": [reached(WHATSAPP)], "templates": [{**TEMPLATE, "html": "<p>Hi</p>"}]},
            "template_that_cannot_be_sent",
            "/templates/0/html",
            "neither subject nor HTML",
        ),
        (
            {"replies": [{**REPLY, "text": "{nmae} {customer_name}"}]},
            "reply_with_an_unknown_variable",
            "/replies/0/text",
            "nobody fills nmae",
        ),
    ],
)
def test_each_rule_finds_its_mistake(changes: Json, rule: str, path: str, words: str) -> None:
    [finding] = found(**changes)

    assert (finding.rule, finding.path) == (rule, path)
    assert words in finding.message


@pytest.mark.parametrize(
    ("provider", "name", "advice"),
    [
        ("open", "uri", "there is 'url' alone"),
        ("whatsapp", "busines_account_id", "did you mean 'business_account_id'?"),
        ("messenger", "application", "there are graph_version, app_id"),
        ("telegram", "url", "nothing may stand there"),
    ],
)
def test_an_unknown_option_is_told_with_what_was_meant(provider: str, name: str, advice: str) -> None:
    channel = reached({"provider": provider, "account_id": "1", "options": {name: "x"}}, provider)

    [finding] = [each for each in found(channels=[channel]) if each.rule == "account_with_an_unknown_name"]
    assert finding.advice == advice


def test_a_plan_names_texts_and_accounts() -> None:
    before = document(channels=[reached(WHATSAPP)], templates=[TEMPLATE], replies=[REPLY])
    twilio = {**WHATSAPP, "secrets": {**SECRETS, "app_secret": ["new", "old"]}}
    after = document(channels=[reached(twilio)], templates=[], replies=[{**REPLY, "text": "Hi"}])

    lines = [line for change in differences(before, after) for line in change.lines()]
    assert [line.partition(":")[0] for line in lines] == ["~ channel w", "- template main/hello", "~ reply main/hi"]
    assert 'account.secrets.app_secret ["app_secret"] -> ["new", "old"]' in lines[0]


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_what_is_exported_is_the_same_document(form: Form, tmp_path: Path) -> None:
    mailbox: Json = {
        "sender_name": "Brand",
        "signature": "Yours,\n{agent_name}",
        "imap": {"host": "imap.example", "user": "help", "password": "imap"},
    }
    mail = {**address("help"), "address": "help@brand.example", "channel": "email", "mailbox": mailbox}
    before: TenantConfiguration = document(channels=[reached(WHATSAPP), mail], templates=[TEMPLATE], replies=[REPLY])
    (tmp_path / f"a.{form}").write_text(exported(before, form))
    _, after = read_configuration_files([tmp_path])

    assert differences(before, after) == []
