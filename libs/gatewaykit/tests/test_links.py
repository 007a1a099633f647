"""Signed links, and what their holders get."""

from collections.abc import AsyncGenerator
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import pytest
from gatewaykit.blobs import PIECE_BYTES
from gatewaykit.links import (
    Disposition,
    Link,
    LinkExpiredError,
    LinkForgedError,
    LinkKeys,
    clean_name,
    content_disposition,
)
from gatewaykit.links_api import files_router
from gatewaykit.testing.memory_blobs import MemoryBlobs
from hypothesis import given
from hypothesis import strategies as st
from servicekit.telemetry import Telemetry
from servicekit.testing.set_clock import NOW_MS, SetClock
from servicekit.web import create_app

OLD, NEW, OTHER = "o" * 32, "n" * 32, "x" * 32
LINK = Link(tenant_id="acme", blob_id="m-1.0", expires_at_ms=NOW_MS + 60_000, name="Grüße 1.pdf")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 5000
KEYS = LinkKeys([NEW, OLD])


def opened(path: str, keys: LinkKeys = KEYS, *, now_ms: int = NOW_MS) -> Link:
    parts = urlsplit(path)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return keys.checked(parts.path.rpartition("/")[2], query, now_ms=now_ms)


def test_a_link_says_what_it_was_made_for() -> None:
    assert opened(KEYS.signed(LINK)) == LINK
    assert KEYS.signed(LINK).startswith("/files/m-1.0?tenant=acme&as=attachment&until=")


def test_the_secret_before_is_believed_and_a_third_is_not() -> None:
    old = LinkKeys([OLD]).signed(LINK)

    assert opened(old) == LINK
    for keys in (LinkKeys([OTHER]), LinkKeys([OTHER, NEW])):
        with pytest.raises(LinkForgedError):
            opened(old, keys)


def test_a_link_expires_at_its_second() -> None:
    path = KEYS.signed(LINK)
    opened(path, now_ms=LINK.expires_at_ms - 1)

    with pytest.raises(LinkExpiredError):
        opened(path, now_ms=LINK.expires_at_ms)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("m-1.0?", "m-1.1?"),
        ("tenant=acme", "tenant=globex"),
        ("as=attachment", "as=inline"),
        ("until=1", "until=2"),
        ("name=Gr", "name=gr"),
        ("key=", "key=0"),
        ("&sig=", "&sig=A"),
        ("&sig=", "&gis="),
        ("tenant=acme&as=attachment", "tenant=acmea&as=ttachment"),
        ("&until", "&utnil"),
    ],
)
def test_no_part_of_a_link_can_be_changed(old: str, new: str) -> None:
    path = KEYS.signed(LINK)
    assert old in path
    with pytest.raises(LinkForgedError):
        opened(path.replace(old, new))
    with pytest.raises(LinkForgedError):  # also long after it expired
        opened(path.replace(old, new), now_ms=NOW_MS * 2)


@pytest.mark.parametrize("secrets", [[], ["short"], [NEW, ""], [NEW, OLD, OTHER]])
def test_weak_secrets_are_refused(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="32"):
        LinkKeys(secrets)


@given(st.text(max_size=300), st.sampled_from(["attachment", "inline"]))
def test_any_name_goes_through_a_link_and_a_header(name: str, disposition: Disposition) -> None:
    link = Link(tenant_id="acme", blob_id="m-1", expires_at_ms=NOW_MS + 1000, disposition=disposition, name=name)
    assert opened(KEYS.signed(link)).name == clean_name(name)

    header, shown = content_disposition(disposition, name), clean_name(name) or "file"
    fields = header.split("; ", 2)
    assert header.isascii()
    assert header.isprintable()
    assert fields[0] == disposition
    assert fields[1] == f'filename="{shown}"' or unquote(fields[2]) == f"filename*=UTF-8''{shown}"
    assert fields[1].count('"') == 2


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\a.txt", "C__a.txt"),
        ("a\r\nset-cookie: b.pdf", "aset-cookie_ b.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("..", ""),
        ("\ud800", ""),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("x." + "y" * 300, "x." + "y" * 198),
    ],
)
def test_a_name_leaves_no_folder_and_hides_no_ending(name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned


def test_a_file_without_a_name_gets_one() -> None:
    assert content_disposition("attachment", "", extension=".jpg") == 'attachment; filename="file.jpg"'
    assert content_disposition("inline", "ä.png") == "inline; filename=\"_.png\"; filename*=UTF-8''%C3%A4.png"


# Over HTTP


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


@pytest.fixture
async def client(blobs: MemoryBlobs, clock: SetClock) -> AsyncGenerator[httpx.AsyncClient]:
    await blobs.put("acme", "m-1.0", PNG, bytes_max=len(PNG))
    app = create_app("Test", "/chat/v1", routers=[files_router(blobs, KEYS, clock)], telemetry=Telemetry("tests"))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test/chat/v1") as client:
        yield client


def linked(blob_id: str = "m-1.0", *, disposition: Disposition = "attachment", name: str = "a.png") -> str:
    return KEYS.signed(
        Link(tenant_id="acme", blob_id=blob_id, expires_at_ms=NOW_MS + 60_000, disposition=disposition, name=name)
    ).lstrip("/")


async def test_a_link_gives_the_file_safely(client: httpx.AsyncClient) -> None:
    answer = await client.get(linked())

    assert (answer.status_code, answer.content) == (200, PNG)
    headers = answer.headers
    assert (headers["content-type"], headers["content-length"]) == ("image/png", str(len(PNG)))
    assert headers["content-disposition"] == 'attachment; filename="a.png"'
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "private, max-age=60"
    assert "set-cookie" not in headers


@pytest.mark.parametrize(
    ("content", "mime", "disposition"),
    [
        (PNG, "image/png", "inline"),
        (b"<svg onload=alert(1)>", "text/plain", "attachment"),
        (b"<!DOCTYPE html><script>", "text/plain", "attachment"),
        (b"%PDF-1.7", "application/pdf", "attachment"),
        (b"\x7fELF", "application/octet-stream", "attachment"),
    ],
)
async def test_only_what_holds_no_script_is_shown(
    client: httpx.AsyncClient, blobs: MemoryBlobs, content: bytes, mime: str, disposition: str
) -> None:
    await blobs.put("acme", "m-2", content, bytes_max=len(content))
    answer = await client.get(linked("m-2", disposition="inline"))

    assert answer.headers["content-type"] == mime
    assert answer.headers["content-disposition"].partition(";")[0] == disposition


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=1000-", 1000, len(PNG)),
        ("bytes=-5", len(PNG) - 5, len(PNG)),
        (f"bytes=-{len(PNG) * 2}", 0, len(PNG)),
        (f"bytes=5-{len(PNG) * 2}", 5, len(PNG)),
        (f"bytes=5-{PIECE_BYTES + 99}", 5, PIECE_BYTES + 100),
        (f"bytes={PIECE_BYTES - 1}-{PIECE_BYTES}", PIECE_BYTES - 1, PIECE_BYTES + 1),
    ],
)
async def test_a_range_is_answered_with_that_part(client: httpx.AsyncClient, asked: str, start: int, end: int) -> None:
    answer = await client.get(linked(), headers={"range": asked})

    assert (answer.status_code, answer.content) == (206, PNG[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(PNG)}"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=9-3", "bytes=a-b", "bytes"])
async def test_what_is_no_single_range_of_bytes_gets_all(client: httpx.AsyncClient, asked: str) -> None:
    assert (await client.get(linked(), headers={"range": asked})).status_code == 200


async def test_a_range_of_another_file_than_the_one_begun_gets_all(client: httpx.AsyncClient) -> None:
    etag = (await client.head(linked())).headers["etag"]
    for condition, status in ((etag, 206), ('"other"', 200)):
        answer = await client.get(linked(), headers={"range": "bytes=0-9", "if-range": condition})
        assert answer.status_code == status


async def test_a_range_beyond_the_end_says_how_long_the_file_is(client: httpx.AsyncClient) -> None:
    answer = await client.get(linked(), headers={"range": f"bytes={len(PNG)}-"})

    assert (answer.status_code, answer.json()["code"]) == (416, "range_outside")
    assert answer.headers["content-range"] == f"bytes */{len(PNG)}"


async def test_head_tells_and_gives_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.head(linked())

    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", str(len(PNG)))


async def test_an_empty_file_is_served(client: httpx.AsyncClient, blobs: MemoryBlobs) -> None:
    await blobs.put("acme", "m-2", b"", bytes_max=0)
    answer = await client.get(linked("m-2", name=""))

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-disposition"] == 'attachment; filename="file.txt"'


async def test_a_refusal_says_why(client: httpx.AsyncClient, blobs: MemoryBlobs, clock: SetClock) -> None:
    path = linked()

    async def refusal(path: str) -> tuple[int, str, str]:
        answer = await client.get(path)
        return answer.status_code, answer.json()["code"], answer.headers["content-type"]

    assert await refusal("files/m-1.0") == (403, "link_refused", "application/problem+json")
    assert await refusal(path.replace("acme", "globex")) == (403, "link_refused", "application/problem+json")
    await blobs.delete("acme", "m-1.0")
    assert await refusal(path) == (404, "file_gone", "application/problem+json")
    clock.at_ms += 60_000
    assert await refusal(path) == (410, "link_expired", "application/problem+json")
