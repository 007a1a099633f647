"""One expression of a rule: CEL, type-checked, and bounded before it is ever run.

Everything that decides what an evaluation may cost stands in the expression: no function is defined in Python, loops
do not nest and go over lists of known length, and a pattern is a constant whose program has a bounded size.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

from router.domain.rule_syntax import Node, Tree, read_tree

EXPRESSION_CHARACTERS_MAX: Final = 1000
PATTERN_CHARACTERS_MAX: Final = 200
PATTERN_SIZE_MAX: Final = 8000
LABELS_MAX: Final = 200
COST_MAX: Final = 10_000
"""Of one rule. A unit is a fraction of a microsecond; docs/decisions/0017-rules.md has the figures."""

PERSONAL: Final = ("subject", "text")
LISTS: Final = ("customer.labels", "labels")
CUSTOMER: Final = (
    "customer.known", "customer.labels", "customer.language", "customer.last_agent", "customer.tier",
)  # fmt: skip
PLAIN: Final = (
    "address", "channel", "client", "date", "direction", "hour", "language", "queue_hint", "weekday",
)  # fmt: skip
VARIABLES: Final = tuple(sorted((*PERSONAL, *CUSTOMER, *PLAIN, "attributes", "labels")))

_TYPES: Final = {
    "attributes": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
    "customer.known": cel.Type.BOOL,
    "hour": cel.Type.INT,
    "weekday": cel.Type.INT,
} | {name: cel.Type.List(cel.Type.STRING) for name in LISTS}
_OPERATORS: Final = {
    "_&&_", "_||_", "!_", "_?_:_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in", "_[_]", "@not_strictly_false",
}  # fmt: skip
FUNCTIONS: Final = ("contains", "endsWith", "lowerAscii", "matches", "size", "startsWith")
_COST_OF_TEXT: Final = 50
_PAGE: Final = "docs/rules.md has the attributes and functions"


@dataclass(frozen=True, slots=True)
class ExpressionFault:
    """Why an expression is refused and what to do; `line` and `column` begin with 1."""

    line: int
    column: int
    message: str


class ExpressionError(ValueError):
    """A rule's expression is refused; `fault` says where, why and what to do."""

    def __init__(self, fault: ExpressionFault) -> None:
        super().__init__(f"{fault.line}:{fault.column}: {fault.message}")
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression with the variables that it reads and the keys of `attributes`, both in order."""

    program: cel.Expression
    reads: tuple[str, ...]
    keys: tuple[str, ...]
    cost: int


def compile_expression(source: str) -> Expression:
    """Checked: attributes, types, functions, cost, and that text and customer are not read together.

    Raises ExpressionError.
    """
    if len(source) > EXPRESSION_CHARACTERS_MAX:
        fault = f"{len(source)} characters, {EXPRESSION_CHARACTERS_MAX} are allowed: make two rules of it"
        raise ExpressionError(ExpressionFault(1, EXPRESSION_CHARACTERS_MAX + 1, fault))
    try:
        source.encode()
        program = _environment().compile(source)
    except (RuntimeError, UnicodeEncodeError) as error:
        raise ExpressionError(_library_fault(str(error))) from error
    if program.return_type() != cel.Type.BOOL:
        kind = program.return_type().name().lower()
        raise ExpressionError(ExpressionFault(1, 1, f"this is a {kind}, not true or false: compare it with something"))
    tree = read_tree(program.serialize(), names=VARIABLES)
    check = _Check(source, tree)
    cost = check.cost(tree.root, in_loop=False)
    if cost > COST_MAX:
        raise check.refused(tree.root, f"it may cost {cost}, {COST_MAX} is allowed: make lists and patterns shorter")
    reads = tuple(sorted(set(tree.variables.values())))
    if set(reads) & {*PERSONAL} and set(reads) & {*CUSTOMER, "labels"}:
        raise ExpressionError(ExpressionFault(1, 1, _TWO_STAGES))
    return Expression(program, reads, tuple(sorted(check.keys)), cost)


_TWO_STAGES: Final = (
    "it reads what the customer wrote and also the customer's facts or labels, which may come when the text is no "
    "longer held: let a first rule read only the text, set a label and go_on, and a second one `labels` and the facts"
)


class _Check:
    """Walks the tree; what it meets on the way: the keys of `attributes`."""

    def __init__(self, source: str, tree: Tree) -> None:
        self._source = source
        self._tree = tree
        self.keys: set[str] = set()

    def refused(self, node: Node, message: str) -> ExpressionError:
        before = self._source[: self._tree.offsets.get(node.number, 0)]
        line = before.count("\n") + 1
        return ExpressionError(ExpressionFault(line, len(before) - (before.rfind("\n") + 1) + 1, message))

    def cost(self, node: Node, *, in_loop: bool) -> int:
        """An upper bound of what the node costs, all below it included."""
        variable = self._tree.variables.get(node.number)
        if variable == "attributes":
            raise self.refused(node, 'name the attribute: attributes.NAME or attributes["NAME"]')
        if variable is not None:
            return 1
        match node.kind:
            case "map":
                raise self.refused(node, "maps are not allowed: compare the values one by one, or use a list")
            case "loop":
                return self._cost_of_loop(node, in_loop=in_loop)
            case "call":
                self._look_at_function(node)
        children = [child for child in node.children if not self._is_attribute(node, child)]
        return self._cost_of_step(node) + sum(self.cost(child, in_loop=in_loop) for child in children)

    def _cost_of_loop(self, node: Node, *, in_loop: bool) -> int:
        if in_loop:
            raise self.refused(node, "a loop within a loop is not allowed: make two rules of it")
        over, *steps = node.children
        if node.name in {name.partition(".")[0] for name in VARIABLES}:
            raise self.refused(node, f"{node.name!r} is an attribute: give the loop's variable another name")
        if over.kind == "list" and all(one.kind == "constant" for one in over.children):
            times = len(over.children)
        elif self._tree.variables.get(over.number) in LISTS:
            times = LABELS_MAX
        else:
            raise self.refused(over, f"loop over a list of constants, or over {' or '.join(LISTS)}")
        return self.cost(over, in_loop=False) + times * sum(self.cost(step, in_loop=True) for step in steps)

    def _look_at_function(self, node: Node) -> None:
        if node.name not in _OPERATORS and node.name not in FUNCTIONS:
            shown = (node.name or "").strip("_@")
            raise self.refused(node, f"{shown!r} is not allowed: {_PAGE}")

    def _cost_of_step(self, node: Node) -> int:
        if node.kind == "call" and node.name == "matches":
            return self._cost_of_pattern(node.children[-1])
        if node.name not in FUNCTIONS:
            return 1
        personal = any(self._tree.variables.get(below.number) in PERSONAL for below in node.walk())
        return _COST_OF_TEXT if personal else 1

    def _cost_of_pattern(self, node: Node) -> int:
        if node.kind != "constant" or node.name is None:
            raise self.refused(node, "write the pattern as a text in quotes, so that its cost is known beforehand")
        if len(node.name) > PATTERN_CHARACTERS_MAX:
            raise self.refused(node, f"a pattern has at most {PATTERN_CHARACTERS_MAX} characters: make it shorter")
        if "\\p" in node.name or "\\P" in node.name:
            raise self.refused(node, "\\p classes are too costly: write the letters that you mean, as in [a-zà-ÿ]")
        size = pattern_size(node.name)
        if size > PATTERN_SIZE_MAX:
            raise self.refused(node, "the pattern is too costly: use fewer or smaller {repetitions}")
        tried = _pattern_trial().eval(data={"text": "", "subject": node.name})
        if tried.type() != cel.Type.BOOL:
            raise self.refused(
                node, f"the pattern is not one (RE2): {str(tried.value()).rpartition('expression: ')[2]}"
            )
        return size

    def _is_attribute(self, parent: Node, child: Node) -> bool:
        """Whether the child is `attributes`, asked by the parent for one key that is written out."""
        if self._tree.variables.get(child.number) != "attributes":
            return False
        key = parent.name if parent.kind == "select" else None
        if parent.kind == "call" and parent.name in {"_[_]", "@in"}:
            other = next(one for one in parent.children if one is not child)
            key = other.name if other.kind == "constant" else None
        if key is not None:
            self.keys.add(key)
        return key is not None


def pattern_size(pattern: str) -> int:
    """At least the size of the program that RE2 makes of it: counted repetitions multiply, nested or not."""
    size = 10 * len(pattern)
    for least, most in re.findall(r"\{(\d+)(?:,(\d*))?\}", pattern):
        size *= max(1, int(least), int(most or 0))
    return size


@cache
def _environment() -> cel.Env:
    variables = {name: _TYPES.get(name, cel.Type.STRING) for name in VARIABLES}
    return cel.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings()])


@cache
def _pattern_trial() -> cel.Expression:
    return _environment().compile("text.matches(subject)")


def _library_fault(message: str) -> ExpressionFault:
    found = next(_faults_in(message), None)
    if found is None:
        return ExpressionFault(1, 1, f"it nests too deeply or is no CEL expression: {message.splitlines()[0][:120]}")
    return found


def _faults_in(message: str) -> Iterator[ExpressionFault]:
    for line, column, told in re.findall(r"ERROR: <input>:(\d+):(\d+): (.{1,200})", message):
        text = told.replace(" (in container '')", "").removesuffix(" [INVALID_ARGUMENT]")
        advice = next((advice for sign, advice in _ADVICE.items() if sign in text), "")
        yield ExpressionFault(int(line), int(column), text + advice)


_ADVICE: Final = {
    "recognition error at: '=": ": compare with ==",
    "undeclared": f": {_PAGE}",
    "no matching overload": ": compare values of one type",
    "Syntax error": ": the expression is not complete, or a quote or bracket is missing",
    "literal": ": write a smaller number",
}
