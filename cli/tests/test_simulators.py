"""The simulated providers as a part of a development stack."""

from pathlib import Path

import httpx
from centralino.providers.server import providers_server
from centralino.sample import TENANT
from centralino.simulators import write_secrets


async def test_links_lead_to_where_the_gateway_finds_the_process() -> None:
    async with (
        providers_server(["slack"], url="http://providers:8080") as (listening, simulated),
        httpx.AsyncClient() as client,
    ):
        port = listening.rpartition(":")[2]
        [told] = (await client.get(f"http://127.0.0.1:{port}/simulator")).json()

    assert told["api_url"] == "http://providers:8080/slack"
    assert simulated["slack"].base_url == "http://providers:8080/slack"


async def test_the_secrets_in_the_folder_are_those_that_the_process_signs_with(tmp_path: Path) -> None:
    write_secrets(tmp_path, seed=7)
    async with providers_server(["slack"], seed=7) as (_, simulated):
        secret = simulated["slack"].vendor.secrets["signing_secret"]

    file = tmp_path / TENANT / "slack-signing-secret"
    assert file.read_text() == secret
    assert file.stat().st_mode & 0o777 == 0o600
