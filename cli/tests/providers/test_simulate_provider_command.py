"""`centralino simulate-provider` as a process."""

import json
import signal
import subprocess
import sys
from urllib.request import urlopen

import pytest

COMMAND = [sys.executable, "-m", "centralino", "simulate-provider"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "which provider?"),
        (["pigeon"], "there is no provider pigeon"),
        (["line", "--webhook", "ftp://a"], "--webhook is no http URL"),
        (["line", "--secret", "bot_token=x"], "USE is one of access_token, channel_secret"),
        (["line", "--port", "70000"], "--port is no port"),
        (["line", "--time-scale", "0"], "--time-scale"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(arguments: list[str], words: str) -> None:
    ended = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=50, check=False)

    assert ended.returncode == 2
    assert words in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_the_list_names_every_provider() -> None:
    ended = subprocess.run([*COMMAND, "--list"], capture_output=True, text=True, timeout=50, check=False)

    assert ended.returncode == 0
    assert [line.split()[0] for line in ended.stdout.splitlines()][:3] == ["whatsapp", "messenger", "instagram"]


def test_it_says_what_to_configure_and_ends_when_it_is_asked_to() -> None:
    arguments = ["twilio", "--webhook", "http://127.0.0.1:9/{provider}", "--secret", "auth_token=t0k3n"]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.strip())
            if line.startswith("Ctrl-C"):
                break
        url = next(line.split()[-1] for line in lines if line.startswith("Control API:"))
        with urlopen(url, timeout=10) as answer:
            about = json.load(answer)
        process.send_signal(signal.SIGTERM)
        code = process.wait(20)

    assert code == 0
    assert [each["name"] for each in about] == ["twilio-sms", "twilio-whatsapp"]
    assert "auth_token  t0k3n" in lines
    assert "webhook     http://127.0.0.1:9/twilio-whatsapp" in lines
    assert about[0]["settings"]["webhook_url"] == "http://127.0.0.1:9/twilio-sms"
