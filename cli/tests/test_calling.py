"""The customer of `centralino call`."""

from collections.abc import Iterator
from typing import Any

import pytest
from centralino.calling import CustomersPhone, heard_as

IDLE = {"talks": False, "hears": []}


class Gateway:
    """Answers what a phone hears, one after the other; an exception among it is raised."""

    def __init__(self, *seen: dict[str, Any] | BaseException) -> None:
        self.pressed: list[str] = []
        self._seen: Iterator[dict[str, Any] | BaseException] = iter(seen)

    def ask(self, method: str, path: str, body: object) -> tuple[int, dict[str, Any]]:
        if method == "POST":
            self.pressed.append(path.rpartition("/")[2])
            return 201, {}
        seen = next(self._seen)
        if isinstance(seen, BaseException):
            raise seen
        return 200, seen


@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(143), OSError("gone")])
def test_however_the_command_ends_the_customer_hangs_up(end: BaseException) -> None:
    gateway = Gateway({"talks": True, "hears": ["music"]}, end)

    with pytest.raises(type(end)):
        CustomersPhone(gateway.ask, "+12025550123").call("+12025550100")

    assert gateway.pressed == ["calls", "hang_up"]


def test_what_is_heard_is_said_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    hears = ["a1b2c3d4e5f60718293a4", "+12025550199", "words:Welcome."]
    gateway = Gateway({"talks": True, "hears": hears}, IDLE)

    assert CustomersPhone(gateway.ask, "+12025550123").call("+12025550100", "1") == 0

    assert gateway.pressed == ["calls", "keys", "hang_up"]
    assert capsys.readouterr().out.splitlines()[1:] == [
        '  hears an agent, +12025550199, "Welcome."',
        "The call is over.",
    ]


@pytest.mark.parametrize("name", ["music", "ringing", "sound:acme/welcome.wav", "anna"])
def test_other_sounds_keep_their_names(name: str) -> None:
    assert heard_as(name) == name
