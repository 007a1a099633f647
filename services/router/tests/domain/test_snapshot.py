"""Journal and snapshot forms: what is written is read back as it was."""

import msgspec
import pytest
from contracts.configuration import Domain
from contracts.offers import OfferIssued
from router.domain.decide import decide
from router.domain.facts import Fact, JournaledFact, decode_facts, encode_facts, is_public
from router.domain.fold import fold
from router.domain.inputs import TimersDue
from router.domain.internal import LeasesReadable, SnapshotNamed
from router.domain.snapshot import dump, load
from router.domain.state import State
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import TENANT, Story


def busy() -> tuple[Story, list[object]]:
    """A domain with something of everything, and all that happened."""
    told = Story()
    happened = told.configure(
        Domain(id=DOMAIN), queue("chats", "chat:2"), address("chats"), agent("ann", "chat:3", capacity=4), agent("bob")
    )
    happened += told.on_duty("ann", "bob")
    for number in range(6):
        happened += told.start(f"i{number}")
    happened += told.accept("ann", "i0.t1.o1")
    happened += told.accept("ann", "i1.t1.o1")
    happened += told.end_task("ann", "i1.t1.o1.a")
    happened += told.reject("ann", "i2.t1.o1")
    happened += told.gone("bob")
    happened += told.attention("i5", "r1")
    return told, happened


def test_facts_survive_the_journal() -> None:
    facts = [Fact(TENANT, data) for data in busy()[1]]

    text = msgspec.json.encode(encode_facts(facts))

    assert decode_facts(msgspec.json.decode(text, type=list[JournaledFact])) == facts


def test_a_fact_of_an_unknown_type_is_not_folded_past() -> None:
    with pytest.raises(KeyError):
        decode_facts([("acme", "internal.from_the_future", msgspec.Raw(b"{}"))])


def test_only_events_of_the_contracts_are_public() -> None:
    _, happened = busy()

    assert any(is_public(data) for data in happened if isinstance(data, OfferIssued))
    assert not is_public(LeasesReadable(readable=True, at_ms=1))


def test_a_loaded_state_dumps_to_the_same_bytes_and_decides_the_same() -> None:
    told, _ = busy()
    data = dump(told.state)
    loaded = load(data)

    assert dump(loaded) == data
    assert loaded.next_due_ms() == told.state.next_due_ms()
    later_ms = told.now_ms + 3_600_000
    assert decide(loaded, TimersDue(), later_ms) == decide(told.state, TimersDue(), later_ms)


def test_the_two_newest_snapshots_are_known() -> None:
    state = State()
    for offset in (1, 2, 3):
        fold(state, Fact("", SnapshotNamed(offset=offset, nonce="n", checksum="c", chunks=1)), 0)

    assert [named.offset for named in load(dump(state)).snapshots] == [2, 3]


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="snapshot format 9"):
        load(b'{"format":9}')
