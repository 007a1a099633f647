"""Each lint rule finds its mistake, and nothing in the sample tenant."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from centralino.config.findings import Finding
from centralino.config.lint import RULES, lint
from centralino.config.testing import ANA, TO_HELP, Json, address, document, plan, queue, rule, share
from contracts.configuration import TenantConfiguration

SAMPLE = TenantConfiguration.model_validate_json((files("centralino") / "sample" / "acme.json").read_text())

NEVER: Json = {"id": "never", "domain": "main", "time_zone": "UTC", "weekly": {}}
ES3: list[Json] = [{"skill": "es", "minimum": 3}]
ES5: list[Json] = [{"skill": "es", "minimum": 5}]
NIGHT: Json = {"id": "night", "domain": "main", "name": "Night"}
ONLY_ANA: Json = {"after_seconds": 0, "agents": ["ana"]}


def other_than_overflow(configuration: TenantConfiguration) -> list[Finding]:
    """What else is found: the queues of these documents have no overflow, to be short."""
    return [finding for finding in lint(configuration) if finding.rule != "queue_without_overflow"]


def test_the_sample_tenant_has_no_mistake() -> None:
    assert lint(SAMPLE) == []
    assert other_than_overflow(document()) == []


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
        ({}, "queue_without_overflow", "/queues/0", "for ever"),
        (
            {"queues": [queue(closed={"to": "callback"})]},
            "callback_that_nobody_gets",
            "/queues/0/closed",
            "hear last words",
        ),
        ({"plans": [plan()]}, "plan_that_no_queue_uses", "/plans/0", "no queue names it"),
        (
            {"plans": [plan({"after_seconds": 5})], "queues": [queue(plan="usual")]},
            "step_without_effect",
            "/plans/0/steps/0",
            "changes nothing",
        ),
        (
            {
                "plans": [plan({"after_seconds": 0, "agents": ["eve"]})],
                "queues": [queue(plan="usual")],
                "agents": [ANA, ANA | {"id": "eve", "domain": "empty"}],
            },
            "step_without_effect",
            "/plans/0/steps/0/agents",
            "none of them works in this domain",
        ),
        (
            {"plans": [plan({"after_seconds": 9, "requirements": ES3})], "queues": [queue(plan="usual", es=3)]},
            "step_without_effect",
            "/plans/0/steps/0",
            "holds already",
        ),
        (
            {"plans": [plan({"after_seconds": 9, "requirements": ES5})], "queues": [queue(plan="usual", es=3)]},
            "step_that_nobody_serves",
            "/plans/0/steps/0",
            "from then on no agent can serve it in help: nobody has es of 5, the best has 3",
        ),
        (
            {
                "plans": [plan({"after_seconds": 9, "teams": ["night"]})],
                "queues": [queue(plan="usual")],
                "teams": [NIGHT],
            },
            "step_that_nobody_serves",
            "/plans/0/steps/0",
            "nobody is in night",
        ),
        (
            {
                "plans": [plan(ONLY_ANA, {"after_seconds": 9})],
                "queues": [queue(plan="usual", en=3)],
                "agents": [ANA, ANA | {"id": "ben", "skills": {"en": 5}}],
            },
            "step_that_nobody_serves",
            "/plans/0/steps/0",
            "until 9 s no agent can serve it in help: none of ana has what it asks for",
        ),
        (
            {"rules": [rule("both", "true") | {"requirements": [*ES3, {"skill": "en", "minimum": 3}]}]},
            "rule_that_nobody_serves",
            "/rules/0/requirements",
            "nobody has en of 3, the best has 2",
        ),
        (
            {"queues": [queue(escalates_to="x"), queue("x", escalates_to="x")]},
            "queues_that_escalate_in_a_circle",
            "/queues/1/escalates_to",
            "its own next tier",
        ),
        (
            {"plans": [plan({"after_seconds": 0, "last_agent": True})], "queues": [queue(plan="usual")]},
            "last_agent_is_never_known",
            "/queues/0/customer_facts_wait_ms",
            "never waits",
        ),
        (
            {"rules": [rule("all", "true"), rule("vip", "client == 'shop'"), rule("other", "true", domain="empty")]},
            "rule_behind_one_that_always_matches",
            "/rules/1",
            "rule all",
        ),
        (
            {"queues": [queue(closed={"to": "queue", "queue": "help"})]},
            "queues_that_overflow_in_a_circle",
            "/queues/0",
            "come back",
        ),
        ({"queues": [queue(), queue("x", priority=9)]}, "queue_that_starves", "/queues/0", "however long"),
        (
            {"queues": [queue(plan="usual", timeout=30)], "plans": [plan(ONLY_ANA, {"after_seconds": 20})]},
            "offer_outlives_the_step",
            "/queues/0/plan",
            "lasts 20 s, an offer up to 30 s",
        ),
        (
            {
                "queues": [queue(plan="usual"), queue("x", plan="usual"), queue("y", plan="usual")],
                "plans": [plan({"after_seconds": 60, "overflow": {"to": "voicemail"}})],
                "domains": [{"id": "main", "longest_wait_seconds": 90}],
            },
            "longest_wait_after_the_overflow",
            "/domains/0/longest_wait_seconds",
            "help, x, y (60 s)",
        ),
        (
            {
                "domains": [{"id": "main", "client_shares": [share("shop", minimum_percent=101 - 50), share("b", 50)]}],
                "clients": ["shop", "b"],
            },
            "shares_above_the_whole",
            "/domains/0/client_shares",
            "101 %",
        ),
        (
            {"domains": [{"id": "main", "costs": {"webchat": 2}, "client_shares": [share("shop", units_max=1)]}]},
            "cap_below_one_task",
            "/domains/0/client_shares/0/units_max",
            "costs 2 units",
        ),
        (
            {"domains": [{"id": "main", "outbound_idle_reserve": 1}], "queues": [queue(direction="outbound")]},
            "reserve_above_all_agents",
            "/domains/0/outbound_idle_reserve",
            "1 agents of 1",
        ),
        (
            {"queues": [queue(calendar="never")], "calendars": [NEVER]},
            "calendar_that_never_opens",
            "/calendars/0",
            "no hours",
        ),
        (
            {"queues": [queue(alerts=[{"id": "bad", "measure": "service_level_percent", "below": 80}])]},
            "alert_on_no_promise",
            "/queues/0/alerts/0",
            "never comes",
        ),
    ],
)
def test_a_rule_finds_its_mistake(changes: Json, rule: str, path: str, words: str) -> None:
    found = [finding for finding in lint(document(**changes)) if finding.rule == rule]

    assert [finding.path for finding in found] == [path]
    assert words in found[0].message
    assert found[0].advice


def test_two_queues_that_overflow_into_each_other_are_both_named() -> None:
    queues = [queue(closed={"to": "queue", "queue": "x"}), queue("x", plan="usual"), queue("y", plan="usual")]

    found = [finding for finding in lint(document(queues=queues, plans=[plan(TO_HELP)])) if "circle" in finding.rule]
    assert [finding.path for finding in found] == ["/queues/0", "/queues/1"]


@pytest.mark.parametrize(
    ("steps", "without_effect"),
    [
        ([{"requirements": ES3}, {"requirements": []}], []),
        ([{"requirements": []}, {"requirements": []}], [1]),
        ([{"band": 0}, {"band": 1}, {"band": 1}], [0, 2]),
        ([{"teams": []}, {"any_of": []}, {"none_of": []}], [0, 1, 2]),
        ([{"priority_add": 5}, {"priority_add": 1}], [1]),
        ([{"agents": ["ana"]}, {}], []),
        ([{"last_agent": True}, {}, {}], [2]),
        ([{"overflow": {"to": "voicemail"}}], []),
    ],
)
def test_a_step_that_repeats_what_holds_already_has_no_effect(steps: list[Json], without_effect: list[int]) -> None:
    numbered = [step | {"after_seconds": number} for number, step in enumerate(steps)]

    found = lint(document(queues=[queue(plan="usual", es=2)], plans=[plan(*numbered)]))

    told = [finding.path for finding in found if finding.rule == "step_without_effect"]
    assert told == [f"/plans/0/steps/{place}" for place in without_effect]


@pytest.mark.parametrize(
    ("ruled", "step"),
    [({"requirements": []}, {"requirements": ES3}), ({"band": 2}, {"band": 0}), ({"priority": 3}, {})],
)
def test_a_step_that_undoes_what_a_rule_may_have_set_has_an_effect(ruled: Json, step: Json) -> None:
    queues = [queue(plan="usual", es=3, priority=9)]
    rules = [rule("some", "hour < 9") | ruled]

    found = lint(document(queues=queues, rules=rules, plans=[plan(step | {"after_seconds": 9, "priority_add": 1})]))

    assert [finding for finding in found if finding.rule == "step_without_effect"] == []


def test_a_step_has_an_effect_if_it_has_one_in_any_of_its_queues() -> None:
    queues = [queue(plan="usual", es=3), queue("x", plan="usual", es=2)]

    found = lint(document(queues=queues, plans=[plan({"after_seconds": 9, "requirements": ES3})]))

    assert [finding for finding in found if finding.rule == "step_without_effect"] == []


@pytest.mark.parametrize(
    ("when", "never"),
    [
        ("1 == 2", True),
        ("hour > 24", True),
        ("weekday == 0 && hour < 9", True),
        ('channel == "webchats"', True),
        ('channel == "webchat" && client == "bank"', True),
        ("weekday == 7", False),
        ("1 == 1", False),
        ('client == "shop"', False),
        ('language == "no such language"', False),
    ],
)
def test_a_rule_that_matches_no_contact_that_can_come_is_found(when: str, never: bool) -> None:
    found = lint(document(rules=[rule("some", when)]))

    assert ("rule_that_never_matches" in {finding.rule for finding in found}) == never


def test_a_rule_that_always_matches_is_known_whatever_its_words() -> None:
    found = lint(document(rules=[rule("all", "hour >= 0 && weekday < 8"), rule("other", "hour < 9")]))

    assert "/rules/1" in {f.path for f in found if f.rule == "rule_behind_one_that_always_matches"}


def test_a_rule_that_goes_on_hides_none() -> None:
    found = lint(document(rules=[rule("all", "true") | {"go_on": True}, rule("other", "hour < 9")]))

    assert "rule_behind_one_that_always_matches" not in {finding.rule for finding in found}


def test_a_rule_that_tells_too_many_contacts_apart_may_match() -> None:
    clients = [f"client-{number}" for number in range(130)]
    channels = [address("help") | {"address": name, "client": name} for name in clients]
    rules = [rule("some", 'hour > 24 && weekday == 0 && client == "x"')]

    found = lint(document(clients=clients, channels=channels, rules=rules))

    assert "rule_that_never_matches" not in {finding.rule for finding in found}


def test_a_rule_is_served_where_the_queue_it_leads_to_or_one_of_all_has_agents_for_it() -> None:
    def judged(**effects: Any) -> list[str]:  # Any: JSON
        agents = [ANA, ANA | {"id": "ben", "skills": {"es": 5}, "team": "night"}]
        queues = [
            queue(),
            queue("x", teams=["night"]),
            queue("y", plan="usual", none_of=[{"skill": "es", "minimum": 4}]),
        ]
        queues.append(queue("z", plan="at-once", none_of=[{"skill": "es", "minimum": 4}]))
        plans = [plan({"after_seconds": 9, "none_of": []})]
        plans.append(plan({"after_seconds": 0, "none_of": []}) | {"id": "at-once"})
        rules = [rule("some", "hour < 9") | effects]
        found = lint(document(agents=agents, queues=queues, plans=plans, rules=rules, teams=[NIGHT]))
        return [finding.severity for finding in found if finding.rule == "rule_that_nobody_serves"]

    both = [*ES3, {"skill": "en"}]
    assert judged(requirements=both) == []
    assert judged(requirements=both, queue="x") == ["error"]
    assert judged(requirements=ES5, queue="x") == []
    assert judged(requirements=ES5, queue="y") == ["warning"]
    assert judged(queue="x") == []
    assert judged(requirements=ES5, queue="z") == []  # its first step comes at once


def test_queues_for_other_people_are_no_reason_to_fault_a_rule() -> None:
    rules = [rule("some", "hour < 9") | {"requirements": ES3}]
    queues = [queue(), queue("x", teams=["night"]), queue("y", none_of=[{"skill": "es"}])]

    found = lint(document(queues=queues, rules=rules, teams=[NIGHT]))

    assert "rule_that_nobody_serves" not in {finding.rule for finding in found}


def test_tiers_that_lead_back_are_all_named() -> None:
    queues = [queue("a", escalates_to="b"), queue("b", escalates_to="a"), queue("c", escalates_to="a")]

    found = [finding.path for finding in lint(document(queues=queues, channels=[])) if "escalate" in finding.rule]

    assert found == ["/queues/0/escalates_to", "/queues/1/escalates_to"]


def test_overflow_to_another_queue_keeps_the_waiting_time_and_so_the_place() -> None:
    domains = [{"id": "main", "longest_wait_seconds": 90}]

    found = lint(document(queues=[queue(plan="usual"), queue("x")], plans=[plan(TO_HELP)], domains=domains))

    assert [finding for finding in found if finding.rule == "longest_wait_after_the_overflow"] == []


def test_a_queue_for_skills_that_nobody_has_together_is_found() -> None:
    agents = [
        {"id": name, "domain": "main", "name": name, "skills": {skill: 5}} for name, skill in (("a", "es"), ("b", "en"))
    ]

    found = other_than_overflow(document(agents=agents, queues=[queue(es=3, en=2), queue("rest")]))

    assert found[0].message == "no agent can serve it: nobody has es of 3 and en of 2 together"
    assert [finding.rule for finding in found] == ["queue_that_nobody_serves", "address_that_nobody_serves"]


def test_a_queue_whose_plan_relaxes_or_gives_up_is_no_error() -> None:
    def planned(*steps: Json) -> list[tuple[str, str]]:
        plans = [{"id": "usual", "domain": "main", "steps": list(steps)}]
        found = other_than_overflow(document(queues=[{**queue(es=5), "plan": "usual"}, queue("rest")], plans=plans))
        return [(finding.rule, finding.severity) for finding in found]

    serves, leads = "queue_that_nobody_serves", "address_that_nobody_serves"
    in_vain = ("step_that_nobody_serves", "warning")  # until then
    assert planned({"after_seconds": 20, "requirements": ES3}) == [in_vain]
    assert planned({"after_seconds": 0, "requirements": ES3}) == []
    for_ever = ("step_that_nobody_serves", "error")
    steps = [{"after_seconds": 20, "requirements": ES3}, {"after_seconds": 40, "requirements": ES5}]
    assert planned(*steps) == [for_ever, in_vain]
    assert planned({"after_seconds": 20, "band": 1}) == [(serves, "error"), (leads, "error")]
    gives_up = {"after_seconds": 20, "overflow": {"to": "voicemail"}}
    assert planned(gives_up) == [(serves, "warning"), (leads, "warning")]
    assert planned(gives_up | {"requirements": []}) == [(serves, "warning"), (leads, "warning")]  # it is gone by then


def test_named_agents_of_other_domains_are_passed_over_and_leave_the_step_to_all() -> None:
    agents = [ANA, ANA | {"id": "eve", "domain": "empty"}]
    steps: list[Json] = [{"after_seconds": 0, "agents": ["eve"]}, {"after_seconds": 60}]

    found = lint(document(agents=agents, queues=[queue(plan="usual", es=3)], plans=[plan(*steps)]))

    assert "step_that_nobody_serves" not in {finding.rule for finding in found}


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

    found = other_than_overflow(document(queues=[{**queue(), **asks}], **changes))

    assert [finding.rule for finding in found] == ["queue_that_nobody_serves", "agent_without_work"]


@pytest.mark.parametrize("agent", [{"channels": {"voice": 1}}, {"clients": ["other"]}])
def test_an_address_whose_agents_take_no_such_channel_or_client_is_found(agent: Json) -> None:
    agents = [{**document().model_dump()["agents"][0], **agent}]

    found = other_than_overflow(document(agents=agents, clients=["shop", "other"]))

    assert [finding.message for finding in found] == [
        "leads to queue help, but nobody who serves it takes webchat of shop"
    ]


def test_an_address_whose_channel_costs_more_than_those_who_serve_it_can_hold_is_found() -> None:
    big = {"id": "big", "domain": "main", "name": "Big", "capacity": 9}
    agents = [*document().model_dump()["agents"], big]
    domains = [{"id": "main", "costs": {"webchat": 3}}]

    found = other_than_overflow(document(agents=agents, domains=domains, queues=[queue(es=1), queue("rest")]))

    assert [(finding.rule, finding.path) for finding in found] == [("address_that_nobody_serves", "/channels/0/queue")]
    assert "holds less than the 3 units of webchat" in found[0].message


def test_the_page_names_every_rule() -> None:
    page = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()

    assert [rule.__name__ for rule in RULES if f"`{rule.__name__}`" not in page] == []


def test_errors_come_before_warnings_and_every_rule_says_what_it_is_about() -> None:
    found = other_than_overflow(document(skills=["es", "en", "fr"], queues=[queue(es=4, timeout=90)]))

    severities = [finding.severity for finding in found]
    assert severities == sorted(severities)
    assert {"error", "warning"} == set(severities)
    assert all(rule.__doc__ for rule in RULES)


def test_a_callback_is_promised_where_an_address_of_the_domain_says_that_it_can_be_kept() -> None:
    queues = [queue(plan="usual", waiting_max=5, full={"to": "callback"})]
    plans = [plan({"after_seconds": 60, "overflow": {"to": "callback"}})]

    def found(channel: Json) -> list[str]:
        all_of_it = lint(document(queues=queues, plans=plans, channels=[channel]))
        return [finding.path for finding in all_of_it if finding.rule == "callback_that_nobody_gets"]

    assert found(address("help")) == ["/queues/0/full", "/plans/0/steps/0/overflow"]
    assert found({**address("help"), "callbacks": True}) == []
