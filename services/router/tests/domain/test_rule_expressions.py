"""What an expression may be, and that nothing hostile gets through or runs for long."""

from time import perf_counter

import psutil
import pytest
from router.domain.rule_expressions import (
    COST_MAX,
    FUNCTIONS,
    PERSONAL,
    VARIABLES,
    ExpressionError,
    compile_expression,
    pattern_size,
)

TEXT = "x" * 4000
NUMBERS = "[" + ",".join(["1"] * 400) + "]"


@pytest.mark.parametrize(
    ("source", "reads", "keys"),
    [
        ('channel == "email" && hour >= 8', ("channel", "hour"), ()),
        ('customer.tier == "gold" || "vip" in customer.labels', ("customer.labels", "customer.tier"), ()),
        ('attributes.page == "x" && ("a b" in attributes || has(attributes.c))', ("attributes",), ("a b", "c", "page")),
        ('labels.exists(one, one.startsWith("re"))', ("labels",), ()),
        ('text.matches("(?i)refund") || subject.lowerAscii().contains("refund")', ("subject", "text"), ()),
        ("true", (), ()),
    ],
)
def test_an_expression_says_what_it_reads(source: str, reads: tuple[str, ...], keys: tuple[str, ...]) -> None:
    expression = compile_expression(source)

    assert expression.reads == reads
    assert expression.keys == keys


@pytest.mark.parametrize(
    ("source", "place", "message"),
    [
        ('customer.teir == "gold"', (1, 9), "undeclared reference to 'customer.teir': docs/rules.md"),
        ('channel == "email" &&\n  foo', (2, 3), "undeclared reference to 'foo'"),
        ('hour == "x"', (1, 6), "compare values of one type"),
        ("hour", (1, 1), "this is a int, not true or false"),
        ('channel = "email"', (1, 9), "compare with =="),
        ("true &&", (1, 8), "not complete"),
        ("", (1, 1), "not complete"),
        ("hour == 99999999999999999999", (1, 9), "write a smaller number"),
        ('"\ud800" == text', (1, 1), "no CEL expression"),
        ("true" + " " * 997, (1, 1001), "make two rules of it"),
        ("hour + 1 == 2", (1, 6), "'+' is not allowed"),
        ("dyn(hour) == 1", (1, 4), "'dyn' is not allowed"),
        ('text.replace("a", "b") == "c"', (1, 13), "'replace' is not allowed"),
        ('timestamp("2020-01-01T00:00:00Z") == timestamp("2020-01-01T00:00:00Z")', (1, 10), "'timestamp' is not"),
        ('{"a": 1} == {}', (1, 1), "maps are not allowed"),
        ("size(attributes) > 1", (1, 6), "name the attribute"),
        ('attributes[channel] == "x"', (1, 1), "name the attribute"),
        ('labels.exists(text, text == "x")', (1, 14), "give the loop's variable another name"),
        ('labels.exists(customer, customer == "x")', (1, 14), "give the loop's variable another name"),
        ('["a"].exists(x, ["a"].exists(y, x == y))', (1, 29), "a loop within a loop is not allowed"),
        ("labels.map(x, x) == []", (1, 11), "'+' is not allowed"),
        ("[text, subject].exists(x, x.contains('a'))", (1, 1), "a list of constants"),
        ("text.matches(subject)", (1, 14), "write the pattern as a text in quotes"),
        ('text.matches("(")', (1, 14), "not one (RE2): missing ): ("),
        (r'text.matches("(a)\\1")', (1, 14), "not one (RE2)"),
    ],
)
def test_a_refused_expression_names_the_place_and_what_to_do(source: str, place: tuple[int, int], message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source)

    assert (caught.value.fault.line, caught.value.fault.column) == place
    assert message in caught.value.fault.message


@pytest.mark.parametrize("facts", ["customer.known", '"x" in labels', 'customer.tier == "gold"'])
@pytest.mark.parametrize("personal", ['text == "a"', 'subject.contains("a")'])
def test_text_and_facts_in_one_rule_are_refused_with_how_to_split_it(personal: str, facts: str) -> None:
    with pytest.raises(ExpressionError, match="set a label and go_on, and a second one `labels`"):
        compile_expression(f"{facts} && {personal}")


@pytest.mark.parametrize(
    "source",
    [
        f"{NUMBERS}.all(a, {NUMBERS[:200]}1].all(b, a == b))",
        f"{NUMBERS}.exists(a, text.contains('y'))",
        "labels.exists(a, a.matches('x{9}y'))",
        r'text.matches("(x{1,1000}){1,1000}y")',
        r'text.matches("(.{1,30}){1,30}1")',
        r'text.matches("x{1000}y")',
        r'text.matches("(?i)\\pL{100}\\pL{100}y")',
        r'text.matches("(\\PN|\\pN)y")',
        'text.matches("' + "a|" * 101 + '")',
        "(" * 300 + "true" + ")" * 300,
        "[" * 400 + "]" * 400 + " == []",
        "labels.filter(a, labels.exists(b, a == b)) == labels",
        '[text + text].exists(a, (a + a).contains("b"))',
    ],
)
def test_a_hostile_expression_is_refused_quickly(source: str) -> None:
    began = perf_counter()
    with pytest.raises(ExpressionError):
        compile_expression(source)

    assert perf_counter() - began < 1


@pytest.mark.parametrize(
    "source",
    [
        'text.matches("(x+x+)+y")',
        'text.matches("(x|x)*(x|x)*y")',
        'text.matches("((((x*)*)*)*)*y")',
        'text.matches(".*.*.*.*.*.*.*.*.*.*.*.*=.*")',
        'text.matches("[^a]{75}b")',
        'text.matches("(?:.?.?.?.?.?){9}y")',
        "[" + ",".join(["'yy'"] * 150) + "].exists(w, text.contains(w))",
        "text.contains('" + "x" * 450 + "y" + "x" * 449 + "')",
        " && ".join(["!text.contains('yx')"] * 40),
        "!" * 900 + "true",
        " || ".join(["hour == 1"] * 76),
    ],
)
def test_what_is_allowed_is_quick_on_a_hostile_text(source: str) -> None:
    expression = compile_expression(source)
    values = {"text": TEXT, "hour": 0}
    began = perf_counter()
    answer = expression.program.eval(data={name: values[name] for name in expression.reads}).value()

    assert isinstance(answer, bool)
    assert expression.cost <= COST_MAX
    assert perf_counter() - began < 0.1


def test_repetitions_multiply_the_size_of_a_pattern() -> None:
    assert pattern_size("ab") == 20
    assert pattern_size("a{2}") == 2 * 40
    assert pattern_size("(a{2}){3,5}") == 2 * 5 * 110
    assert pattern_size("a{7,}") == 7 * 50


def test_evaluations_leave_nothing_behind() -> None:
    expression = compile_expression('text.matches("(?i)refund") || ["a", "b"].exists(w, text.contains(w))')
    run = expression.program.eval
    for _ in range(1000):
        run(data={"text": TEXT}).value()
    before = resident_kib()
    for _ in range(5000):
        run(data={"text": TEXT}).value()

    assert resident_kib() - before < 2000


def test_the_page_names_every_attribute_and_function(request: pytest.FixtureRequest) -> None:
    page = (request.config.rootpath / "docs/rules.md").read_text()

    assert [name for name in (*VARIABLES, *FUNCTIONS, *PERSONAL) if f"`{name}" not in page] == []


def resident_kib() -> int:
    return int(psutil.Process().memory_info().rss) // 1024
