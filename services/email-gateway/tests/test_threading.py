import pytest
from email_gateway.domain.threading import (
    Candidate,
    Keys,
    is_own_message_id,
    join_candidates,
    own_message_id,
    read_reply_address,
    reply_address,
)

OLD, NEW = b"o" * 32, b"n" * 32
KEYS = Keys(active=NEW, previous=OLD)
ID = "0190f3c2a5b87d11a2b3c4d5e6f70819"


def candidates(
    *, recipients: tuple[str, ...] = (), parents: tuple[str, ...] = (), ancestors: tuple[str, ...] = (), text: str = ""
) -> tuple[Candidate, ...]:
    return join_candidates(
        recipients=recipients, in_reply_to=parents, references=ancestors, text=text, domain="shop.example", keys=KEYS
    )


def test_a_reply_address_fits_and_comes_back_in_any_case() -> None:
    address = reply_address(ID, "shop.example", KEYS)

    assert len(address.partition("@")[0]) <= 64
    assert read_reply_address(address.upper(), "Shop.Example", KEYS) == ID


def test_an_address_of_the_previous_key_is_believed_and_none_of_a_third() -> None:
    old = reply_address(ID, "shop.example", Keys(active=OLD))

    assert read_reply_address(old, "shop.example", KEYS) == ID
    assert read_reply_address(old, "shop.example", Keys(active=NEW)) is None


@pytest.mark.parametrize("place", range(6, 6 + len(ID) + 17))
def test_a_changed_address_is_nobodys(place: int) -> None:
    address = reply_address(ID, "shop.example", KEYS)
    other = "b" if address[place] != "b" else "c"

    assert read_reply_address(address[:place] + other + address[place + 1 :], "shop.example", KEYS) is None


def test_a_token_of_one_kind_or_domain_is_none_of_another() -> None:
    local = own_message_id(ID, "shop.example", KEYS).partition("@")[0]

    assert read_reply_address(f"reply+{local}@shop.example", "shop.example", KEYS) is None
    assert read_reply_address(reply_address(ID, "other.example", KEYS), "shop.example", KEYS) is None
    assert not is_own_message_id(own_message_id(ID, "other.example", KEYS), "shop.example", KEYS)


@pytest.mark.parametrize(
    "address", ["", "reply+", "reply+@shop.example", "reply+.@shop.example", "reply+é.a@shop.example", "a"]
)
def test_what_is_no_reply_address_names_nothing(address: str) -> None:
    assert read_reply_address(address, "shop.example", KEYS) is None


def test_candidates_come_in_the_order_of_what_they_prove() -> None:
    own = own_message_id("q1", "shop.example", KEYS)
    found = candidates(
        recipients=("help@shop.example", reply_address(ID, "shop.example", KEYS)),
        parents=("p@x.example",),
        ancestors=("a1@x.example", "p@x.example", "a2@x.example"),
        text=f"> Message-ID: <{own}>, <x.aaaaaaaaaaaaaaaa@shop.example>",
    )

    assert [(one.reason, one.interaction_id or one.message_id, one.signed) for one in found] == [
        ("reply_address", ID, True),
        ("in_reply_to", "p@x.example", False),
        ("references", "a2@x.example", False),
        ("references", "a1@x.example", False),
        ("quoted_message_id", own, True),
    ]


def test_our_message_that_is_answered_comes_before_the_reply_address() -> None:
    own = own_message_id("m1", "shop.example", KEYS)
    found = candidates(recipients=(reply_address(ID, "shop.example", KEYS),), parents=("p@x.example", own))

    assert [one.interaction_id or one.message_id for one in found] == [own, ID, "p@x.example"]


def test_an_id_of_ours_in_the_references_is_known_as_signed() -> None:
    own = own_message_id("m1", "shop.example", KEYS)

    assert [one.signed for one in candidates(ancestors=(own, "x@y.example"))] == [False, True]


def test_a_message_that_names_nothing_has_no_candidate() -> None:
    assert candidates(recipients=("help@shop.example",), text="Re: your order @shop.example a@shop.example") == ()


def test_a_short_key_and_an_id_that_no_address_can_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Keys(active=b"short")
    with pytest.raises(ValueError, match="36 small letters"):
        reply_address("A" * 32, "shop.example", KEYS)
