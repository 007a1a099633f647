"""Prompts become sounds that a node can read, made once, and a call never waits for one that cannot be had."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from gatewaykit.blobs import Blobs, BlobsAwayError, Content, KeptBlob
from gatewaykit.fetch import Fetcher
from gatewaykit.file_blobs import FileBlobs
from gatewaykit.links import LinkKeys
from gatewaykit.links_api import files_router
from gatewaykit.testing.memory_blobs import MemoryBlobs
from httpx import ASGITransport, AsyncClient
from servicekit.ports import HttpNotSentError
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.fake_http import FakeHttp, programmed
from servicekit.testing.http_laws import reply
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.set_clock import SetClock
from servicekit.testing.virtual import SeededIds
from servicekit.web import create_app
from typing_extensions import override
from voice_gateway.domain import waves
from voice_gateway.domain.prompt_words import HasWords, Prompt, Words
from voice_gateway.domain.words import Media
from voice_gateway.prompts import (
    LINK_MS,
    ByLink,
    InWords,
    PromptMetrics,
    PromptResolver,
    Reads,
    SharedFolder,
)
from voice_gateway.prompts_api import own_sounds_router
from voice_gateway.prompts_sounds import FAILED_MS, KEEP_MS, KEEP_PERSONAL_MS, MARGIN_MS, Sounds, SoundSweep
from voice_gateway.prompts_speech import Speech, SpeechAwayError, SpeechCommand
from voice_gateway.prompts_tables import PostgresPromptStore, PromptStore
from voice_gateway.testing.prompts_memory import MemoryPromptStore

URL = "https://voice.example.com/voice/v1"
LINKS = ByLink(URL)
BEEP = f"{URL}/sounds/beep.wav"
KEYS = LinkKeys(["0123456789abcdef0123456789abcdef"])
SPOKEN = waves.wave_file(waves.for_telephones(waves.read_wave(waves.beep())))
ALWAYS = [["198.41.0.4"]]


class Voice:
    """Speech that says what it read; `fails` once for each error, it waits for `may_go_on`."""

    version = "1"

    def __init__(self) -> None:
        self.read_words: list[Words] = []
        self.fails: list[Exception] = []
        self.asked = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def read(self, words: Words) -> bytes:
        self.read_words.append(words)
        self.asked.set()
        await self.may_go_on.wait()
        if self.fails:
            raise self.fails.pop(0)
        return SPOKEN


async def public(host: str, port: int) -> list[str]:
    return ["198.41.0.4"]


@dataclass
class World:
    """All parts of a gateway that plays prompts."""

    store: PromptStore = field(default_factory=MemoryPromptStore)
    blobs: Blobs = field(default_factory=MemoryBlobs)
    speech: Speech | None = field(default_factory=Voice)
    http: FakeHttp = field(default_factory=lambda: FakeHttp(programmed()))
    folder: Path | None = None
    clock: SetClock = field(default_factory=SetClock)
    prompts: dict[str, Prompt] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.telemetry = Telemetry("test")
        self.metrics = PromptMetrics(self.telemetry)
        self.restart()

    def restart(self) -> None:
        self.sounds = Sounds(
            self.store,
            self.blobs,
            Fetcher(self.http, public),
            self.clock,
            speech=self.speech,
            folder=self.folder,
        )
        self.resolver = PromptResolver(self.find, self.sounds, KEYS, self.clock, self.metrics)

    def find(self, tenant_id: str, domain: str, name: str) -> HasWords | None:
        return self.prompts.get(name) if (tenant_id, domain) == ("acme", "acme.main") else None

    async def played(self, uri: str, reads: Reads = LINKS, *, tenant_id: str = "acme") -> str:
        return (await self.resolver.reader(reads)(tenant_id, Media(uri=uri))).uri

    async def heard(self, uri: str) -> bytes:
        """What a node hears that fetches the link."""
        app = create_app(
            "test",
            "/voice/v1",
            telemetry=Telemetry("test"),
            routers=[files_router(self.blobs, KEYS, self.clock), own_sounds_router()],
        )
        async with AsyncClient(transport=ASGITransport(app=app)) as client:
            got = await client.get(uri)
        assert got.status_code == 200, got.text
        assert got.headers["content-type"] == "audio/wav"
        content: bytes = got.content
        return content

    def outcomes(self) -> dict[str, float]:
        return {
            sample.labels["outcome"]: sample.value
            for family in self.metrics.prompts.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        }


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    world.prompts["welcome"] = Prompt(texts={"it": "Benvenuto, {name}.", "en": "Welcome."}, voice="anna")
    yield world
    await world.sounds.close()


def voice_of(world: World) -> Voice:
    assert isinstance(world.speech, Voice)
    return world.speech


def read_in(folder: Path, pattern: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob(pattern))]


WELCOME = "prompt:acme.main/welcome?lang=en"


async def test_a_real_voice_is_heard_over_a_signed_link_on_real_parts(postgres: FreshDatabase, tmp_path: Path) -> None:
    script = tmp_path / "speech.sh"
    script.write_text(f"cat > {tmp_path}/words-$$; cat {tmp_path}/spoken.wav\n")
    (tmp_path / "spoken.wav").write_bytes(SPOKEN)
    speech = SpeechCommand(f"/bin/sh {script}", version="1", seconds_max=20, at_once_max=2)
    async with migrated(postgres.admin_url, "voice_gateway") as kept:
        world = World(PostgresPromptStore(kept.database), FileBlobs(tmp_path / "blobs", SeededIds()), speech)
        uri = "prompt:position?lang=it&position=21"
        first, second = await asyncio.gather(world.played(uri), world.played(uri))
        world.restart()
        third = await world.played(uri)
        sweep = SoundSweep(world.store, world.blobs, world.clock)

        assert first == second == third
        assert await world.heard(first) == SPOKEN
        read = read_in(tmp_path, "words-*")
        assert read == ["Lei è il numero ventuno in attesa.".encode()]
        assert await sweep.turn() == 0
        world.clock.at_ms += KEEP_MS
        assert [await sweep.turn(), await sweep.turn()] == [1, 0]
        assert read_in(tmp_path, "blobs/*/*/prompt-*") == []


async def test_what_is_no_prompt_stays_as_it_is(world: World) -> None:
    assert await world.played("sound:tt-monkeys") == "sound:tt-monkeys"


async def test_the_same_words_are_read_once_for_all_who_ask(world: World) -> None:
    voice_of(world).may_go_on.clear()
    asking = [asyncio.create_task(world.played(WELCOME)) for _ in range(5)]
    await voice_of(world).asked.wait()
    voice_of(world).may_go_on.set()
    played = set(await asyncio.gather(*asking)) | {await world.played(WELCOME)}

    assert len(played) == 1
    assert voice_of(world).read_words == [Words(text="Welcome.", language="en", voice="anna")]


async def test_who_goes_away_takes_no_sound_from_the_others(world: World) -> None:
    voice_of(world).may_go_on.clear()
    first = asyncio.create_task(world.played(WELCOME))
    second = asyncio.create_task(world.played(WELCOME))
    await voice_of(world).asked.wait()
    first.cancel()
    voice_of(world).may_go_on.set()

    assert await second != BEEP
    assert len(voice_of(world).read_words) == 1


async def test_other_words_another_voice_another_tenant_or_version_are_other_sounds(world: World) -> None:
    played = [await world.played(WELCOME)]
    world.prompts["welcome"] = replace(world.prompts["welcome"], voice="bert")
    played.append(await world.played(WELCOME))
    world.prompts["welcome"] = Prompt(texts={"en": "Welcome!"}, voice="bert")
    played.append(await world.played(WELCOME))
    voice_of(world).version = "2"
    played.append(await world.played(WELCOME))
    played.append(await world.played("prompt:goodbye", tenant_id="acme"))
    played.append(await world.played("prompt:goodbye", tenant_id="globex"))

    assert len(set(played)) == len(voice_of(world).read_words) == 6
    assert BEEP not in played


async def test_a_link_is_the_same_for_hours_and_always_good_for_some(world: World) -> None:
    first = await world.played(WELCOME)
    world.clock.at_ms = (world.clock.at_ms // LINK_MS + 1) * LINK_MS - 1
    assert await world.played(WELCOME) == first
    world.clock.at_ms += 1
    second = await world.played(WELCOME)

    assert second != first
    until_ms = 1000 * int(dict(parse_qsl(urlsplit(second).query))["until"])
    assert LINK_MS < until_ms - world.clock.at_ms <= 2 * LINK_MS
    assert urlsplit(second).path.endswith(".wav")
    assert await world.heard(first) == SPOKEN


async def test_a_simulated_node_keeps_the_words(world: World) -> None:
    in_words = InWords()
    world.prompts["menu"] = Prompt(files={"en": "menu.wav"})
    said = [await world.played(uri, in_words) for uri in (WELCOME, "prompt:acme.main/menu", "prompt:beep", "prompt:x")]

    assert said == ["words:Welcome.", "sound:menu.wav", "beep", "beep"]
    assert voice_of(world).read_words == []


async def test_a_node_with_our_folder_reads_it_there_until_nobody_plays_it(world: World, tmp_path: Path) -> None:
    shared = SharedFolder(tmp_path, "/var/lib/asterisk/sounds/centralino/")
    played = await world.played(WELCOME, shared)
    name = played.removeprefix("/var/lib/asterisk/sounds/centralino/acme/")
    assert (tmp_path / "acme" / f"{name}.wav").read_bytes() == SPOKEN
    (tmp_path / "acme" / f"{name}.wav").unlink()
    assert await world.played(WELCOME, shared) == played
    assert (tmp_path / "acme" / f"{name}.wav").exists()
    assert await world.played("prompt:music", shared) == "/var/lib/asterisk/sounds/centralino/own/music"
    assert (tmp_path / "own" / "music.wav").read_bytes() == waves.music()

    world.clock.at_ms += KEEP_MS
    await SoundSweep(world.store, world.blobs, world.clock, folders=(tmp_path,)).turn()

    assert read_in(tmp_path, "*/*.wav") == [waves.music()]


async def test_what_holds_a_callers_number_is_gone_within_the_hour_and_the_rest_stays(world: World) -> None:
    number = await world.played("prompt:callback_confirm?lang=en&number=%2B39061234&key=1")
    name = await world.played("prompt:acme.main/welcome?lang=it&name=Anna")
    position = await world.played("prompt:position?lang=en&position=3")
    assert BEEP not in (number, name, position)
    world.clock.at_ms += KEEP_PERSONAL_MS + MARGIN_MS
    await SoundSweep(world.store, world.blobs, world.clock).turn()

    assert isinstance(world.blobs, MemoryBlobs)
    assert {blob_id for _, blob_id in world.blobs.kept} == {urlsplit(position).path.rpartition("/")[2]}


async def test_a_sound_that_is_played_again_is_kept_longer(world: World) -> None:
    await world.played(WELCOME)
    for _ in range(3):
        world.clock.at_ms += KEEP_MS - MARGIN_MS
        await world.played(WELCOME)
        await SoundSweep(world.store, world.blobs, world.clock).turn()

    assert len(voice_of(world).read_words) == 1
    world.clock.at_ms += KEEP_MS + 1
    await SoundSweep(world.store, world.blobs, world.clock).turn()
    await world.played(WELCOME)
    assert len(voice_of(world).read_words) == 2


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(SpeechAwayError("exit 1"), "speech_away"), (waves.NotASoundError("voice_malformed"), "not_a_sound")],
)
async def test_without_a_voice_there_is_a_beep_and_soon_another_try(
    world: World, error: Exception, outcome: str
) -> None:
    voice_of(world).fails = [error]
    assert [await world.played(WELCOME) for _ in range(2)] == [BEEP, BEEP]
    assert len(voice_of(world).read_words) == 1
    assert world.outcomes() == {outcome: 2}
    assert await world.heard(BEEP) == waves.beep()

    world.clock.at_ms += FAILED_MS
    assert await world.played(WELCOME) != BEEP
    assert world.outcomes() == {outcome: 2, "played": 1}


async def test_who_has_no_command_for_speech_hears_beeps(world: World) -> None:
    world.speech = None
    world.restart()

    assert await world.played(WELCOME) == BEEP
    assert world.outcomes() == {"no_speech": 1}


async def test_a_prompt_that_is_not_there_is_a_beep(world: World) -> None:
    assert await world.played("prompt:acme.main/nothing") == BEEP
    assert await world.played("prompt:acme.other/welcome") == BEEP
    assert await world.played(WELCOME, tenant_id="globex") == BEEP
    assert world.outcomes() == {"unknown": 3}


async def test_a_fault_of_ours_is_a_beep(world: World) -> None:
    def find(tenant_id: str, domain: str, name: str) -> HasWords | None:
        raise KeyError(name)

    world.resolver = PromptResolver(find, world.sounds, KEYS, world.clock, world.metrics)

    assert await world.played(WELCOME) == BEEP
    assert world.outcomes() == {"fault": 1}


async def test_a_store_that_is_away_costs_words_and_not_the_call(world: World) -> None:
    assert isinstance(world.store, MemoryPromptStore)
    good = await world.played(WELCOME)
    world.store.away = True

    assert await world.played("prompt:goodbye") == BEEP
    assert await world.played(WELCOME) == good
    assert world.outcomes() == {"played": 2, "backend_away": 1}


async def test_files_that_cannot_be_kept_are_a_beep(world: World) -> None:
    class Full(MemoryBlobs):
        @override
        async def put(self, tenant_id: str, blob_id: str, content: Content, *, bytes_max: int) -> KeptBlob:
            raise BlobsAwayError("full")

    world.blobs = Full()
    world.restart()

    assert await world.played(WELCOME) == BEEP


async def test_a_voice_that_is_slow_is_not_waited_for_and_heard_the_next_time(world: World) -> None:
    voice_of(world).may_go_on.clear()
    world.resolver = PromptResolver(world.find, world.sounds, KEYS, world.clock, world.metrics, seconds_max=0.05)
    assert await world.played(WELCOME) == BEEP
    voice_of(world).may_go_on.set()
    world.resolver = PromptResolver(world.find, world.sounds, KEYS, world.clock, world.metrics)

    assert await world.played(WELCOME) != BEEP
    assert len(voice_of(world).read_words) == 1
    assert world.outcomes() == {"slow": 1, "played": 1}


async def test_a_file_is_fetched_once_and_made_a_telephones(world: World) -> None:
    world.prompts["menu"] = Prompt(files={"en": "https://acme.example/menu.wav"})
    loud = waves.wave_file(waves.read_wave(waves.music()).samples, rate=16_000)
    world.http = FakeHttp(programmed(reply(200, loud)))
    world.restart()
    played = await world.played("prompt:acme.main/menu?lang=it")
    world.restart()
    assert await world.played("prompt:acme.main/menu?lang=it") == played

    found = waves.read_wave(await world.heard(played))
    assert (found.rate, found.channels) == (8_000, 1)
    assert found.seconds == pytest.approx(waves.read_wave(waves.music()).seconds / 2, abs=0.01)
    assert len(world.http.requests) == 1


@pytest.mark.parametrize(
    ("url", "answer", "outcome"),
    [
        ("https://acme.example/a.wav", reply(200, b"<html>"), "not_a_sound"),
        ("https://acme.example/a.wav", reply(200, bytes(20_000_001)), "not_a_sound"),
        ("https://acme.example/a.wav", reply(404), "file_refused"),
        ("https://acme.example/a.wav", HttpNotSentError("refused"), "backend_away"),
        ("http://acme.example/a.wav", reply(200, SPOKEN), "file_refused"),
        ("https://user@acme.example/a.wav", reply(200, SPOKEN), "file_refused"),
        ("a.wav", reply(200, SPOKEN), "not_a_sound"),
    ],
)
async def test_a_file_that_is_no_sound_or_not_to_be_had_is_a_beep(
    world: World, url: str, answer: object, outcome: str
) -> None:
    world.prompts["menu"] = Prompt(files={"en": url})
    world.http = FakeHttp(programmed(answer))  # type: ignore[arg-type]  # each is a reply or an error
    world.restart()

    assert await world.played("prompt:acme.main/menu") == BEEP
    assert world.outcomes() == {outcome: 1}


async def test_nothing_is_fetched_from_our_own_network(world: World) -> None:
    async def inside(host: str, port: int) -> list[str]:
        return ["10.0.0.7"]

    world.prompts["menu"] = Prompt(files={"en": "https://acme.example/menu.wav"})
    world.http = FakeHttp(programmed(reply(200, SPOKEN)))
    fetcher = Fetcher(world.http, inside)
    world.sounds = Sounds(world.store, world.blobs, fetcher, world.clock, speech=None, folder=None)
    world.resolver = PromptResolver(world.find, world.sounds, KEYS, world.clock, world.metrics)

    assert await world.played("prompt:acme.main/menu") == BEEP
    assert world.http.requests == []


async def test_a_tenants_own_folder_is_read_and_no_other(world: World, tmp_path: Path) -> None:
    for tenant in ("acme", "globex"):
        (tmp_path / tenant / "it").mkdir(parents=True)
        (tmp_path / tenant / "it" / "menu.wav").write_bytes(SPOKEN if tenant == "acme" else waves.music())
    (tmp_path / "acme" / "away.wav").symlink_to(tmp_path / "globex" / "it" / "menu.wav")
    world.folder = tmp_path
    world.restart()
    names = {"menu": "it/menu.wav", "up": "../globex/it/menu.wav", "away": "away.wav", "none": "none.wav"}
    world.prompts |= {name: Prompt(files={"en": file}) for name, file in names.items()}
    played = {name: await world.played(f"prompt:acme.main/{name}") for name in names}

    assert await world.heard(played["menu"]) == SPOKEN
    assert [name for name, uri in played.items() if uri == BEEP] == ["up", "away", "none"]
    (tmp_path / "acme" / "it" / "menu.wav").write_bytes(waves.music())
    again = await world.played("prompt:acme.main/menu")
    assert hashlib.sha256(await world.heard(again)).digest() == hashlib.sha256(waves.music()).digest()


@pytest.mark.parametrize("name", ["beep", "silence", "music"])
async def test_our_own_sounds_are_served_to_everybody(world: World, name: str) -> None:
    uri = await world.played(f"prompt:{name}")

    assert uri == f"{URL}/sounds/{name}.wav"
    assert waves.read_wave(await world.heard(uri)).rate == 8_000
    with pytest.raises(AssertionError, match="sound_unknown"):
        await world.heard(f"{URL}/sounds/other.wav")
