"""The laws of drivers. The simulated node, Asterisk and webhook telephony all keep them.

A law is a story with a started node of its own: `await LAWS[name](node)`; a test module takes the names as parameters.
Who hears whom is asked of the phones, never of the driver. Nearly all commands are given twice, and the second time
changes nothing. What a driver's `Capabilities` deny is refused, and the law says so.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from inspect import iscoroutinefunction
from types import ModuleType
from typing import Final

from voice_gateway.testing.driver_laws import (
    arriving,
    dialling,
    endpoints,
    nodes,
    quieting,
    recording,
    rooms,
    sounds,
    supervising,
)
from voice_gateway.testing.driver_laws.order import assert_in_order
from voice_gateway.testing.node import NodeUnderTest

Law = Callable[[NodeUnderTest], Awaitable[None]]
_MODULES: Final = (arriving, dialling, endpoints, nodes, quieting, recording, rooms, sounds, supervising)


def _laws_of(module: ModuleType) -> Mapping[str, Law]:
    found = {name: each for name, each in vars(module).items() if iscoroutinefunction(each) and name[0] != "_"}
    return {name: _orderly(law) for name, law in found.items() if law.__module__ == module.__name__}


def _orderly(law: Law) -> Law:
    @wraps(law)
    async def orderly(node: NodeUnderTest) -> None:
        await law(node)
        assert_in_order(node.told.events)

    return orderly


LAWS: Final[Mapping[str, Law]] = {name: law for module in _MODULES for name, law in _laws_of(module).items()}
