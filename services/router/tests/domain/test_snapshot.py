"""Journal and snapshot forms: what is written is read back as it was."""

import msgspec
import pytest
from contracts.configuration import Domain
from contracts.offers import OfferIssued
from contracts.routing_parts import Step
from router.domain.decide import decide
from router.domain.facts import Fact, JournaledFact, decode_facts, encode_facts, is_public
from router.domain.fold import fold
from router.domain.inputs import TimersDue
from router.domain.internal import LeasesReadable, SnapshotNamed
from router.domain.snapshot import dump, load
from router.domain.state import State
from router.testing.parts import DOMAIN, address, agent, plan, queue, skill
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


def test_loaded_tasks_share_what_they_have_alike() -> None:
    told = Story()
    asks = queue("chats", "chat:2", any_of=[[skill("english:3")]], none_of=[skill("barred")], teams=["north"], plan="p")
    told.configure(Domain(id=DOMAIN), plan("p", Step(after_seconds=60, priority_add=1)), asks)
    told.start("i1")
    told.start("i2")
    domain = load(dump(told.state)).domains[told.domain.key]
    one, other, line = domain.tasks["i1.t1"], domain.tasks["i2.t1"], domain.queues["chats"]
    interaction = domain.interactions["i1"]

    assert one.requirements is other.requirements is line.requirements
    for name in ("any_of", "none_of", "teams"):
        assert getattr(one.terms, name) is getattr(other.terms, name) is getattr(line.terms, name)
    for name in ("queue", "client", "channel"):
        assert getattr(one, name) is getattr(other, name)
    assert (interaction.interaction_id, interaction.task_id) == ("i1", "i1.t1")
    assert interaction.interaction_id is one.interaction_id
    assert interaction.task_id is one.task_id


def test_the_two_newest_snapshots_are_known() -> None:
    state = State()
    for offset in (1, 2, 3):
        fold(state, Fact("", SnapshotNamed(offset=offset, nonce="n", checksum="c", chunks=1)), 0)

    assert [named.offset for named in load(dump(state)).snapshots] == [2, 3]


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="snapshot format 9"):
        load(b'{"format":9}')
    with pytest.raises(ValueError, match="snapshot format None"):
        load(b"{}")
