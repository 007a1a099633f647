"""Has a command read words aloud: any text-to-speech program that takes text and gives a WAV file."""

import asyncio
import hashlib
import json
import os
import re
import shlex
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from servicekit.errors import RetryLaterError

from voice_gateway.domain.prompt_words import Words
from voice_gateway.domain.waves import NotASoundError

SPEECH_BYTES_MAX: Final = 20_000_000
PIECE_BYTES: Final = 65_536
LAST_SECONDS: Final = 2.0
# What the command gets of our environment: nothing of ours, which holds passwords.
_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
_PLACE: Final = re.compile(r"\{(language|voice)\}")
# It becomes an argument: it must not be taken for an option, a path or a URL.
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4}")
_VOICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/-]{0,99}")


class SpeechAwayError(RetryLaterError):
    """The command for speech cannot be started, failed, took too long or gave too much."""


class Speech(Protocol):
    """Reads aloud."""

    @property
    def version(self) -> str:
        """Changes when the same words would sound different."""
        ...

    async def read(self, words: Words) -> bytes:
        """A WAV file. Raises SpeechAwayError, and NotASoundError for words that this voice cannot read."""
        ...


class SpeechCommand:
    """See Speech. `command` is split like a shell's words, but there is no shell: `{language}` and `{voice}` stand for
    a tag of BCP 47 and for the prompt's voice (none given: the language). The words come on its standard input in
    UTF-8; it writes a WAV file to its standard output and ends with 0, within `seconds_max`."""

    def __init__(self, command: str, *, version: str, seconds_max: float, at_once_max: int) -> None:
        self._argv = shlex.split(command)
        if not self._argv:
            raise ValueError("the command for speech is empty")
        self._seconds_max = seconds_max
        self._slots = asyncio.Semaphore(at_once_max)
        self.version = hashlib.sha256(json.dumps([self._argv, version]).encode()).hexdigest()[:16]

    async def read(self, words: Words) -> bytes:
        """See Speech; the time includes the wait for others to be read."""
        argv = _filled(self._argv, words)
        try:
            async with asyncio.timeout(self._seconds_max), self._slots:
                return await _output(argv, words.text.encode())
        except TimeoutError as error:
            raise SpeechAwayError("TimeoutError") from error
        except OSError as error:
            raise SpeechAwayError(type(error).__name__) from error


def _filled(argv: Sequence[str], words: Words) -> list[str]:
    voice = words.voice or words.language
    if not _LANGUAGE.fullmatch(words.language) or not _VOICE.fullmatch(voice) or ".." in voice:
        raise NotASoundError("voice_malformed")
    values = {"language": words.language, "voice": voice}
    return [_PLACE.sub(lambda found: values[found[1]], each) for each in argv]


async def _output(argv: Sequence[str], given: bytes) -> bytes:
    """Whatever happens, nothing of it is left running: it has a process group of its own, which ends with it."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_give(process, given))
            taken = tasks.create_task(_take(process))
        code = await process.wait()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(_ended(process))
    if code != 0:
        raise SpeechAwayError(f"exit {code}")
    return taken.result()


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Let go of its pipes. Who keeps one open has left the group on purpose, and is not waited for."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_SECONDS):
            while process.stdout is not None and await process.stdout.read(PIECE_BYTES):
                pass
            await process.wait()


async def _give(process: asyncio.subprocess.Process, given: bytes) -> None:
    if process.stdin is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):  # it may know enough already
        process.stdin.write(given)
        await process.stdin.drain()
    process.stdin.close()


async def _take(process: asyncio.subprocess.Process) -> bytes:
    taken = bytearray()
    while process.stdout is not None and (piece := await process.stdout.read(PIECE_BYTES)):
        taken += piece
        if len(taken) > SPEECH_BYTES_MAX:
            raise SpeechAwayError("too much")
    return bytes(taken)
