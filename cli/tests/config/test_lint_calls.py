"""What lint finds of calls, and what plan and export make of their parts."""

import re
from pathlib import Path
from typing import Any

import pytest
from centralino.config.differences import differences
from centralino.config.documents import read_configuration_files
from centralino.config.exported import Form, exported
from centralino.config.lint import lint
from centralino.config.testing import ANA, Json, document, flow, number, policy, prompt, queue
from contracts.configuration import TenantConfiguration

PHONE: Json = {"kind": "sip"}
WITH_PHONE: Json = ANA | {"phone": PHONE}
BASE: Json = {
    "agents": [WITH_PHONE],
    "channels": [number()],
    "flows": [flow()],
    "prompts": [prompt("what")],
}


def found(**changes: Any) -> list[tuple[str, str, str]]:  # Any: JSON
    """Rule, path and what is said and advised."""
    findings = lint(document(**{**BASE, **changes}))
    return [
        (each.rule, each.path, f"{each.message}; {each.advice}")
        for each in findings
        if each.rule != "queue_without_overflow"
    ]


def test_what_callers_can_use_is_no_mistake() -> None:
    assert found() == []


MISTAKES: list[tuple[Json, str, str, str]] = [
    (
        {"channels": [number(queue="x")], "queues": [queue(), queue("x")]},
        "choice_that_the_address_does_not_allow",
        "/flows/0/menus/0/items/0/queue",
        "who calls tel:1 gets queue x instead of help; add help to the `queues` of tel:1",
    ),
    (
        {"channels": [number(address="tel:39-02")]},
        "address_that_nobody_can_dial",
        "/channels/0/address",
        "without +: tel:3902?",
    ),
    (
        {"channels": [number(address="voice:shop")]},
        "address_that_nobody_can_dial",
        "/channels/0/address",
        "calls to it are refused",
    ),
    (
        {"agents": [WITH_PHONE, ANA | {"id": "ben"}, ANA | {"id": "cid", "clients": ["shop"]}]},
        "agents_without_a_phone",
        "/channels/0",
        "ben, cid may get its calls",
    ),
    (
        {
            "flows": [
                flow(menus=[*flow()["menus"], {"id": "x", "prompt": "what", "items": [{"key": "1", "menu": "x"}]}])
            ]
        },
        "menu_that_nobody_reaches",
        "/flows/0/menus/1",
        "no key leads to menu x",
    ),
    (
        {"flows": [flow(), flow(id="other")]},
        "flow_that_no_address_uses",
        "/flows/1",
        "no call goes through it",
    ),
    (
        {"prompts": [prompt("what"), prompt("hello")]},
        "prompt_that_no_flow_plays",
        "/prompts/1",
        "nobody hears it; name it in a flow, remove it, or give it the id of one of the gateway's: language, voicemail",
    ),
    (
        {"flows": [flow(language="it")]},
        "prompt_without_a_language",
        "/flows/0/menus/0/prompt",
        "prompt what says nothing in it",
    ),
    (
        {"prompts": [prompt("what", en="{name}?")]},
        "prompt_with_an_unknown_value",
        "/prompts/0/texts/en",
        "nobody fills name; known here: none",
    ),
    (
        {"recording": [policy("all"), policy("some", clients=["shop"])]},
        "policy_behind_one_that_always_fits",
        "/recording/1",
        "policy all before it fits every call",
    ),
]


@pytest.mark.parametrize(("changes", "rule", "path", "words"), MISTAKES)
def test_a_mistake_is_found_where_it_stands(changes: Json, rule: str, path: str, words: str) -> None:
    [(told, place, said)] = found(**changes)

    assert (told, place) == (rule, path)
    assert words in said


def test_a_language_without_words_of_the_gateway_s_own_is_told() -> None:
    flows = [flow(language="pt", languages=[{"key": "1", "language": "pt"}, {"key": "2", "language": "it-ch"}])]

    told = found(flows=flows, prompts=[prompt("what", it="Che?", pt="Que?")])

    assert [(rule, path) for rule, path, _ in told] == [("prompt_without_a_language", "/flows/0/language_prompt")]


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_parts_of_calls_are_exported_and_read_again_without_a_change(form: Form, tmp_path: Path) -> None:
    extensions = [{"id": "10", "domain": "main", "queue": "help"}]
    recording = [policy("some", queues=["help"]), policy("all")]
    whole = document(**BASE, extensions=extensions, recording=recording)
    (tmp_path / f"tenant.{form}").write_text(exported(whole, form))

    assert differences(whole, read_configuration_files([tmp_path])[1]) == []


def test_what_changes_of_calls_is_told_by_name_and_another_order_of_policies_too() -> None:
    before = document(**BASE, recording=[policy("some", queues=["help"]), policy("all")])
    after = document(
        **BASE | {"agents": [WITH_PHONE | {"phone": {"kind": "browser"}}], "flows": [flow(key_seconds=9)]},
        recording=[policy("all"), policy("some", queues=["help"])],
    )

    assert lines(before, after) == [
        '~ agent ana: phone.kind "sip" -> "browser"',
        "~ flow main/shop: key_seconds 6 -> 9",
        '~ recording: order ["main/some", "main/all"] -> ["main/all", "main/some"]',
    ]


def test_the_page_s_example_is_a_configuration_that_lint_finds_nothing_in(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
    [example] = re.findall(r"```yaml\n(# calls\.yaml\n.*?)```", page, re.DOTALL)
    (tmp_path / "calls.yaml").write_text(example)
    rest = {**BASE, "channels": [], "flows": [], "prompts": [], "queues": [queue(), queue("orders")]}
    (tmp_path / "tenant.yaml").write_text(exported(document(**rest), "yaml"))

    configuration = read_configuration_files([tmp_path])[1]

    assert [each.rule for each in lint(configuration) if each.rule != "queue_without_overflow"] == []


def lines(before: TenantConfiguration, after: TenantConfiguration) -> list[str]:
    return [line for change in differences(before, after) for line in change.lines()]
