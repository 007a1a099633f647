"""The command that reads words aloud, and what it must not do."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest
from servicekit.testing.eventually import eventually
from voice_gateway.domain.prompt_words import Words
from voice_gateway.domain.waves import NotASoundError, for_telephones, read_wave
from voice_gateway.prompts_speech import SpeechAwayError, SpeechCommand

HELLO = Words(text="Buongiorno, è libero.", language="it")


def command(
    tmp_path: Path, source: str, *arguments: str, seconds_max: float = 20, at_once_max: int = 2
) -> SpeechCommand:
    script = tmp_path / "speech.py"
    script.write_text(source)
    line = " ".join([sys.executable, str(script), *arguments])
    return SpeechCommand(line, version="1", seconds_max=seconds_max, at_once_max=at_once_max)


async def test_it_gets_the_words_and_its_arguments_without_a_shell(tmp_path: Path) -> None:
    source = "import sys; sys.stdout.write('|'.join([*sys.argv[1:], sys.stdin.read()]))"
    speech = command(tmp_path, source, "-v", "{voice}", "'$(date) ; {language}'", "{other}")

    assert (await speech.read(HELLO)).decode() == "-v|it|$(date) ; it|{other}|Buongiorno, è libero."
    said = await speech.read(Words(text="a", language="it", voice="anna/low"))
    assert said.decode() == "-v|anna/low|$(date) ; it|{other}|a"


@pytest.mark.parametrize(
    ("language", "voice"),
    [
        ("it", "-f"),
        ("it", "../etc"),
        ("it", "a/../etc"),
        ("it", "http://x"),
        ("--help", "anna"),
        ("it", "a\nb"),
        ("--help", None),
        ("it\n", None),
        ("", None),
    ],
)
async def test_a_voice_that_could_be_anything_else_is_refused(tmp_path: Path, language: str, voice: str | None) -> None:
    with pytest.raises(NotASoundError, match="voice_malformed"):
        await command(tmp_path, "", "{voice}", "{language}").read(Words(text="a", language=language, voice=voice))


async def test_it_sees_nothing_of_our_environment(tmp_path: Path) -> None:
    os.environ["CENTRALINO_SECRET_OF_THIS_TEST"] = "x"
    try:
        said = await command(tmp_path, "import os; print(sorted(os.environ))").read(HELLO)
    finally:
        del os.environ["CENTRALINO_SECRET_OF_THIS_TEST"]

    assert b"PATH" in said
    assert b"CENTRALINO" not in said


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("raise SystemExit(3)", "exit 3"),
        ("import os; os.kill(os.getpid(), 9)", "exit -9"),
        ("import sys\nwhile True: sys.stdout.buffer.write(bytes(1_000_000))", "too much"),
    ],
)
async def test_a_command_that_fails_is_away(tmp_path: Path, source: str, why: str) -> None:
    with pytest.raises(SpeechAwayError, match=why):
        await command(tmp_path, source).read(HELLO)


async def test_a_command_that_is_not_there_is_away() -> None:
    with pytest.raises(SpeechAwayError, match="FileNotFoundError"):
        await SpeechCommand("/nowhere/speech", version="", seconds_max=5, at_once_max=1).read(HELLO)
    with pytest.raises(ValueError, match="empty"):
        SpeechCommand(" ", version="", seconds_max=5, at_once_max=1)


async def test_one_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    source = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(tmp_path / "pids")!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
time.sleep(600)
"""
    speech = command(tmp_path, source, seconds_max=3)
    with pytest.raises(SpeechAwayError, match="TimeoutError"):
        await speech.read(HELLO)

    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    await eventually(lambda: not any(_runs(pid) for pid in pids))


async def test_who_is_cancelled_leaves_nothing_running(tmp_path: Path) -> None:
    source = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    task = asyncio.create_task(command(tmp_path, source).read(HELLO))
    pid = int(await eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not _runs(pid)


async def test_only_so_many_read_at_once(tmp_path: Path) -> None:
    source = f"""
import os, sys, time
here = {str(tmp_path)!r}
open(f"{{here}}/run-{{os.getpid()}}", "w").close()
time.sleep(0.2)
print(len([name for name in os.listdir(here) if name.startswith("run-")]))
os.unlink(f"{{here}}/run-{{os.getpid()}}")
"""
    speech = command(tmp_path, source, at_once_max=1)

    assert set(await asyncio.gather(*(speech.read(HELLO) for _ in range(3)))) == {b"1\n"}


async def test_one_that_does_not_read_its_input_is_no_failure(tmp_path: Path) -> None:
    assert await command(tmp_path, "print('a')").read(Words(text="a" * 2000, language="it")) == b"a\n"


def test_another_command_or_version_has_another_mark() -> None:
    versions = {
        SpeechCommand(line, version=version, seconds_max=1, at_once_max=1).version
        for line, version in (("say -v {voice}", "1"), ("say -v {voice}", "2"), ("say", "1"), ("say  -v  {voice}", "1"))
    }

    assert len(versions) == 3


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
async def test_a_real_voice_can_be_heard_on_a_telephone() -> None:
    speech = SpeechCommand("espeak-ng --stdin --stdout -v {voice}", version="1", seconds_max=20, at_once_max=1)
    samples = for_telephones(read_wave(await speech.read(HELLO)))

    assert 8_000 < len(samples) < 40_000
    assert max(samples) > 5_000


def _runs(pid: int) -> bool:
    """A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
