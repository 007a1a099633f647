"""PostgreSQL over TLS: services and migrations understand the same URL.

The embedded PostgreSQL is built without TLS, so a server that ends it stands before the real one.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from servicekit.database import DatabaseAwayError, open_database
from servicekit.migrate import ensure_application_role, migrate
from servicekit.testing.certificates import make_certificate
from servicekit.testing.databases import ROLE
from servicekit.testing.plugin import FreshDatabase

REQUEST_BYTES = 8  # https://www.postgresql.org/docs/current/protocol-message-formats.html, SSLRequest


@asynccontextmanager
async def behind_tls(admin_url: str, certificate: Path, key: Path) -> AsyncGenerator[str]:
    """host:port of a server that lets only TLS in, and passes what comes on to PostgreSQL."""
    place = urlsplit(admin_url)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):  # a client that does not trust us, or is closed
            await reader.readexactly(REQUEST_BYTES)
            writer.write(b"S")
            await writer.start_tls(context)
            behind, to_behind = await asyncio.open_connection(place.hostname, place.port)
            await asyncio.gather(pass_on(reader, to_behind), pass_on(behind, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def at(url: str, address: str, *, role: str | None = None, **options: str) -> str:
    parts = urlsplit(url)
    before = f"{role}:{role}" if role else parts.netloc.rpartition("@")[0]
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return urlunsplit(parts._replace(netloc=f"{before}@{address}", query=query))


async def test_services_and_migrations_verify_the_server_by_the_same_url(
    postgres: FreshDatabase, tmp_path: Path
) -> None:
    made = make_certificate(tmp_path)
    async with behind_tls(postgres.admin_url, made.certificate, made.key) as address:
        trusting = {"sslmode": "verify-full", "sslrootcert": str(made.certificate)}
        admin_url = at(postgres.admin_url, address, **trusting)
        url = at(postgres.admin_url, address, role=ROLE, **trusting)
        await ensure_application_role(admin_url=admin_url, application_url=url)
        applied = await migrate("servicekit", admin_url=admin_url, application_url=url)
        async with open_database(url, schema="servicekit") as database, database.transaction("acme") as transaction:
            rows = await transaction.all("SELECT id FROM outbox")

    assert applied == ["servicekit/0001_common.sql"]
    assert rows == []


async def test_a_server_that_nobody_vouches_for_is_refused_by_both(postgres: FreshDatabase, tmp_path: Path) -> None:
    for folder in ("ours", "other"):
        (tmp_path / folder).mkdir()
    made, other = make_certificate(tmp_path / "ours"), make_certificate(tmp_path / "other")
    async with behind_tls(postgres.admin_url, made.certificate, made.key) as address:
        url = at(postgres.admin_url, address, sslmode="verify-ca", sslrootcert=str(other.certificate))
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncpg.connect(url, timeout=10)
        with pytest.raises(DatabaseAwayError, match="SSLCertVerificationError"):
            async with open_database(url, schema="servicekit") as database, database.transaction("acme"):
                pass


async def test_a_server_without_tls_is_refused_when_tls_is_required(postgres: FreshDatabase) -> None:
    url = f"{postgres.admin_url}?sslmode=require"

    with pytest.raises(ConnectionError):
        await asyncpg.connect(url, timeout=10)
    with pytest.raises(DatabaseAwayError, match="ConnectionError"):
        async with open_database(url, schema="servicekit") as database, database.transaction("acme"):
            pass
