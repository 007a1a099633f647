"""Each lint rule finds its mistake, and nothing in the sample tenant."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from centralino.config.lint import RULES, lint
from contracts.configuration import TenantConfiguration

Json = dict[str, Any]  # Any: JSON
SAMPLE = TenantConfiguration.model_validate_json((files("centralino") / "sample" / "acme.json").read_text())


def document(**changes: Any) -> TenantConfiguration:  # Any: JSON
    agents = [{"id": "ana", "domain": "main", "name": "Ana", "skills": {"es": 3, "en": 2}, "capacity": 2}]
    base: Json = {
        "clients": ["shop"],
        "skills": ["es", "en"],
        "domains": [{"id": "main"}, {"id": "empty"}],
        "queues": [queue(es=3)],
        "agents": agents,
        "channels": [address("help")],
    }
    return TenantConfiguration.model_validate({**base, **changes})


def queue(name: str = "help", domain: str = "main", timeout: int = 20, **skills: int) -> Json:
    requirements = [{"skill": skill, "minimum": minimum} for skill, minimum in skills.items()]
    base = {"id": name, "domain": domain, "name": name, "offer_timeout_seconds": timeout}
    return {**base, "requirements": requirements}


def address(default: str, *others: str) -> Json:
    base = {"address": "web:main", "channel": "webchat", "client": "shop", "domain": "main"}
    return {**base, "queue": default, "queues": list(others)}


def test_the_sample_tenant_has_no_mistake() -> None:
    assert lint(SAMPLE) == []
    assert lint(document()) == []


@pytest.mark.parametrize(
    ("changes", "rule", "path", "words"),
    [
        ({"queues": [queue(es=4)], "channels": []}, "queue_that_nobody_serves", "/queues/0", "es of 4, the best has 3"),
        ({"queues": [queue(), queue("x", "empty")]}, "queue_that_nobody_serves", "/queues/1", "empty has no agents"),
        ({"skills": ["es", "en", "fr"]}, "skill_that_nobody_has", "/skills/2", "no agent has it"),
        (
            {"domains": [{"id": "main", "costs": {"voice": 3}}]},
            "cost_above_every_capacity",
            "/domains/0/costs/voice",
            "2",
        ),
        (
            {"agents": [{"id": "ben", "domain": "main", "name": "Ben"}], "queues": [queue(es=1)], "channels": []},
            "agent_without_work",
            "/agents/0",
            "serves no queue",
        ),
        (
            {"queues": [queue(timeout=61)]},
            "offer_outlives_the_refusal",
            "/queues/0/offer_timeout_seconds",
            "lasts 61 s, a refusal is remembered for 60 s",
        ),
        (
            {"queues": [queue(), queue("x", es=5)], "channels": [address("help", "x")]},
            "address_that_nobody_serves",
            "/channels/0/queues/0",
            "leads to queue x, but nobody serves it",
        ),
    ],
)
def test_a_rule_finds_its_mistake(changes: Json, rule: str, path: str, words: str) -> None:
    found = [finding for finding in lint(document(**changes)) if finding.rule == rule]

    assert [finding.path for finding in found] == [path]
    assert words in found[0].message
    assert found[0].advice


def test_a_queue_for_skills_that_nobody_has_together_is_found() -> None:
    agents = [
        {"id": name, "domain": "main", "name": name, "skills": {skill: 5}} for name, skill in (("a", "es"), ("b", "en"))
    ]

    found = lint(document(agents=agents, queues=[queue(es=3, en=2), queue("rest")]))

    assert found[0].message == "no agent can serve it: nobody has es of 3 and en of 2 together"
    assert [finding.rule for finding in found] == ["queue_that_nobody_serves", "address_that_nobody_serves"]


def test_a_queue_whose_plan_relaxes_or_gives_up_is_no_error() -> None:
    def planned(*steps: Json) -> list[tuple[str, str]]:
        plans = [{"id": "usual", "domain": "main", "steps": list(steps)}]
        found = lint(document(queues=[{**queue(es=5), "plan": "usual"}, queue("rest")], plans=plans))
        return [(finding.rule, finding.severity) for finding in found]

    serves, leads = "queue_that_nobody_serves", "address_that_nobody_serves"
    assert planned({"after_seconds": 20, "requirements": [{"skill": "es", "minimum": 3}]}) == []
    assert planned({"after_seconds": 20, "band": 1}) == [(serves, "error"), (leads, "error")]
    gives_up = {"after_seconds": 20, "overflow": {"to": "voicemail"}}
    assert planned(gives_up) == [(serves, "warning"), (leads, "warning")]


@pytest.mark.parametrize(
    ("asks", "agent"),
    [
        ({"any_of": [[{"skill": "en", "minimum": 3}, {"skill": "es", "minimum": 4}]]}, {}),
        ({"none_of": [{"skill": "es"}]}, {}),
        ({"teams": ["night"]}, {}),
        ({"direction": "outbound"}, {"directions": ["inbound"]}),
        ({"requirements": [{"skill": "es", "maximum": 2}]}, {}),
    ],
)
def test_all_that_a_queue_asks_for_counts(asks: Json, agent: Json) -> None:
    agents = [{**document().model_dump()["agents"][0], **agent}]
    changes = {"agents": agents, "channels": [], "teams": [{"id": "night", "domain": "main", "name": "Night"}]}

    found = lint(document(queues=[{**queue(), **asks}], **changes))

    assert [finding.rule for finding in found] == ["queue_that_nobody_serves", "agent_without_work"]


@pytest.mark.parametrize("agent", [{"channels": {"voice": 1}}, {"clients": ["other"]}])
def test_an_address_whose_agents_take_no_such_channel_or_client_is_found(agent: Json) -> None:
    agents = [{**document().model_dump()["agents"][0], **agent}]

    found = lint(document(agents=agents, clients=["shop", "other"]))

    assert [finding.message for finding in found] == [
        "leads to queue help, but nobody who serves it takes webchat of shop"
    ]


def test_an_address_whose_channel_costs_more_than_those_who_serve_it_can_hold_is_found() -> None:
    big = {"id": "big", "domain": "main", "name": "Big", "capacity": 9}
    agents = [*document().model_dump()["agents"], big]
    domains = [{"id": "main", "costs": {"webchat": 3}}]

    found = lint(document(agents=agents, domains=domains, queues=[queue(es=1), queue("rest")]))

    assert [(finding.rule, finding.path) for finding in found] == [("address_that_nobody_serves", "/channels/0/queue")]
    assert "holds less than the 3 units of webchat" in found[0].message


def test_the_page_names_every_rule() -> None:
    page = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()

    assert [rule.__name__ for rule in RULES if f"`{rule.__name__}`" not in page] == []


def test_errors_come_before_warnings_and_every_rule_says_what_it_is_about() -> None:
    found = lint(document(skills=["es", "en", "fr"], queues=[queue(es=4, timeout=90)]))

    severities = [finding.severity for finding in found]
    assert severities == sorted(severities)
    assert {"error", "warning"} == set(severities)
    assert all(rule.__doc__ for rule in RULES)
