"""Who a customer is: nobody is merged, and what was only said proves nothing."""

import pytest
from crm.domain.identity import (
    IDENTIFIERS_MAX,
    Decision,
    Holding,
    Identifier,
    Key,
    claims_of,
    decide,
    merged,
    normalised,
    without_proof,
)
from hypothesis import given
from hypothesis import strategies as st

EXTERNAL = Identifier("external", "c-77", verified=True)
VISITOR = Identifier("visitor", "v-1", verified=False)
EMAIL_SAID = Identifier("email", "ana@example.org", verified=False)
EMAIL_PROVEN = Identifier("email", "ana@example.org", verified=True)


def decided(claims: list[Identifier], held: dict[Key, Holding]) -> Decision:
    return decide(claims, held, new_customer_id="new")


def test_a_first_visitor_is_a_new_customer_with_what_they_said() -> None:
    decision = decided([VISITOR, EMAIL_SAID], {})

    assert (decision.customer_id, decision.is_new, decision.reason) == ("new", True, "new_identifier")
    assert decision.attach == (VISITOR, EMAIL_SAID)


def test_the_same_visitor_is_the_same_customer_and_says_nothing_new_about_them() -> None:
    decision = decided([VISITOR, EMAIL_SAID], {VISITOR.key: Holding("old", verified=False)})

    assert (decision.customer_id, decision.is_new, decision.attach) == ("old", False, ())


def test_a_verified_identifier_wins_over_what_was_said() -> None:
    held = {VISITOR.key: Holding("shared browser", verified=False), EXTERNAL.key: Holding("known", verified=True)}

    decision = decided([VISITOR, EXTERNAL], held)

    assert (decision.customer_id, decision.reason, decision.attach) == ("known", "verified_identifier", ())


def test_an_unknown_verified_identifier_does_not_follow_one_that_was_only_said() -> None:
    decision = decided([VISITOR, EXTERNAL], {VISITOR.key: Holding("shared browser", verified=False)})

    assert (decision.customer_id, decision.attach) == ("new", (EXTERNAL,))


def test_two_customers_with_verified_identifiers_are_never_merged() -> None:
    held = {EXTERNAL.key: Holding("one", verified=True), EMAIL_PROVEN.key: Holding("two", verified=True)}

    decision = decided([EXTERNAL, EMAIL_PROVEN], held)

    assert (decision.customer_id, decision.reason) == ("new", "conflicting_identifiers")
    assert decision.conflicts == ("one", "two")
    assert decision.attach == ()


def test_proof_takes_an_identifier_from_whom_only_said_it() -> None:
    decision = decided(
        [EXTERNAL, EMAIL_PROVEN],
        {EXTERNAL.key: Holding("one", verified=True), EMAIL_PROVEN.key: Holding("pretender", verified=False)},
    )

    assert (decision.customer_id, decision.attach) == ("one", (EMAIL_PROVEN,))


def test_of_several_customers_the_one_of_the_first_identifier_said_is_taken_and_the_others_are_noted() -> None:
    held = {VISITOR.key: Holding("one", verified=False), EMAIL_SAID.key: Holding("two", verified=True)}

    decision = decided([VISITOR, EMAIL_SAID], held)

    assert (decision.customer_id, decision.conflicts, decision.attach) == ("one", ("two",), ())


def test_without_identifiers_there_is_a_customer_of_this_interaction() -> None:
    assert decided([], {}) == Decision(customer_id="new", is_new=True, reason="no_identifier")


def test_what_a_disowned_sender_says_leads_nowhere_and_is_given_to_nobody() -> None:
    claims = without_proof([EMAIL_PROVEN, VISITOR])

    decision = decide(claims, {EMAIL_SAID.key: Holding("one", verified=True)}, new_customer_id="new", disowned=True)

    assert decision == Decision(customer_id="new", is_new=True, reason="sender_disowned", conflicts=("one",))


def test_other_proof_counts_for_a_disowned_sender_too() -> None:
    claims = without_proof([EMAIL_PROVEN, EXTERNAL])
    held = {EXTERNAL.key: Holding("known", verified=True), EMAIL_SAID.key: Holding("two", verified=True)}

    decision = decide(claims, held, new_customer_id="new", disowned=True)

    assert (decision.customer_id, decision.reason, decision.attach) == ("known", "verified_identifier", ())


@pytest.mark.parametrize(
    ("kind", "told", "spelling"),
    [
        ("phone", "+34 600 123 456", "+34600123456"),
        ("phone", "0034 600-123-456", "+34600123456"),
        ("phone", "(+34) 600+123456", "+34600123456"),
        ("phone", "600 123 456", "600123456"),
        ("whatsapp", "+34600123456", "+34600123456"),
        ("phone", "unknown", ""),
        ("email", " Maria.Pena@Shop.EXAMPLE ", "maria.pena@shop.example"),
        ("whatsapp_user_id", "ES.AbC", "ES.AbC"),
        ("messenger_psid", "1234567890123456", "1234567890123456"),
        ("slack_user_id", "T01:U02", "T01:U02"),
        ("telegram_username", "Maria", "Maria"),
    ],
)
def test_one_spelling_for_one_identifier(kind: str, told: str, spelling: str) -> None:
    assert normalised(kind, told) == spelling


KEYS = st.tuples(st.sampled_from(["external", "email", "visitor"]), st.sampled_from(["a", "b"]))
CLAIMS = st.lists(
    st.builds(lambda key, verified: Identifier(key[0], key[1], verified), KEYS, st.booleans()), max_size=5
).map(lambda claims: list(merged((), claims)))
HELD = st.dictionaries(KEYS, st.builds(Holding, st.sampled_from(["one", "two", "three"]), st.booleans()))


@given(CLAIMS, HELD)
def test_nothing_that_was_only_said_by_a_disowned_sender_is_attached_or_followed(
    claims: list[Identifier], held: dict[Key, Holding]
) -> None:
    decision = decide(without_proof(claims), held, new_customer_id="new", disowned=True)

    assert all(claim.verified and claim.type != "email" for claim in decision.attach)
    assert decision.is_new or decision.reason == "verified_identifier"


@given(CLAIMS, HELD)
def test_nothing_verified_is_ever_taken_and_nothing_said_joins_a_customer_who_is_there(
    claims: list[Identifier], held: dict[Key, Holding]
) -> None:
    decision = decided(claims, held)

    assert not any(claim.key in held and held[claim.key].verified for claim in decision.attach)
    assert decision.is_new or all(claim.verified for claim in decision.attach)
    assert decision.is_new == (decision.customer_id == "new")


def test_claims_are_read_with_one_spelling_each_once_and_what_is_no_identifier_is_passed_over() -> None:
    personal = {
        "identifiers": [
            {"type": "email", "value": " Ana@Example.org ", "verified": False},
            {"type": "email", "value": "ana@example.org", "verified": True},
            {"type": "phone", "value": "+34 600-123 456"},
            {"type": "Not A Type", "value": "x"},
            {"type": "visitor", "value": ""},
            {"type": "visitor", "value": "x" * 321},
            {"value": "x"},
            "nonsense",
        ]
    }

    assert claims_of(personal) == (EMAIL_PROVEN, Identifier("phone", "+34600123456", verified=False))


def test_claims_are_bounded_and_none_while_they_are_encrypted() -> None:
    many = [{"type": "visitor", "value": f"v-{number}", "verified": False} for number in range(100)]

    assert len(claims_of({"identifiers": many})) == IDENTIFIERS_MAX
    assert claims_of({"kid": "k-1", "ct": "AAAA"}) == ()


def test_a_character_that_the_database_does_not_keep_is_left_out() -> None:
    assert normalised("visitor", "a\x00b") == "ab"
