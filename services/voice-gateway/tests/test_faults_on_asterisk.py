"""The gateway as a process on a real Asterisk, PostgreSQL and a broker, each of which goes away in the middle of calls.
Who hears whom is told by telephones."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from contracts.calls import CallMeasured, LegAnswered, LegEnded, LegStarted
from contracts.commands import ConnectAssignment
from contracts.interactions import InteractionEnded, InteractionStarted
from servicekit.testing.eventually import eventually
from servicekit.testing.plugin import FreshDatabase
from voice_gateway.testing.asterisk_install import asterisk_root, available
from voice_gateway.testing.owning import ADA
from voice_gateway.testing.real_house import RealHouse, RealHouseOptions, real_house

pytestmark = [pytest.mark.real_asterisk, pytest.mark.timeout(240, func_only=True)]
ENDED_SECONDS = 40


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    reason = available()
    if reason is not None:
        pytest.skip(reason)
    asterisk_root()


@pytest.fixture(autouse=True)
def _output(tmp_path: Path) -> Iterator[None]:
    """What the gateway said stands in the report of a test that fails."""
    yield
    sys.stdout.write((tmp_path / "gateway.log").read_text(errors="replace")[-20_000:])


async def ended(house: RealHouse, calls: int) -> None:
    """Once so many calls are over; each is told of as a whole, and once."""
    await eventually(lambda: len(house.of(CallMeasured)) >= calls, timeout_seconds=ENDED_SECONDS)
    await house.until_nothing_is_left()
    for kind in (InteractionStarted, InteractionEnded, CallMeasured):
        told = Counter(each.interaction_id for each in house.of(kind))
        assert (len(told), set(told.values())) == (calls, {1}), kind
    assert set(Counter((each.interaction_id, each.assignment_id) for each in house.of(ConnectAssignment)).values()) <= {
        1
    }
    legs = [Counter(each.leg_id for each in house.of(kind)) for kind in (LegStarted, LegEnded)]
    assert legs[0] == legs[1]
    assert set(legs[0].values()) == {1}
    assert set(Counter(each.leg_id for each in house.of(LegAnswered)).values()) == {1}


async def called_until_answered(house: RealHouse, phone: str) -> None:
    """A caller who is refused, as long as the Asterisk has no gateway again, dials anew."""
    await house.call_in(phone)

    async def answered() -> bool:
        seen = house.phones.seen(phone)
        if seen.refused:
            await house.call_in(phone)
        return seen.talks

    await eventually(answered)


def causes(house: RealHouse) -> dict[str, str]:
    """Of each party's leg."""
    return {each.party: each.cause for each in house.of(LegEnded)}


async def test_a_talk_outlives_a_killed_gateway_which_commands_it_after_its_start(
    postgres: FreshDatabase, tmp_path: Path
) -> None:
    async with real_house(tmp_path, postgres.admin_url) as house:
        router = await house.talking()
        house.gateway.end(signal.SIGKILL)
        await house.lets_pass(2)
        await house.until_hear(anna={ADA}, ada={"anna"})
        house.gateway.start()
        router.hold(ADA, held=True)
        await house.until_hear(anna={"music"}, within_seconds=ENDED_SECONDS)
        router.hold(ADA, held=False)
        await house.until_hear(anna={ADA}, ada={"anna"})
        await house.phones.hang_up("anna")
        await house.until_idle(ADA)
        await ended(house, 1)

        assert causes(house) == {"customer": "hung_up", "agent": "hung_up"}


async def test_a_caller_who_hangs_up_while_the_gateway_is_dead_leaves_nobody_on_the_line(
    postgres: FreshDatabase, tmp_path: Path
) -> None:
    async with real_house(tmp_path, postgres.admin_url) as house:
        await house.talking()
        house.gateway.end(signal.SIGKILL)
        await house.phones.hang_up("anna")
        await house.until_hear(ada=set())
        assert house.phones.seen(ADA).talks
        house.gateway.start()
        await house.until_idle(ADA, within_seconds=ENDED_SECONDS)
        await ended(house, 1)

        [over] = house.of(InteractionEnded)
        assert (over.reason, over.cause) == ("customer_left", "lost")
        assert causes(house)["customer"] == "lost"


async def test_legs_end_by_themselves_when_no_gateway_comes_back(postgres: FreshDatabase, tmp_path: Path) -> None:
    async with real_house(tmp_path, postgres.admin_url, RealHouseOptions(of_node={"legs_alive_seconds": 8})) as house:
        await house.talking()
        await house.lets_pass(9)
        await house.until_hear(anna={ADA}, ada={"anna"})
        house.gateway.end(signal.SIGKILL)
        await house.until_idle("anna", ADA)
        house.gateway.start()
        await ended(house, 1)

        assert causes(house) == {"customer": "lost", "agent": "lost"}


async def test_a_killed_asterisk_ends_its_calls_and_serves_new_ones_as_soon_as_it_is_back(
    postgres: FreshDatabase, tmp_path: Path
) -> None:
    async with real_house(tmp_path, postgres.admin_url) as house:
        await house.talking()
        await house.lets_pass(2)  # where phones are is written once a second
        house.node.end(signal.SIGKILL)
        await house.phones.hang_up(ADA)
        await house.node.start()
        back_at = asyncio.get_running_loop().time()
        await called_until_answered(house, "bert")
        await house.until_hear(bert={"music"})
        served_seconds = asyncio.get_running_loop().time() - back_at
        await eventually(lambda: len(house.started()) == 2, timeout_seconds=ENDED_SECONDS)
        await house.accepted(house.routers[house.started()[-1]], "bert")
        await house.phones.hang_up("bert")
        await ended(house, 2)

        assert served_seconds <= 5
        lost, left = house.of(InteractionEnded)
        assert (lost.reason, lost.cause, left.cause) == ("customer_left", "lost", None)


async def test_calls_are_answered_while_kafka_is_away_and_all_of_them_are_told_afterwards(
    postgres: FreshDatabase, tmp_path: Path
) -> None:
    async with real_house(tmp_path, postgres.admin_url) as house:
        await house.talking()
        house.broker.send_signal(signal.SIGSTOP)
        await house.lets_pass(2)
        await house.call_in("bert")
        await house.until_hear(bert={"music"}, anna={ADA})
        await house.phones.hang_up("anna")
        await house.until_idle(ADA)
        await house.lets_pass(18)
        await house.until_hear(bert={"music"})
        house.broker.send_signal(signal.SIGCONT)
        await eventually(lambda: len(house.started()) == 2, timeout_seconds=ENDED_SECONDS)
        await house.accepted(house.routers[house.started()[-1]], "bert")
        await house.phones.hang_up("bert")
        await ended(house, 2)

        assert {each.cause for each in house.of(LegEnded)} == {"hung_up"}


async def test_talks_go_on_and_a_caller_waits_while_postgresql_is_away(postgres: FreshDatabase, tmp_path: Path) -> None:
    async with real_house(tmp_path, postgres.admin_url) as house:
        router = await house.talking()
        await house.database.cut()
        await house.call_in("bert")
        await house.until_hear(bert={"music"}, anna={ADA}, ada={"anna"})
        router.hold(ADA, held=True)
        await house.until_hear(anna={"music"})
        await house.phones.hang_up("anna")
        await house.until_idle(ADA)
        await house.lets_pass(4)
        await house.database.connect()
        await eventually(lambda: len(house.started()) == 2, timeout_seconds=ENDED_SECONDS)
        await house.accepted(house.routers[house.started()[-1]], "bert")
        await house.phones.hang_up("bert")
        await ended(house, 2)

        assert {each.cause for each in house.of(LegEnded)} == {"hung_up"}
