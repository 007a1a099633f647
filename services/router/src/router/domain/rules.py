"""Classification: what a domain's rules say about a contact. Pure; docs/rules.md is the page for who writes rules.

A rule reads either what the customer wrote or the customer's facts and labels, never both. So what the text says is
one answer, `TextReading`, which holds no personal data and may be kept, and the rest can be asked again when the facts
come and the text is gone: `classify(facts, reading)` then gives what asking all at once would have given.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from operator import attrgetter
from typing import Final, NamedTuple, TypeVar

from contracts.routing_parts import RequiredSkill
from contracts.rules import Rule

from router.domain.rule_expressions import LABELS_MAX, PERSONAL, Expression, ExpressionError, compile_expression

TEXT_CHARACTERS_MAX: Final = 4000
"""More of a subject or text is not read."""
RULES_MAX: Final = 200
COST_MAX: Final = 100_000
"""Of all rules of a domain, in the units of an expression's cost."""
REMEMBERED_MAX: Final = 4096
"""Answers kept for a set of rules; beyond it all are forgotten and learnt anew."""

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFacts:
    """What the CRM has told of the customer; the defaults stand for "not known"."""

    known: bool = False
    tier: str = ""
    language: str = ""
    last_agent: str = ""
    labels: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class ContactFacts:
    """What rules can read. When facts come later, the caller gives the same values as before but for `customer`."""

    channel: str
    address: str
    client: str
    hour: int
    """0-23, with `weekday` and `date` when the contact came in: see `local_time`."""
    weekday: int
    """1 (Monday) to 7."""
    date: str
    """`2026-12-24`."""
    direction: str = "inbound"
    subject: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    queue_hint: str = ""
    language: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    customer: CustomerFacts = CustomerFacts()


class TextReading(NamedTuple):
    """The ids of the rules about text that match, and that failed, in the order of the rules. No personal data."""

    matched: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """What the rules say; None where none says anything. `rules` matched and `failed` could not be run, in order."""

    queue: str | None = None
    requirements: tuple[RequiredSkill, ...] | None = None
    priority: int | None = None
    band: int | None = None
    language: str | None = None
    labels: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleFault:
    """Why a rule is refused and what to do; `line` and `column` of its expression begin with 1."""

    rule: str
    line: int
    column: int
    message: str


class InvalidRulesError(ValueError):
    """Rules are refused, each for what `faults` says; correct their expressions, nothing has been changed."""

    def __init__(self, faults: Sequence[RuleFault]) -> None:
        told = (f"rule {one.rule!r}, line {one.line}, column {one.column}: {one.message}" for one in faults[:5])
        super().__init__("; ".join(told))
        self.faults = tuple(faults)


def local_time(at_ms: int, zone: tzinfo = UTC) -> tuple[int, int, str]:
    """Hour, weekday and date of an instant in a domain's time zone; UTC until the domain has one."""
    at = datetime.fromtimestamp(at_ms / 1000, zone)
    return at.hour, at.isoweekday(), at.date().isoformat()


def compile_rules(rules: Iterable[Rule], *, remembered_max: int = REMEMBERED_MAX) -> "RuleSet":
    """The rules of one domain, in order; 0 remembers nothing. Raises InvalidRulesError with every rule's fault."""
    compiled, faults = [], []
    given = list(rules)
    for rule in given[:RULES_MAX]:
        try:
            compiled.append(_Compiled(rule, compile_expression(rule.when)))
        except ExpressionError as error:
            found = error.fault
            faults.append(RuleFault(rule.id, found.line, found.column, found.message))
    faults.extend(_faults_of_all(given, compiled))
    if faults:
        raise InvalidRulesError(faults)
    return RuleSet(compiled, remembered_max=remembered_max)


class RuleSet:
    """The compiled rules of a domain. Remembers answers, which is never to be seen in them: it may be dropped at will.

    Answers stand under the values of exactly the attributes that were read for them.
    """

    __slots__ = ("_about_text", "_answers", "_key", "_reads", "_remembered_max", "_rules")

    def __init__(self, rules: Sequence["_Compiled"], *, remembered_max: int) -> None:
        self._rules = tuple(rules)
        self._about_text = tuple(rule for rule in self._rules if rule.about_text)
        read = {name for rule in self._rules for name in rule.expression.reads}
        self._key = _values_of(sorted(read), sorted({key for rule in self._rules for key in rule.expression.keys}))
        self._remembered_max = remembered_max
        self._answers: dict[object, Classification] = {}
        self._reads: dict[object, bool | None] = {}

    @property
    def remembered(self) -> int:
        """How many answers are kept."""
        return len(self._answers) + len(self._reads)

    def read_text(self, facts: ContactFacts) -> TextReading:
        """What the rules about text say, in all places of the order: nobody knows yet which the rest will reach."""
        answers = [(rule.rule.id, self._matches(rule, facts, ())) for rule in self._about_text]
        return TextReading(
            matched=tuple(name for name, answer in answers if answer),
            failed=tuple(name for name, answer in answers if answer is None),
        )

    def classify(self, facts: ContactFacts, reading: TextReading | None = None) -> Classification:
        """What the rules say. `reading`: an earlier answer of `read_text`, when the text is no longer held."""
        if reading is None and self._about_text and (facts.subject or facts.text):
            reading = self.read_text(facts)
        key = (self._key(facts), reading)
        known = self._answers.get(key)
        if known is None:
            known = self._classify(facts, self.read_text(facts) if reading is None else reading)
            self._remember(self._answers, key, known)
        return known

    def _classify(self, facts: ContactFacts, reading: TextReading) -> Classification:
        said = Classification()
        for rule in self._rules:
            if rule.about_text:
                answer = None if rule.rule.id in reading.failed else rule.rule.id in reading.matched
            else:
                answer = self._matches(rule, facts, said.labels)
            if answer is None:
                said = replace(said, failed=(*said.failed, rule.rule.id))
            elif answer:
                said = _add(said, rule.rule)
                if not rule.rule.go_on:
                    break
        return said

    def _matches(self, rule: "_Compiled", facts: ContactFacts, labels: tuple[str, ...]) -> bool | None:
        """None: it could not be run."""
        if rule.about_text and (facts.subject or facts.text):
            return rule.run(facts, labels)
        key = (rule.rule.id, rule.key(facts), labels if rule.reads_labels else ())
        if key in self._reads:
            return self._reads[key]
        answer = rule.run(facts, labels)
        self._remember(self._reads, key, answer)
        return answer

    def _remember(self, memory: dict[object, _Answer], key: object, answer: _Answer) -> None:
        if len(memory) >= self._remembered_max:
            memory.clear()
        if self._remembered_max:
            memory[key] = answer


class _Compiled:
    """A rule with its program."""

    __slots__ = ("_getters", "about_text", "expression", "key", "reads_labels", "rule")

    def __init__(self, rule: Rule, expression: Expression) -> None:
        self.rule = rule
        self.expression = expression
        self.about_text = any(name in PERSONAL for name in expression.reads)
        self.reads_labels = "labels" in expression.reads
        self.key = _values_of(expression.reads, expression.keys)
        self._getters = [(name, attrgetter(name)) for name in expression.reads if name != "labels"]

    def run(self, facts: ContactFacts, labels: tuple[str, ...]) -> bool | None:
        """Whether it matches; None: it failed. What asks for an attribute that is not there does not match."""
        data = {name: _given(get(facts)) for name, get in self._getters}
        if self.reads_labels:
            data["labels"] = _given(labels)
        try:
            answer = self.expression.program.eval(data=data).value()
        except RuntimeError:  # the library's own bounds, which ours keep clear of; no rule may stop an engine
            answer = None
        if isinstance(answer, bool):
            return answer
        return False if any(key not in facts.attributes for key in self.expression.keys) else None


def _given(value: object) -> object:
    """As the library takes it: of bounded length, no halves of surrogate pairs, no NUL (it would read no further)."""
    match value:
        case str():
            cut = value[:TEXT_CHARACTERS_MAX].replace("\0", " ")
            return cut if cut.isascii() else cut.encode(errors="replace").decode()
        case tuple():
            return [_given(one) for one in value[:LABELS_MAX]]
        case Mapping():
            return {_given(key): _given(one) for key, one in value.items()}
        case _:
            return value


def _values_of(names: Sequence[str], keys: Sequence[str]) -> Callable[[ContactFacts], object]:
    """What answers are remembered under: these attributes but those that are personal or come from the rules before."""
    plain = [name for name in names if name not in {*PERSONAL, "attributes", "labels"}]
    values: Callable[[ContactFacts], object] = attrgetter(*plain) if plain else lambda _: None
    if not keys:
        return values
    return lambda facts: (values(facts), *map(facts.attributes.get, keys))


def _add(said: Classification, rule: Rule) -> Classification:
    wanted = None if rule.requirements is None else tuple(rule.requirements)
    return replace(
        said,
        queue=rule.queue if said.queue is None else said.queue,
        requirements=wanted if said.requirements is None else said.requirements,
        priority=rule.priority if said.priority is None else said.priority,
        band=rule.band if said.band is None else said.band,
        language=rule.language if said.language is None else said.language,
        labels=tuple(dict.fromkeys((*said.labels, *rule.labels))),
        rules=(*said.rules, rule.id),
    )


def _faults_of_all(rules: Sequence[Rule], compiled: Sequence[_Compiled]) -> Iterator[RuleFault]:
    """What is wrong with the rules taken together."""
    for rule in rules[RULES_MAX : RULES_MAX + 1]:
        yield RuleFault(rule.id, 1, 1, f"a domain has at most {RULES_MAX} rules: merge some from here on")
    for identity, times in Counter(rule.id for rule in rules).items():
        if times > 1:
            yield RuleFault(identity, 1, 1, f"{times} rules have this id: give each its own")
    cost, labels = 0, set[str]()
    for one in compiled:
        cost += one.expression.cost
        labels.update(one.rule.labels)
        if cost > COST_MAX:
            yield RuleFault(
                one.rule.id, 1, 1, f"the rules up to here may cost {cost}, {COST_MAX} is allowed: make {_SHORTER}"
            )
            return
        if len(labels) > LABELS_MAX:
            yield RuleFault(one.rule.id, 1, 1, f"the rules set more than {LABELS_MAX} labels: use fewer")
            return


_SHORTER: Final = "lists and patterns shorter"
