"""The laws of drivers on a real Asterisk, with telephones that speak SIP: who hears whom is proved by tones."""

from pathlib import Path

import pytest
from voice_gateway.testing.asterisk import asterisk_under_test
from voice_gateway.testing.asterisk_install import asterisk_root, available
from voice_gateway.testing.driver_laws import LAWS

pytestmark = [pytest.mark.real_asterisk, pytest.mark.timeout(120, func_only=True)]


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    reason = available()
    if reason is not None:
        pytest.skip(reason)
    asterisk_root()


@pytest.mark.parametrize("law", LAWS)
async def test_asterisk_keeps(law: str, tmp_path: Path) -> None:
    async with asterisk_under_test(tmp_path) as node:
        await LAWS[law](node)
