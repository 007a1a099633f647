"""The laws of drivers on the simulated node, in virtual time."""

import pytest
from servicekit.testing.virtual import run_virtual
from voice_gateway.testing.driver_laws import LAWS
from voice_gateway.testing.simulated import SimulatedNode


@pytest.mark.parametrize("law", LAWS)
def test_the_simulated_node_keeps(law: str) -> None:
    async def story() -> None:
        node = SimulatedNode()
        await node.start()
        try:
            await LAWS[law](node)
        finally:
            await node.close()

    run_virtual(story())
