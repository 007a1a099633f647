"""Rules in order, in two stages, with a memory that nobody sees."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest
import yaml
from contracts.rules import Rule
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from router.domain.rules import (
    RULES_MAX,
    Classification,
    ContactFacts,
    CustomerFacts,
    InvalidRulesError,
    TextReading,
    compile_rules,
    local_time,
)

Answer = Callable[[ContactFacts, tuple[str, ...]], bool | None]

# Each expression with what it means, said a second time; None: it fails.
POOL: dict[str, Answer] = {
    'channel == "email"': lambda facts, _: facts.channel == "email",
    "hour < 8 || weekday > 5": lambda facts, _: facts.hour < 8 or facts.weekday > 5,
    'text.contains("refund")': lambda facts, _: "refund" in facts.text,
    'channel == "email" && subject.matches("(?i)^re:")': (
        lambda facts, _: facts.channel == "email" and facts.subject.lower().startswith("re:")
    ),
    'text == "" && subject == ""': lambda facts, _: facts.text == "" and facts.subject == "",
    '["a", "b"][size(text)] == "a"': lambda facts, _: None if len(facts.text) > 1 else len(facts.text) == 0,
    "!customer.known": lambda facts, _: not facts.customer.known,
    'customer.tier == "gold"': lambda facts, _: facts.customer.tier == "gold",
    '"vip" in customer.labels && "one" in labels': lambda facts, own: "vip" in facts.customer.labels and "one" in own,
    'customer.labels[0] == "vip"': lambda facts, _: (
        facts.customer.labels[0] == "vip" if facts.customer.labels else None
    ),
    'labels.exists(l, l == "two")': lambda _, own: "two" in own,
    "size(labels) == 1": lambda _, own: len(own) == 1,
    'attributes.page == "x"': lambda facts, _: facts.attributes.get("page") == "x",
    'attributes.page != "x"': lambda facts, _: facts.attributes.get("page", "x") != "x",
    '"page" in attributes': lambda facts, _: "page" in facts.attributes,
    "true": lambda _, __: True,
}


def rule(identity: str, when: object, **effects: object) -> Rule:
    return Rule.model_validate({"id": identity, "domain": "care", "when": when, **effects})


def contact(**values: Any) -> ContactFacts:
    known: dict[str, Any] = {"channel": "webchat", "address": "acme:web", "client": "acme", "hour": 10, "weekday": 3}
    return ContactFacts(**{"date": "2026-11-25", **known, **values})


rule_lists = st.lists(
    st.fixed_dictionaries(
        {
            "when": st.sampled_from(sorted(POOL)),
            "queue": st.none() | st.sampled_from(["care", "sales"]),
            "priority": st.none() | st.integers(0, 9),
            "requirements": st.none() | st.just([]) | st.just([{"skill": "es", "minimum": 3}]),
            "labels": st.lists(st.sampled_from(["one", "two", "three"]), max_size=2),
            "go_on": st.sampled_from([True, True, False]),
        }
    ),
    max_size=8,
).map(lambda rules: [rule(f"r{number}", values.pop("when"), **values) for number, values in enumerate(rules)])

customers = st.builds(
    CustomerFacts,
    known=st.booleans(),
    tier=st.sampled_from(["", "gold"]),
    labels=st.sampled_from([(), ("vip",), ("old", "vip")]),
)
contacts = st.builds(
    contact,
    channel=st.sampled_from(["webchat", "email"]),
    hour=st.integers(6, 9),
    weekday=st.integers(1, 7),
    subject=st.sampled_from(["", "Re: x", "hello"]),
    text=st.sampled_from(["", "x", "a refund"]),
    attributes=st.sampled_from([{}, {"page": "x"}, {"page": "y"}]),
    customer=customers,
)


def said_plainly(rules: list[Rule], facts: ContactFacts) -> Classification:
    """The oracle: all at once, in order."""
    said = Classification()
    for one in rules:
        answer = POOL[one.when](facts, said.labels)
        if answer is None:
            said = replace(said, failed=(*said.failed, one.id))
        if not answer:
            continue
        for name in ("queue", "priority", "requirements"):
            value = getattr(one, name)
            if getattr(said, name) is None and value is not None:
                effect: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value}
                said = replace(said, **effect)
        new = tuple(label for label in dict.fromkeys(one.labels) if label not in said.labels)
        said = replace(said, labels=said.labels + new, rules=(*said.rules, one.id))
        if not one.go_on:
            break
    return said


@given(rule_lists, contacts)
def test_all_at_once_is_what_the_rules_plainly_say(rules: list[Rule], facts: ContactFacts) -> None:
    assert compile_rules(rules).classify(facts) == said_plainly(rules, facts)


@given(rule_lists, contacts)
def test_text_first_and_facts_later_is_all_at_once(rules: list[Rule], facts: ContactFacts) -> None:
    first = replace(facts, customer=CustomerFacts())
    later = replace(facts, subject="", text="")
    before = compile_rules(rules)
    reading = before.read_text(first)

    assert before.classify(first, reading) == said_plainly(rules, first)
    assert compile_rules(rules).classify(later, reading) == said_plainly(rules, facts)


@given(rule_lists, st.lists(contacts, max_size=12), st.integers(0, 5))
def test_the_memory_is_never_seen(rules: list[Rule], many: list[ContactFacts], remembered_max: int) -> None:
    compiled = compile_rules(rules)
    small, cold = compile_rules(rules, remembered_max=remembered_max), compile_rules(rules, remembered_max=0)

    for facts in (*many, *many):
        assert compiled.classify(facts) == small.classify(facts) == cold.classify(facts)
    assert small.remembered <= 2 * remembered_max
    assert cold.remembered == 0


@given(st.text(st.characters(), max_size=30), st.text(st.characters(codec="utf-8"), max_size=30))
def test_any_text_is_taken(text: str, value: str) -> None:
    rules = compile_rules([rule("a", 'text.contains("x") || attributes.page.contains("x")'), rule("b", "true")])

    said = rules.classify(contact(text=text, subject="\ud800", attributes={"page": value, "\udfff": "\ud83d"}))

    assert said.failed == ()
    assert ("a" in said.rules) == ("x" in text or "x" in value)


def test_nothing_hides_behind_a_nul() -> None:
    rules = compile_rules([rule("a", 'text.contains("refund")')])

    assert rules.classify(contact(text="\0refund")).rules == ("a",)


def test_only_the_stated_length_of_a_text_is_read() -> None:
    rules = compile_rules([rule("a", 'text.contains("end")'), rule("b", "size(text) == 4000")])

    assert rules.classify(contact(text="é" * 4000 + "end")).rules == ("b",)


def test_the_first_value_stays_and_labels_add_up() -> None:
    rules = [
        rule("a", "true", queue="care", labels=["x"], go_on=True),
        rule("b", '"x" in labels', queue="sales", priority=7, band=2, labels=["y", "x"], go_on=True),
        rule("c", "true", priority=1, language="es", requirements=[]),
        rule("d", "true", band=9),
    ]

    said = compile_rules(rules).classify(contact())

    assert said == Classification(
        queue="care", requirements=(), priority=7, band=2, language="es", labels=("x", "y"), rules=("a", "b", "c")
    )


def test_the_first_run_may_end_where_the_second_does_not() -> None:
    rules = [
        rule("stranger", "!customer.known", queue="care"),
        rule("refund", 'text.contains("refund")', labels=["refund"], go_on=True),
        rule("gold", '"refund" in labels && customer.tier == "gold"', queue="refunds"),
    ]
    compiled = compile_rules(rules)
    reading = compiled.read_text(contact(text="a refund"))
    later = compiled.classify(contact(customer=CustomerFacts(known=True, tier="gold")), reading)

    assert compiled.classify(contact(), reading).queue == "care"
    assert reading == TextReading(matched=("refund",))
    assert later.rules == ("refund", "gold")


def test_a_reading_of_earlier_rules_is_harmless() -> None:
    compiled = compile_rules([rule("new", 'text.contains("a")', queue="care"), rule("plain", "true", queue="sales")])

    said = compiled.classify(contact(), TextReading(matched=("gone", "plain"), failed=("gone",)))

    assert said == Classification(queue="sales", rules=("plain",))


def test_text_is_not_remembered() -> None:
    compiled = compile_rules([rule("a", 'text.contains("a")'), rule("b", 'channel == "email"')])
    for number in range(50):
        compiled.classify(contact(text=f"a {number}"))

    assert compiled.remembered <= 2


def test_refused_rules_are_all_named() -> None:
    rules = [rule("a", "hour"), rule("b", "true"), rule("c", 'channel == "x" &&\n nobody'), rule("b", "false")]

    with pytest.raises(InvalidRulesError, match="rule 'a', line 1, column 1: this is a int") as caught:
        compile_rules(rules)

    assert [(fault.rule, fault.line, fault.column) for fault in caught.value.faults] == [
        ("a", 1, 1), ("c", 2, 2), ("b", 1, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([rule(f"r{number}", "true") for number in range(RULES_MAX + 1)], "rule 'r200'.* at most 200 rules"),
        ([rule(f"r{number}", 'text.matches("[^a]{75}b")') for number in range(20)], "rule 'r14'.* may cost 101280"),
        (
            [rule(f"r{number}", "true", labels=[f"l{number}-{one}" for one in range(16)]) for number in range(20)],
            "rule 'r12'.* more than 200 labels",
        ),
    ],
)
def test_too_much_in_all_is_refused(rules: list[Rule], message: str) -> None:
    with pytest.raises(InvalidRulesError, match=message):
        compile_rules(rules)


@pytest.mark.parametrize("values", [{"when": ""}, {"when": "x" * 1001}, {"priority": 10}, {"band": 10}, {"else": "x"}])
def test_a_rule_of_the_wrong_form_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Rule.model_validate({"id": "a", "domain": "care", "when": "true", **values})


def test_an_instant_is_told_in_the_domains_zone() -> None:
    at_ms = 1_798_156_800_000  # Friday 2026-12-25, 00:00 UTC

    assert local_time(at_ms) == (0, 5, "2026-12-25")
    assert local_time(at_ms, timezone(timedelta(hours=-5))) == (19, 4, "2026-12-24")


def test_the_same_in_every_process() -> None:
    program = (
        "from router.domain.rules import *; from contracts.rules import Rule\n"
        "rules = [Rule(id=f'r{n}', domain='d', when='size(labels) < 9', labels=[f'{n}', f'l{9 - n}'], go_on=True)"
        " for n in range(9)]\n"
        "facts = ContactFacts(channel='a', address='b', client='c', hour=1, weekday=1, date='2026-01-01')\n"
        "compiled = compile_rules(rules)\n"
        "print(compiled.classify(facts), compiled.read_text(facts))"
    )
    told = {
        subprocess.check_output([sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed})
        for seed in ("1", "2", "3")
    }

    assert len(told) == 1


EXAMPLES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "spam": ({"channel": "email", "subject": "[SPAM] win"}, {"subject": "[SPAM] win"}),
    "refund-words": ({"text": "Where is my Refund?"}, {"text": "hello"}),
    "lawyer": ({"text": "My Lawyer says"}, {"text": "hello"}),
    "gold": ({"customer": CustomerFacts(labels=("vip",))}, {}),
    "spanish": ({"customer": CustomerFacts(language="es")}, {"language": "en"}),
    "night": ({"weekday": 6}, {}),
    "christmas": ({"date": "2026-12-25"}, {"date": "2026-12-27"}),
    "refund-gold": ({"text": "refund", "customer": CustomerFacts(tier="gold")}, {"text": "refund"}),
    "checkout": ({"attributes": {"page": "/checkout/1"}}, {"attributes": {"page": "/"}}),
    "again": ({"customer": CustomerFacts(last_agent="ana")}, {"client": "other"}),
}


def test_the_examples_of_the_page_do_what_they_say(request: pytest.FixtureRequest) -> None:
    page = (request.config.rootpath / "docs/rules.md").read_text()
    written = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    rules = compile_rules([Rule.model_validate({"domain": "care", **one}) for one in written])

    assert [one["id"] for one in written] == list(EXAMPLES)
    for name, (matching, other) in EXAMPLES.items():
        assert name in rules.classify(contact(**matching)).rules
        assert name not in rules.classify(contact(**other)).rules
