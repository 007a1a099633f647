"""Routing cases: what is given is played on the real decisions, and what is expected is compared."""

from importlib.resources import files
from pathlib import Path
from textwrap import dedent

import pytest
from centralino.config.case_files import GivenCase, read_cases
from centralino.config.case_report import faults_of_case
from centralino.config.cases import play
from centralino.config.errors import ConfigError

SAMPLE = Path(str(files("centralino") / "sample"))
CASE = """
configuration: acme.json
cases:
  - name: One
    agents: {{ana: {{holds: 1}}, diego: ready}}
    contacts: [{{id: c, address: "webchat:acme-shop", queue: support-es}}]
    {more}
"""


def cases(folder: Path, more: str) -> list[GivenCase]:
    (folder / "acme.json").write_text((SAMPLE / "acme.json").read_text())
    (folder / "one.test.yaml").write_text(CASE.format(more=more))
    return read_cases([folder])


def faults(folder: Path, more: str) -> list[str]:
    (given,) = cases(folder, more)
    return faults_of_case(given.case, play(given.configuration, given.case))


def test_the_page_s_case_passes(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
    example = page[page.index("    configuration: acme.yaml\n") :].partition("    $ ")[0]
    (tmp_path / "acme.yaml").write_text((SAMPLE / "acme.json").read_text())
    (tmp_path / "acme.test.yaml").write_text(dedent(example))

    (given,) = read_cases([tmp_path / "acme.test.yaml"])

    assert faults_of_case(given.case, play(given.configuration, given.case)) == []


@pytest.mark.parametrize("given", read_cases([SAMPLE]), ids=lambda given: given.case.name)
def test_the_sample_s_cases_pass_and_play_the_same_twice(given: GivenCase) -> None:
    played = play(given.configuration, given.case)

    assert faults_of_case(given.case, played) == []
    assert play(given.configuration, given.case) == played


def test_another_agent_is_told_with_the_last_decision_and_what_happened(tmp_path: Path) -> None:
    told = faults(tmp_path, "expect: {c: {agent: ana, state: waiting}}")

    assert told == [
        "  c: agent is diego, expected ana; state is offered, expected waiting",
        "    the last decision: 2 of 6 agents could take it; not: 4 lacks_skill",
        "    what happened:",
        "    0 task.queued queue=support-es",
        "    0 offer.issued queue=support-es agent=diego",
    ]


def test_another_timeline_is_shown_beside_the_expected_one(tmp_path: Path) -> None:
    expected = (
        "[0 task.queued, 0 offer.issued agent=ana, 20 offer.expired, 20 offer.issued agent=ana, 21 offer.accepted]"
    )
    told = faults(tmp_path, f"expect: {{c: {{timeline: {expected}}}}}")

    assert [line for line in told if line.startswith("  !")] == [
        "  ! 0 offer.issued agent=ana" + " " * 32 + "0 offer.issued queue=support-es agent=diego",
        "  ! 21 offer.accepted",
    ]
    assert told[2].split() == ["expected", "actual"]


def test_a_timeline_is_all_that_happened_and_when(tmp_path: Path) -> None:
    assert faults(tmp_path, "expect: {c: {timeline: [0 task.queued, 0 offer.issued]}}") == []
    assert faults(tmp_path, "expect: {c: {timeline: [0 task.queued]}}")
    assert faults(tmp_path, "expect: {c: {timeline: [0 task.queued, 0.001 offer.issued]}}")
    assert faults(tmp_path, "expect: {c: {timeline: [0 task.queued, 0 offer.expired]}}")


def test_what_is_due_by_itself_comes_before_what_people_do_just_then(tmp_path: Path) -> None:
    accept = "actions: [{at: 20, agent: diego, does: accept, contact: c}]\n    "
    told = faults(tmp_path, accept + "expect: {}")

    assert told == ["  ! 20 diego accept c: The offer has been answered, has expired or was taken back."]


def test_nobody_is_an_expectation_too(tmp_path: Path) -> None:
    assert "  c: agent is diego, expected nobody" in faults(tmp_path, "expect: {c: {agent: null}}")
    assert faults(tmp_path, "expect: {c: {}}") == []


def test_what_an_agent_cannot_do_fails_the_case(tmp_path: Path) -> None:
    told = faults(tmp_path, "actions: [{at: 3, agent: ana, does: accept, contact: c}]\n    expect: {}")

    assert told == ["  ! 3 ana accept c: The offer has been answered, has expired or was taken back."]


def test_offers_are_accepted_and_assignments_completed_by_themselves_where_that_is_said(tmp_path: Path) -> None:
    times = "accept_after: 2.5\n    complete_after: 60\n    until: {until}\n    "
    more = times + "expect: {{c: {{agent: diego, state: {state}}}}}"
    for until, state in ((2, "offered"), (2.5, "assigned"), (62.4, "assigned"), (62.5, "completed")):
        assert faults(tmp_path, more.format(until=until, state=state)) == []


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("expect: {d: {}}", "there is no contact d"),
        ("actions: [{at: 1, agent: zoe, does: ready}]\n    expect: {}", "one.test.yaml:7: there is no agent zoe."),
        ("actions: [{at: 1, agent: ana, does: accept}]\n    expect: {}", "accept names a contact"),
        ("actions: [{at: 1, agent: ana, does: ready, contact: c}]\n    expect: {}", "ready names no contact"),
        ("actions: [{at: 1, does: ready}]\n    expect: {}", "ready names an agent"),
        ("actions: [{at: 1, does: close, agent: ana, queue: sales}]\n    expect: {}", "close names no agent"),
        ("actions: [{at: 1, does: close}]\n    expect: {}", "one.test.yaml:7: close names a queue."),
        ("actions: [{at: 1, does: close, queue: salse}]\n    expect: {}", "there is no salse"),
        ("actions: [{at: 1, agent: ana, does: ready, message: hi}]\n    expect: {}", "ready has no message"),
        (
            "expect: {c: {timeline: [at once]}}",
            "cases/0/expect/c/timeline/0: a line is `seconds event field=value ...`",
        ),
        ("expects: {}", "cases/0/expects: there is no field 'expects' here; did you mean 'expect'?"),
        ("expect: {c: {state: gone}}", "cases/0/expect/c/state: must be 'waiting', 'offered', "),
    ],
)
def test_a_case_about_what_is_not_there_is_told_with_its_line(tmp_path: Path, more: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        cases(tmp_path, more)

    assert sentence in str(refused.value)
    assert "one.test.yaml:" in str(refused.value)


def test_an_agent_who_cannot_hold_so_much_is_told(tmp_path: Path) -> None:
    (given,) = cases(tmp_path, "expect: {}")
    agents = {name: agent.model_copy(update={"holds": 4}) for name, agent in given.case.duty().items()}
    with pytest.raises(ConfigError, match="One: ana cannot hold 4 conversations"):
        play(given.configuration, given.case.model_copy(update={"agents": agents}))


RULED = """
clients: [shop]
skills: [gold]
domains: [{id: main}, {id: other}]
queues:
  - {id: help, domain: main, name: Help, customer_facts_wait_ms: 2000, plan: first-the-last}
  - {id: gold, domain: main, name: Gold, closed: {to: message, message: Ring tomorrow.}}
  - {id: gold, domain: other, name: Gold}
plans: [{id: first-the-last, domain: main, steps: [{after_seconds: 0, last_agent: true}, {after_seconds: 20}]}]
rules: [{id: gold, domain: main, when: 'customer.tier == "gold" || "vip" in customer.labels', queue: gold}]
agents: [{id: ana, domain: main, name: Ana}, {id: ben, domain: main, name: Ben}]
channels: [{address: web, channel: webchat, client: shop, domain: main, queue: help}]
"""


def told_of_ruled(folder: Path, contact: str, expected: str, more: str = "") -> list[str]:
    (folder / "tenant.yaml").write_text(RULED)
    case = f"{{name: One, contacts: [{{id: c, address: web, {contact}}}], {more} expect: {{c: {expected}}}}}"
    (folder / "one.test.yaml").write_text(f"cases:\n  - {case[:-1]}, agents: {{ana: ready, ben: ready}}, until: 18}}\n")
    (given,) = read_cases([folder])
    return faults_of_case(given.case, play(given.configuration, given.case))


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        (
            "customer: {tier: gold}",
            "{queue: gold, timeline: [0 task.queued, 0 task.resumed, 0 task.rerouted, 0 offer.issued]}",
        ),
        ("customer: {labels: [vip], after: 1}", "{queue: gold}"),
        ("customer: {tier: silver}", "{queue: help}"),
        ("customer: {tier: gold, after: 3}", "{queue: help}"),
        ("language: en", "{queue: help, agent: ana}"),
        ("customer: {known: false}", "{queue: help, agent: ana}"),
        ("customer: {last_agent: ben}", "{queue: help, agent: ben}"),
    ],
)
def test_what_the_crm_tells_of_the_customer_can_be_given(tmp_path: Path, contact: str, expected: str) -> None:
    assert told_of_ruled(tmp_path, contact, expected) == []


def test_a_last_agent_who_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"one\.test\.yaml:2: there is no agent zoe"):
        told_of_ruled(tmp_path, "customer: {last_agent: zoe}", "{}")


def test_a_supervisor_closes_and_reopens_a_queue(tmp_path: Path) -> None:
    close = "{at: 5, does: close, queue: gold, domain: main, message: Fire alarm.}"
    out = "{state: transferred_out, timeline: [10 task.queued, 10 task.resumed, 10 task.rerouted, OUT]}"
    out = out.replace("OUT", "10 task.transferred_out to=message reason=closed")
    gold = "at: 10, customer: {tier: gold}"

    assert told_of_ruled(tmp_path, gold, out, f"actions: [{close}],") == []
    reopen = "{at: 6, does: reopen, queue: gold, domain: main}"
    assert told_of_ruled(tmp_path, gold, "{queue: gold, state: offered}", f"actions: [{close}, {reopen}],") == []


def test_a_queue_of_two_domains_is_closed_in_one_of_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="close must name the domain: main and other have a queue gold"):
        told_of_ruled(tmp_path, "at: 0", "{}", "actions: [{at: 5, does: close, queue: gold}],")
