"""The laws of drivers on webhook telephony, in virtual time: the driver before the simulated provider."""

from collections.abc import AsyncIterator
from typing import Final

import pytest
from centralino.voice_conformance import TwilioNode
from servicekit.errors import RetryLaterError
from servicekit.testing.virtual import run_virtual
from voice_gateway.domain.commands import Command
from voice_gateway.domain.events import Snapshot
from voice_gateway.testing.driver_laws import LAWS, nodes

TROUBLED: Final = [
    name for name in LAWS if name not in {*vars(nodes), "a_room_is_recorded_and_the_paused_part_is_absent"}
]
"""Not of a node that cannot be reached, and not what is measured against a provider that answers at once."""


class Patient:
    """What an owner does: a command that could not be carried out is given again."""

    def __init__(self, node: TwilioNode) -> None:
        self._node, self._driver = node, node.driver
        self.name, self.capabilities = node.driver.name, node.driver.capabilities

    async def do(self, command: Command) -> None:
        for _ in range(5):
            try:
                await self._driver.do(command)
            except RetryLaterError:
                await self._node.lets_pass(0.5)
            else:
                return
        raise AssertionError(f"{command} cannot be carried out")

    async def snapshot(self) -> Snapshot:
        return await self._driver.snapshot()

    def recording(self, recording_id: str) -> AsyncIterator[bytes]:
        return self._driver.recording(recording_id)

    async def forget_recording(self, recording_id: str) -> None:
        await self._driver.forget_recording(recording_id)


@pytest.mark.parametrize("law", LAWS)
def test_webhook_telephony_keeps(law: str) -> None:
    async def story() -> None:
        await _kept(law, TwilioNode())

    run_virtual(story())


@pytest.mark.parametrize("law", TROUBLED)
@pytest.mark.parametrize("seed", [1, 2])
def test_webhook_telephony_keeps_in_trouble(law: str, seed: int) -> None:
    """Callbacks come twice and in another order, answers late or not at all, and some requests are too many."""

    async def story() -> None:
        node = TwilioNode(seed=seed)
        node.voice.telling.trouble.duplicate_share = 0.5
        node.voice.telling.trouble.shuffle_within_ms = 200
        node.rest.latency_seconds = 0.02
        node.rest.shares = {"too_many": 0.03, "lost": 0.05}
        node.driver = Patient(node)
        await _kept(law, node)

    run_virtual(story())


async def _kept(law: str, node: TwilioNode) -> None:
    await node.start()
    try:
        await LAWS[law](node)
    finally:
        await node.close()
