"""A real Asterisk plays what prompts become, and what it records is kept: the caller's telephone hears it."""

import asyncio
import math
from array import array
from pathlib import Path

import pytest
from gatewaykit.fetch import Fetcher
from gatewaykit.file_blobs import FileBlobs
from gatewaykit.links import LinkKeys
from gatewaykit.links_api import files_router
from servicekit.http_server import http_server
from servicekit.system import SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.fake_http import FakeHttp, programmed
from servicekit.web import create_app
from voice_gateway.domain.commands import Answer, Join, OpenRoom, Play, Record, StopRecording
from voice_gateway.domain.events import LegAnswered, LegIncoming, PlaybackEnded, RecordingReady
from voice_gateway.domain.prompt_words import HasWords, Prompt
from voice_gateway.domain.waves import seconds_of, wave_file
from voice_gateway.domain.words import Media, Party
from voice_gateway.prompts import ByLink, PromptMetrics, PromptResolver, Reads, SharedFolder
from voice_gateway.prompts_api import own_sounds_router
from voice_gateway.prompts_sounds import Sounds
from voice_gateway.testing.asterisk import AsteriskUnderTest, asterisk_under_test
from voice_gateway.testing.asterisk_install import asterisk_root, available
from voice_gateway.testing.node import until_hears
from voice_gateway.testing.prompts_memory import MemoryPromptStore

pytestmark = [pytest.mark.real_asterisk, pytest.mark.timeout(120, func_only=True)]
KEYS = LinkKeys(["0123456789abcdef0123456789abcdef"])
TENANT = "acme"


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    reason = available()
    if reason is not None:
        pytest.skip(reason)
    asterisk_root()


async def called(node: AsteriskUnderTest) -> str:
    """Anna's leg, answered."""
    await node.phones.call("anna", node.number, Party(number="anna"))
    leg_id = (await node.told.until(LegIncoming)).leg_id
    await node.driver.do(Answer(leg_id=leg_id))
    await node.told.until(LegAnswered)
    return leg_id


async def played(node: AsteriskUnderTest, leg_id: str, media: Media) -> str:
    """How the playback ends."""
    playback_id = node.new_id()
    await node.driver.do(Play(playback_id=playback_id, leg_id=leg_id, media=(media,)))
    return (await node.told.until(PlaybackEnded, playback_id=playback_id, within_seconds=20)).end


async def test_a_prompt_is_heard_by_link_and_from_a_folder(tmp_path: Path) -> None:
    async def nobody(host: str, port: int) -> list[str]:
        return []

    def find(tenant_id: str, domain: str, name: str) -> HasWords | None:
        return Prompt(files={"en": "hello.wav"}) if name == "hello" else None

    clock, blobs, asked = SystemClock(), FileBlobs(tmp_path / "blobs", SystemIds()), list[str]()
    app = create_app(
        "test",
        "/voice/v1",
        telemetry=Telemetry("test"),
        routers=[own_sounds_router(), files_router(blobs, KEYS, clock)],
    )
    async with (
        asterisk_under_test(tmp_path / "node") as node,
        http_server(app, "127.0.0.1", 0, drain_seconds=1) as url,
    ):
        # Of 16 kHz: the node is given 8.
        turn = 2 * math.pi * node.tone("hello") / 16_000
        own = tmp_path / "own" / TENANT
        own.mkdir(parents=True)
        samples = array("h", (round(9000 * math.sin(turn * place)) for place in range(32_000)))
        (own / "hello.wav").write_bytes(wave_file(samples, rate=16_000))
        fetcher = Fetcher(FakeHttp(programmed()), nobody)
        sounds = Sounds(MemoryPromptStore(), blobs, fetcher, clock, speech=None, folder=tmp_path / "own")
        resolver = PromptResolver(find, sounds, KEYS, clock, PromptMetrics(Telemetry("test")))
        leg_id = await called(node)
        shared = SharedFolder(tmp_path / "node" / "sounds" / "centralino", node.node.path("sounds/centralino"))
        by_link = ByLink(f"{url}/voice/v1")
        ways: tuple[Reads, ...] = (by_link, by_link, shared)
        for reads in ways:
            media = await resolver.reader(reads)(TENANT, Media(uri="prompt:acme.main/hello?lang=en"))
            playing = asyncio.create_task(played(node, leg_id, media))
            await until_hears(node, anna={"hello"})
            assert await playing == "played"
            beep = await resolver.reader(reads)(TENANT, Media(uri="prompt:acme.main/nothing"))
            assert "beep" in beep.uri
            assert await played(node, leg_id, beep) == "played"
            asked.append(media.uri)

        assert asked[0] == asked[1]
        assert asked[2].startswith(node.node.path("sounds/centralino/acme/prompt-"))


async def test_a_recording_is_fetched_and_then_forgotten(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path / "blobs", SystemIds())
    async with asterisk_under_test(tmp_path / "node") as node:
        leg_id, room_id, recording_id = await called(node), node.new_id(), node.new_id()
        for command in (
            OpenRoom(room_id=room_id, kind="talk"),
            Join(room_id=room_id, leg_id=leg_id),
            Record(recording_id=recording_id, room_id=room_id),
        ):
            await node.driver.do(command)
        await node.lets_pass(2)
        await node.driver.do(StopRecording(recording_id=recording_id))
        ready = await node.told.until(RecordingReady, recording_id=recording_id)
        kept = await blobs.put(TENANT, recording_id, node.driver.recording(recording_id), bytes_max=1_000_000)
        seconds = seconds_of(await blobs.get(TENANT, recording_id, bytes_max=1024), kept.size_bytes)
        for _ in range(2):
            await node.driver.forget_recording(recording_id)

        assert kept.mime == "audio/wav"
        assert seconds == pytest.approx(ready.seconds, abs=0.3)
        with pytest.raises(LookupError):
            [piece async for piece in node.driver.recording(recording_id)]
