"""A new release is started before its migrations are applied: it does nothing until they are."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from centralino.development import lay_out_pages
from centralino.home import Home
from centralino.services import (
    RELAY,
    Backends,
    ServiceSpec,
    Setting,
    command,
    database_url,
    environment,
    port_names,
    services,
)
from servicekit.migrate import apply, ensure_application_role, migrations_of, role_of
from servicekit.testing.parts import part

STEP_SECONDS_MAX = 30


@pytest.fixture(scope="module")
def own_postgres_url() -> Iterator[str]:
    """Roles belong to a whole server, and other tests give those of the services other passwords."""
    with part("postgres") as url:
        yield url


@pytest.mark.parametrize("spec", [spec for spec in services() if spec.schema], ids=lambda spec: spec.name)
async def test_a_service_is_not_ready_before_its_last_migration(
    spec: ServiceSpec, own_postgres_url: str, redis_url: str, kafka_url: str, tmp_path: Path
) -> None:
    assert spec.schema is not None
    admin_url = own_postgres_url
    backends = Backends(kafka=kafka_url, redis=redis_url, postgres=admin_url)
    ports = dict.fromkeys(port_names(services()), 0) | {RELAY: 25}  # where nobody is
    setting = Setting(home=Home.open(tmp_path), backends=backends, ports=ports, pages=tmp_path / "pages")
    lay_out_pages(setting.pages, {})
    release, url = migrations_of(spec.schema), database_url(spec.schema, setting)
    await ensure_application_role(admin_url=admin_url, application_url=url)
    role = role_of(url)
    await apply(release[:-1], schema=spec.schema, admin_url=admin_url, application_role=role)
    async with started(spec, setting) as told:
        early = await until(told, "schema_awaited")
        await apply(release, schema=spec.schema, admin_url=admin_url, application_role=role)
        await until(told, "service_ready")

    assert [event["event"] for event in early] == ["schema_awaited"]
    assert early[0]["why"] == f"lacks {release[-1].package}/{release[-1].name}"


@asynccontextmanager
async def started(spec: ServiceSpec, setting: Setting) -> AsyncGenerator[asyncio.StreamReader]:
    """Its log events, one a line."""
    process = await asyncio.create_subprocess_exec(
        *command(spec), env=os.environ | environment(spec, setting), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.kill()
        await process.communicate()


async def until(told: asyncio.StreamReader, name: str) -> list[dict[str, str]]:
    """All events up to the first of this name."""
    events: list[dict[str, str]] = []
    async with asyncio.timeout(STEP_SECONDS_MAX):
        while not events or events[-1]["event"] != name:
            line = await told.readline()
            assert line, f"{name} never came: {events}"
            events.append(json.loads(line))
    return events
