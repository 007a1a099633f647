"""What only an Asterisk has: it is killed, taken over by another, met again by a driver that knows nothing."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from servicekit.testing.eventually import eventually
from typing_extensions import override
from voice_gateway.domain.commands import (
    Answer,
    AnswerTransfer,
    Dial,
    HangUp,
    Hold,
    Join,
    Monitor,
    Mute,
    OpenRoom,
    Play,
    Provision,
)
from voice_gateway.domain.events import (
    DriverLost,
    DriverRecovered,
    LegAnswered,
    LegEnded,
    LegIncoming,
    PlaybackEnded,
    RoomJoined,
    TransferRequested,
)
from voice_gateway.domain.words import Media, Party, Phone
from voice_gateway.testing.asterisk import AsteriskUnderTest, asterisk_under_test
from voice_gateway.testing.asterisk_install import asterisk_root, available
from voice_gateway.testing.driver_laws.story import Story
from voice_gateway.testing.node import until_hears, until_seen
from voice_gateway.testing.sip_messages import Message, digest, parsed
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

pytestmark = [pytest.mark.real_asterisk, pytest.mark.timeout(120, func_only=True)]


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    reason = available()
    if reason is not None:
        pytest.skip(reason)
    asterisk_root()


@pytest_asyncio.fixture
async def node(tmp_path: Path) -> AsyncIterator[AsteriskUnderTest]:
    async with asterisk_under_test(tmp_path) as node:
        yield node


async def test_a_node_that_is_killed_is_lost_and_serves_again_with_its_phones(node: AsteriskUnderTest) -> None:
    story = Story(node)
    await story.caller("anna")
    endpoint_id = node.new_id()
    await story.do(Provision(endpoint_id=endpoint_id, password="a long one"))
    assert await node.phones.register("ada", endpoint_id, "a long one")
    await node.lets_pass(2)  # its database is written once a second
    node.node.end(signal.SIGKILL)
    await node.told.until(DriverLost)
    await node.node.start()
    back_at = asyncio.get_running_loop().time()
    recovered = await node.told.until(DriverRecovered)
    arrived = await story.arrives("bert", Party(number="+390611111"))
    served_seconds = asyncio.get_running_loop().time() - back_at

    assert (recovered.snapshot.legs, recovered.snapshot.rooms) == ((), ())
    assert served_seconds <= 5
    leg_id = await story.dials(Phone(endpoint_id=endpoint_id))
    await node.told.until(LegAnswered, leg_id=leg_id)
    assert arrived in {event.leg_id for event in node.told.of(LegIncoming)}


async def test_who_connects_later_has_the_node_and_the_other_knows(node: AsteriskUnderTest) -> None:
    story = Story(node)
    anna = await story.caller("anna")
    async with node.another_driver() as (other, told):
        lost = await node.told.until(DriverLost)
        snapshot = await other.snapshot()
        await other.do(HangUp(leg_id=anna))
        await told.until(LegEnded, leg_id=anna)

    assert "another" in lost.reason
    assert [leg.leg_id for leg in snapshot.legs] == [anna]
    assert not node.told.of(LegEnded)


async def test_a_driver_that_starts_anew_knows_its_legs_and_how_they_are(node: AsteriskUnderTest) -> None:
    story = Story(node)
    anna, ada, eve = await story.caller("anna"), await story.agent("ada"), await story.agent("eve")
    room_id, waiting = await story.room("talk", anna, ada), await story.room("wait")
    await until_hears(node, anna={"ada"}, ada={"anna"})
    await story.do(Mute(leg_id=anna, muted=True), Hold(leg_id=anna, held=True))
    await story.do(Monitor(leg_id=eve, of_leg_id=ada, mode="spy"))
    async with node.another_driver() as (other, _):
        snapshot = await other.snapshot()
        await other.do(Hold(leg_id=anna, held=False))
        await until_hears(node, anna={"ada"}, ada=set())
        await other.do(Mute(leg_id=anna, muted=False))
        await other.do(Monitor(leg_id=eve, of_leg_id=ada, mode="whisper"))
        await until_hears(node, anna={"ada"}, ada={"anna", "eve"}, eve={"anna", "ada"})
        await other.do(Join(room_id=waiting, leg_id=anna))
        await until_hears(node, anna={"music"})
        await other.do(Join(room_id=room_id, leg_id=eve))
        await until_hears(node, ada={"eve"}, eve={"ada"})

    assert {leg.leg_id: leg.room_id for leg in snapshot.legs} == {anna: room_id, ada: room_id, eve: None}
    assert set(snapshot.rooms) == {room_id, waiting}


async def test_a_call_that_still_rings_comes_in_at_the_next_driver(node: AsteriskUnderTest) -> None:
    leg_id = await Story(node).arrives("anna")
    async with node.another_driver() as (other, told):
        incoming = await told.until(LegIncoming, leg_id=leg_id)
        await other.do(Answer(leg_id=leg_id))
        await told.until(LegAnswered, leg_id=leg_id)

    [before] = node.told.of(LegIncoming)
    assert (incoming.called, incoming.caller) == (before.called, before.caller)


async def test_a_new_call_finds_no_gateway_and_is_told_to_try_elsewhere(node: AsteriskUnderTest) -> None:
    await node.lose()
    await node.told.until(DriverLost)
    await node.phones.outside("anna")

    async def refused() -> bool:
        # Until Asterisk has seen that the gateway is gone, a call is given to it.
        await node.phones.call("anna", node.number, Party(number="+390698765"))
        await until_seen(node, "anna", lambda seen: seen.refused, within_seconds=5)
        return node.phones.seen("anna").refused == "congested"

    assert await eventually(refused, timeout_seconds=30)


async def test_a_phone_with_two_calls_asks_to_join_them(node: AsteriskUnderTest) -> None:
    story = Story(node)
    node.phones.many_lines = True
    to = await story.target("ada")
    legs = [await story.dials(to), await story.dials(to)]
    for leg_id, other in zip(legs, (await story.caller("anna"), await story.agent("eve")), strict=True):
        await node.told.until(LegAnswered, leg_id=leg_id)
        await story.room("talk", leg_id, other)
    line = node.phones.transfer_last_but_one_to_last("ada")
    asked = await node.told.until(TransferRequested)
    assert (asked.form, {asked.leg_id, asked.to}) == ("attended", set(legs))
    await story.do(AnswerTransfer(transfer_id=asked.transfer_id, accepted=True))

    assert await eventually(lambda: line.transferred)
    assert len(node.told.of(TransferRequested)) == 1
    assert not story.refused()


async def test_a_browsers_phone_registers_over_a_websocket(node: AsteriskUnderTest) -> None:
    await node.driver.do(Provision(endpoint_id="web", password="a long one", browser=True))
    url = f"ws://127.0.0.1:{node.node.http_port}/ws"
    async with connect(url, subprotocols=[Subprotocol("sip")], open_timeout=10) as socket:
        statuses, told = [], ""
        for sequence in (1, 2):
            more = [("Authorization", told)] if told else []
            await socket.send(register("web", "sip:127.0.0.1", sequence, more).written().decode())
            answered = parsed(str(await asyncio.wait_for(socket.recv(), 10)).encode())
            assert answered is not None
            statuses.append(answered.status)
            challenge, uri = answered.get("WWW-Authenticate"), "sip:127.0.0.1"
            if challenge:
                told = digest(challenge, username="web", password="a long one", method="REGISTER", uri=uri)

    assert statuses == [401, 200]


async def test_a_browsers_phone_becomes_a_desk_phone(node: AsteriskUnderTest) -> None:
    story = Story(node)
    for browser in (True, False):
        await story.do(Provision(endpoint_id="ada", password="a long one", browser=browser))
    assert await node.phones.register("ada", "ada", "a long one")
    leg_id = await story.dials(Phone(endpoint_id="ada"))
    await node.told.until(LegAnswered, leg_id=leg_id)
    await story.room("talk", leg_id, await story.caller("anna"))

    await until_hears(node, anna={"ada"}, ada={"anna"})


def register(user: str, uri: str, sequence: int, more: list[tuple[str, str]]) -> Message:
    headers = [("Via", f"SIP/2.0/WS browser.invalid;branch=z9hG4bKw{sequence}"), ("Max-Forwards", "70")]
    headers += [("From", f"<sip:{user}@127.0.0.1>;tag=w"), ("To", f"<sip:{user}@127.0.0.1>"), ("Call-ID", "w1")]
    headers += [("CSeq", f"{sequence} REGISTER"), ("Expires", "600")]
    headers += [("Contact", f"<sip:{user}@browser.invalid;transport=ws>"), *more]
    return Message(method="REGISTER", uri=uri, headers=tuple(headers))


async def test_who_only_says_that_they_are_the_trunk_is_not_believed(node: AsteriskUnderTest) -> None:
    """From another address than the trunk's; the other side is asked for a password that nobody has."""
    answers: asyncio.Queue[bytes] = asyncio.Queue()

    class Stranger(asyncio.DatagramProtocol):
        @override
        def datagram_received(self, data: bytes, addr: object) -> None:
            answers.put_nowait(data)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Stranger, local_addr=("127.0.0.2", 0))
    port = transport.get_extra_info("sockname")[1]
    headers = [("Via", f"SIP/2.0/UDP 127.0.0.2:{port};rport;branch=z9hG4bKstranger"), ("Max-Forwards", "70")]
    headers += [("From", "<sip:trunk@127.0.0.2>;tag=s"), ("To", f"<sip:{node.number}@127.0.0.1>"), ("Call-ID", "s1")]
    headers += [("CSeq", "1 INVITE"), ("Contact", f"<sip:trunk@127.0.0.2:{port}>")]
    headers += [("P-Asserted-Identity", "<sip:+390698765@127.0.0.2>")]
    call = Message(method="INVITE", uri=f"sip:{node.number}@127.0.0.1", headers=tuple(headers))
    try:
        transport.sendto(call.written(), ("127.0.0.1", node.node.sip_port))
        answered = parsed(await asyncio.wait_for(answers.get(), 10))
    finally:
        transport.close()

    assert answered is not None
    assert answered.status == 401
    assert not node.told.of(LegIncoming)


async def test_a_trusted_network_vouches_for_a_caller_and_the_end_tells_the_quality(node: AsteriskUnderTest) -> None:
    story = Story(node)
    anna = await story.arrives("anna", Party(number="+390698765", name="Anna", asserted=True))
    [incoming] = node.told.of(LegIncoming)
    await story.do(Answer(leg_id=anna))
    await story.room("wait", anna)
    await node.lets_pass(1)
    await node.phones.hang_up("anna")
    ended = await node.told.until(LegEnded, leg_id=anna)

    assert incoming.caller == Party(number="+390698765", name="Anna", asserted=True)
    assert incoming.provider_id
    assert ended.quality is not None
    assert ended.quality.jitter_ms is not None
    assert ended.quality.lost_fraction is not None
    assert ended.quality.lost_fraction <= 0.5


async def test_sounds_come_by_http_and_one_that_is_nowhere_has_failed(node: AsteriskUnderTest) -> None:
    story = Story(node)
    anna = await story.caller("anna")
    async with node.served_sounds() as url:
        await story.do(Play(playback_id="there", leg_id=anna, media=(Media(uri=f"{url}/prompts/of-a-test/hello.wav"),)))
        await until_hears(node, anna={"hello"})
        await node.told.until(PlaybackEnded, playback_id="there", end="played")
    await story.do(Play(playback_id="nowhere", leg_id=anna, media=(Media(uri="sound:there-is-none"),)))

    await node.told.until(PlaybackEnded, playback_id="nowhere", end="failed")


async def test_a_wait_room_has_the_music_it_is_given(node: AsteriskUnderTest) -> None:
    story = Story(node)
    anna = await story.caller("anna")
    await story.do(OpenRoom(room_id="r", kind="wait", music="other"))
    await story.do(Join(room_id="r", leg_id=anna))
    await node.told.until(RoomJoined, leg_id=anna)

    await until_hears(node, anna={"goodbye"})


async def test_forty_calls_at_once_each_meet_their_own_agent(node: AsteriskUnderTest) -> None:
    """Nothing is mixed up, nothing is left over. Every leg is a channel; no sound is looked at."""
    story, calls = Story(node), 40
    await node.phones.outside("anna")
    to = await node.phones.outside("ada")

    async def one(number: int) -> None:
        await node.driver.do(OpenRoom(room_id=f"r{number}", kind="talk"))
        for side in ("a", "b"):
            leg_id = f"{side}{number}"
            await node.driver.do(Dial(leg_id=leg_id, to=to, ring_seconds=20))
            await node.told.until(LegAnswered, leg_id=leg_id, within_seconds=60)
            await node.driver.do(Join(room_id=f"r{number}", leg_id=leg_id))
            await node.told.until(RoomJoined, room_id=f"r{number}", leg_id=leg_id, within_seconds=60)

    node.phones.many_lines = True
    await asyncio.gather(*(one(number) for number in range(calls)))
    snapshot = await node.driver.snapshot()
    assert {leg.leg_id: leg.room_id for leg in snapshot.legs} == {
        f"{side}{number}": f"r{number}" for number in range(calls) for side in ("a", "b")
    }

    await asyncio.gather(*(node.driver.do(HangUp(leg_id=leg.leg_id)) for leg in snapshot.legs))
    for leg in snapshot.legs:
        await node.told.until(LegEnded, leg_id=leg.leg_id, within_seconds=60)
    assert (await node.driver.snapshot()).legs == ()
    assert not story.refused()
