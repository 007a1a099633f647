"""Variables in the texts of a configuration."""

from contracts.placeholders import filled, variables_in
from hypothesis import given
from hypothesis import strategies as st


def test_variables_are_named_once_in_the_order_of_their_places() -> None:
    assert variables_in("{b} {a} {b} {{c}} { d } {E}") == ["b", "a"]


def test_what_is_known_is_put_in_and_braces_are_told_at_the_end() -> None:
    done = filled("Hello {name}, {{really}}", {"name": "{date}"})

    assert (done.text, done.missing) == ("Hello {date}, {really}", [])


def test_what_is_missing_can_be_filled_later_and_a_value_is_never_a_variable() -> None:
    first = filled("{agent_name} to {customer_name} {{x}}", {"agent_name": "{customer_name}"})

    assert first.missing == ["customer_name"]
    assert filled(first.text, {"customer_name": "Marta"}).text == "{customer_name} to Marta {x}"


TEXTS = st.text(alphabet="{}ab ", max_size=20)
VALUES = st.dictionaries(st.sampled_from("ab"), st.text(alphabet="{}ab", max_size=5))


@given(TEXTS, VALUES)
def test_filling_in_two_steps_is_filling_at_once(text: str, values: dict[str, str]) -> None:
    rest = dict.fromkeys(variables_in(text), "")
    at_once, first = filled(text, {**rest, **values}), filled(text, values)

    if first.missing:
        assert filled(first.text, rest).text == at_once.text
    else:
        assert first.text == at_once.text
