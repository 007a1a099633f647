"""What is nearly a mistake and none: each lint rule keeps quiet about it."""

from datetime import date, timedelta
from time import process_time
from typing import Any, Final

import pytest
from centralino.config.lint import RULES, lint
from centralino.config.testing import (
    ANA,
    TO_HELP,
    Json,
    address,
    document,
    flow,
    number,
    plan,
    policy,
    prompt,
    queue,
    rule,
    share,
)

TODAY: Final = date(2026, 3, 1)
VOICEMAIL: Final[Json] = {"after_seconds": 60, "overflow": {"to": "voicemail"}}
BEN: Final[Json] = ANA | {"id": "ben", "name": "Ben"}


WHATSAPP: Final[Json] = {
    **address("help"),
    "address": "w",
    "channel": "whatsapp",
    "account": {
        "provider": "whatsapp",
        "account_id": "1",
        "secrets": {use: ["now", "before"] for use in ("app_secret", "access_token", "verify_token")},
    },
}
TWILIO: Final[Json] = {
    "provider": "twilio",
    "account_id": "1",
    "secrets": {"auth_token": ["token"], "shared_key": ["key"]},
    "options": {"sender": "+15550100"},
}


CALLED: Final[Json] = {"channels": [number()], "flows": [flow()], "prompts": [prompt("what")]}


def es(minimum: int) -> list[Json]:
    return [{"skill": "es", "minimum": minimum}]


def at(after_seconds: int, **fields: Any) -> Json:  # Any: JSON
    """A step of a plan."""
    return {"after_seconds": after_seconds, **fields}


def main(**fields: Any) -> list[Json]:  # Any: JSON
    return [{"id": "main", **fields}]


def calendar(*open_on: date) -> list[Json]:
    exceptions = [{"date": day.isoformat(), "name": "Fair", "hours": [["09:00", "17:00"]]} for day in open_on]
    return [{"id": "fair", "domain": "main", "time_zone": "UTC", "weekly": {}, "exceptions": exceptions}]


def found(name: str, **changes: Any) -> list[tuple[str, str]]:  # Any: JSON
    """Path and message of what this rule finds."""
    findings = lint(document(**changes), today=TODAY)
    return [(finding.path, finding.message) for finding in findings if finding.rule == name]


NEAR_MISSES: list[tuple[str, Json]] = [
    ("queue_that_nobody_serves", {"queues": [queue(es=3, en=2)]}),
    ("queue_that_nobody_serves", {"queues": [queue(plan="usual", es=5)], "plans": [plan(at(9, requirements=[]))]}),
    ("step_that_nobody_serves", {"queues": [queue(plan="usual", es=2)], "plans": [plan(at(9, requirements=es(3)))]}),
    (
        "rule_that_nobody_serves",
        {"rules": [rule("both", "hour < 9") | {"requirements": [*es(3), {"skill": "en", "minimum": 2}]}]},
    ),
    ("address_that_nobody_serves", {"agents": [ANA | {"channels": {"webchat": 1}, "clients": ["shop"]}]}),
    ("cost_above_every_capacity", {"domains": main(costs={"voice": 2})}),
    ("offer_outlives_the_refusal", {"queues": [queue(timeout=60)]}),
    (
        "shares_above_the_whole",
        {"clients": ["shop", "b"], "domains": main(client_shares=[share("shop", 50), share("b", 50)])},
    ),
    ("cap_below_one_task", {"domains": main(costs={"webchat": 2}, client_shares=[share("shop", units_max=2)])}),
    ("cap_below_one_task", {"domains": main(costs={"voice": 2}, client_shares=[share("shop", units_max=1)])}),
    (
        "reserve_above_all_agents",
        {"agents": [ANA, BEN], "domains": main(outbound_idle_reserve=1), "queues": [queue(direction="outbound")]},
    ),
    ("reserve_above_all_agents", {"domains": main(outbound_idle_reserve=1)}),
    (
        "calendar_that_never_opens",
        {"queues": [queue(calendar="fair")], "calendars": calendar(TODAY - timedelta(days=9), TODAY)},
    ),
    (
        "calendar_that_never_opens",
        {"queues": [queue(calendar="fair")], "calendars": calendar(TODAY - timedelta(days=1))},
    ),
    ("calendar_that_never_opens", {"calendars": calendar()}),
    ("alert_on_no_promise", {"queues": [queue(alerts=[{"id": "long", "measure": "waiting", "above": 9}])]}),
    (
        "alert_on_no_promise",
        {
            "queues": [
                queue(
                    service_level={"within_seconds": 20},
                    alerts=[{"id": "low", "measure": "service_level_percent", "below": 80}],
                )
            ]
        },
    ),
    ("plan_that_no_queue_uses", {"queues": [queue(plan="usual")], "plans": [plan()]}),
    ("step_without_effect", {"queues": [queue(plan="usual", es=3)], "plans": [plan(at(9, requirements=es(2)))]}),
    (
        "last_agent_is_never_known",
        {"queues": [queue(plan="usual", customer_facts_wait_ms=1)], "plans": [plan(at(0, last_agent=True))]},
    ),
    ("rule_behind_one_that_always_matches", {"rules": [rule("some", "hour < 9"), rule("all", "true")]}),
    ("rule_that_never_matches", {"rules": [rule("late", "hour > 22")]}),
    ("queue_without_overflow", {"queues": [queue(plan="usual")], "plans": [plan(VOICEMAIL)]}),
    ("queues_that_overflow_in_a_circle", {"queues": [queue(), queue("x", plan="usual")], "plans": [plan(TO_HELP)]}),
    (
        "queues_that_escalate_in_a_circle",
        {"queues": [queue(escalates_to="x"), queue("x", escalates_to="y"), queue("y")]},
    ),
    (
        "callback_that_nobody_gets",
        {"queues": [queue(closed={"to": "callback"})], "channels": [address("help") | {"callbacks": True}]},
    ),
    ("queue_that_starves", {"queues": [queue(priority=9), queue("x", priority=9)]}),
    ("queue_that_starves", {"queues": [queue(), queue("x", priority=9)], "domains": main(longest_wait_seconds=60)}),
    (
        "queue_that_starves",
        {"queues": [queue(), queue("x", priority=9)], "domains": main(aging_seconds_per_priority=60)},
    ),
    (
        "queue_that_starves",
        {"queues": [queue(), queue("x", band=1, es=3)], "agents": [ANA, BEN | {"skills": {"en": 2}}]},
    ),
    (
        "queue_that_starves",
        {"queues": [queue(plan="usual"), queue("x", band=1)], "plans": [plan(at(60, band=1, priority_add=1))]},
    ),
    (
        "offer_outlives_the_step",
        {"queues": [queue(plan="usual", timeout=20)], "plans": [plan(at(20, band=1), at(40, band=2))]},
    ),
    (
        "offer_outlives_the_step",
        {"queues": [queue(plan="usual", timeout=20)], "plans": [plan(at(0, band=1), at(20, band=2))]},
    ),
    ("offer_outlives_the_step", {"queues": [queue(plan="usual", auto_accept=True)], "plans": [plan(at(5, band=1))]}),
    ("offer_outlives_the_step", {"queues": [queue(plan="usual")], "plans": [plan(at(0, band=1))]}),
    (
        "longest_wait_after_the_overflow",
        {"queues": [queue(plan="usual")], "plans": [plan(VOICEMAIL)], "domains": main(longest_wait_seconds=59)},
    ),
    (
        "skill_that_nobody_has",
        {"skills": ["es", "en", "fr"], "agents": [ANA | {"skills": {"es": 3, "en": 2, "fr": 1}}]},
    ),
    (
        "agent_without_work",
        {
            "queues": [queue(plan="usual", es=3)],
            "plans": [plan(at(9, requirements=es(1)))],
            "agents": [ANA, BEN | {"skills": {"es": 1}}],
        },
    ),
    ("account_without_its_secrets", {"channels": [WHATSAPP]}),
    (
        "account_with_an_unknown_name",
        {
            "channels": [
                WHATSAPP | {"account": WHATSAPP["account"] | {"options": {"business_account_id": "2"}}},
                WHATSAPP | {"address": "s", "channel": "sms", "account": TWILIO},
            ]
        },
    ),
    (
        "account_with_an_unknown_name",
        {"channels": [WHATSAPP | {"account": {"provider": "of_ours", "account_id": "1", "options": {"any": "x"}}}]},
    ),
    ("account_that_nothing_speaks_to", {"channels": [address("help") | {"address": "tel:1", "channel": "voice"}]}),
    (
        "template_that_cannot_be_sent",
        {
            "channels": [WHATSAPP],
            "templates": [
                {"id": "t", "domain": "main", "address": "w", "name": "t", "language": "es", "text": "Hola {name}"}
            ],
        },
    ),
    (
        "template_that_cannot_be_sent",
        {
            "channels": [
                address("help") | {"address": "help@shop.example", "channel": "email", "mailbox": {"sender_name": "S"}}
            ],
            "templates": [
                {
                    "id": "t",
                    "domain": "main",
                    "address": "help@shop.example",
                    "name": "t",
                    "language": "es",
                    "text": "Hola {name}",
                    "subject": "Hola",
                    "html": "<p>Hola {name}</p>",
                }
            ],
        },
    ),
    (
        "reply_with_an_unknown_variable",
        {"replies": [{"id": "r", "domain": "main", "name": "R", "text": "{agent_name}, {{name}}"}]},
    ),
    (
        "choice_that_the_address_does_not_allow",
        CALLED | {"queues": [queue(), queue("x")], "channels": [number(queue="x", queues=["help"])]},
    ),
    ("address_that_nobody_can_dial", CALLED),
    ("address_that_nobody_can_dial", {"channels": [number(address="sip:own", flow=None)]}),
    ("agents_without_a_phone", CALLED | {"agents": [ANA | {"phone": {"kind": "sip"}}]}),
    ("agents_without_a_phone", CALLED | {"agents": [ANA | {"channels": {"webchat": 1}}]}),
    ("agents_without_a_phone", {"channels": [number(flow=None)]}),
    (
        "menu_that_nobody_reaches",
        CALLED
        | {
            "flows": [
                flow(
                    menus=[
                        {"id": "second", "prompt": "what", "items": [{"key": "1", "queue": "help"}]},
                        {"id": "first", "prompt": "what", "items": [{"key": "1", "menu": "second"}]},
                    ]
                )
            ]
        },
    ),
    ("flow_that_no_address_uses", CALLED),
    ("prompt_that_no_flow_plays", CALLED | {"prompts": [prompt("what"), prompt("closed")]}),
    (
        "prompt_without_a_language",
        CALLED
        | {
            "flows": [flow(language="pt", languages=[{"key": "1", "language": "it-ch"}])],
            "prompts": [prompt("what", pt="Que?", it="Che?"), prompt("language", pt="Português.")],
        },
    ),
    ("prompt_without_a_language", CALLED | {"flows": [flow(languages=[{"key": "1", "language": "en"}])]}),
    (
        "prompt_with_an_unknown_value",
        CALLED | {"prompts": [prompt("what", en="{{place}}?"), prompt("position", en="{position}")]},
    ),
    (
        "prompt_with_an_unknown_value",
        CALLED
        | {
            "flows": [flow(voicemail={"prompt": "beep-soon"})],
            "prompts": [prompt("what"), prompt("beep-soon", en="Press {key}.")],
        },
    ),
    (
        "policy_behind_one_that_always_fits",
        {"recording": [policy("in", directions=["inbound"]), policy("of-shop", clients=["shop"]), policy("all")]},
    ),
]


@pytest.mark.parametrize(("name", "changes"), NEAR_MISSES)
def test_a_rule_keeps_quiet_about_what_is_nearly_its_mistake(name: str, changes: Json) -> None:
    assert found(name, **changes) == []


def test_every_rule_has_a_near_miss() -> None:
    assert {name for name, _ in NEAR_MISSES} == {each.__name__ for each in RULES}


def test_aging_lets_no_band_wait_behind_a_higher_one_any_less() -> None:
    queues = [queue(), queue("x", band=1), queue("y", band=1, priority=9)]

    [(path, message)] = found("queue_that_starves", queues=queues, domains=main(aging_seconds_per_priority=1))

    assert path == "/queues/0"
    assert "of a higher band first" in message


@pytest.mark.parametrize(
    ("first", "what", "helps"), [({"band": 1}, "band", False), ({"priority": 9}, "priority", True)]
)
def test_aging_is_advised_where_it_would_help(first: Json, what: str, helps: bool) -> None:
    [finding] = [each for each in lint(document(queues=[queue(), queue("x", **first)])) if "starves" in each.rule]

    assert f"of a higher {what} first" in finding.message
    assert ("aging" in finding.advice) == helps


def test_a_step_that_raises_too_little_keeps_no_queue_from_starving() -> None:
    queues = [queue(plan="usual"), queue("x", band=2)]

    assert found("queue_that_starves", queues=queues, plans=[plan(at(60, band=1))]) != []


def test_each_of_several_agents_has_to_serve_something_more_important() -> None:
    queues = [queue(), queue("x", es=3, band=1), queue("y", en=4, band=1)]
    ben = BEN | {"skills": {"en": 4}}

    assert [path for path, _ in found("queue_that_starves", queues=queues, agents=[ANA, ben])] == ["/queues/0"]
    assert found("queue_that_starves", queues=queues[:2], agents=[ANA, ben]) == []


def test_a_first_step_may_come_sooner_than_an_offer_ends() -> None:
    queues = [queue(plan="usual", timeout=30)]

    [(path, message)] = found("offer_outlives_the_step", queues=queues, plans=[plan(at(5, band=1))])

    assert path == "/queues/0/plan"
    assert message.startswith("what holds before the first step lasts 5 s, an offer up to 30 s")


def test_a_calendar_whose_only_hours_are_past_never_opens() -> None:
    calendars = calendar(TODAY - timedelta(days=2), TODAY - timedelta(days=400))

    assert found("calendar_that_never_opens", queues=[queue(calendar="fair")], calendars=calendars) == [
        ("/calendars/0", "a queue goes by it, and it has no hours, or none that are still to come")
    ]


def test_a_cap_counts_for_the_channels_by_which_the_client_comes_to_the_domain() -> None:
    by_voice = address("help") | {"address": "tel:1", "channel": "voice", "client": "bank"}
    domains = main(costs={"voice": 2}, client_shares=[share("shop", units_max=1), share("bank", units_max=1)])

    told = found("cap_below_one_task", clients=["shop", "bank"], channels=[by_voice], domains=domains)

    assert [path for path, _ in told] == ["/domains/0/client_shares/1/units_max"]


def test_thousands_of_queues_are_looked_at_in_little_time() -> None:
    """Each with agents of its own needs; comparing every queue with every other took 19 s of processor time."""
    agents = [ANA | {"id": f"agent-{number}", "skills": {"es": 1 + number % 5}} for number in range(1000)]
    queues = [queue(f"q{number}", es=1 + number % 5, priority=number % 10) for number in range(2000)]
    [starves] = [each for each in RULES if each.__name__ == "queue_that_starves"]
    configuration = document(queues=queues, agents=agents, channels=[])

    began = process_time()
    findings = lint(configuration, [starves])

    assert process_time() - began < 2
    assert len(findings) == 1000
