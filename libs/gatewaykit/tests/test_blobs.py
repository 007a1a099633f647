"""The stores of files, all under one suite, and what only one of them has."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterable
from pathlib import Path

import pytest
from gatewaykit.blobs import (
    BlobConflictError,
    BlobMissingError,
    Blobs,
    BlobsAwayError,
    Bucket,
    Folder,
    place_of,
)
from gatewaykit.file_blobs import FileBlobs
from gatewaykit.s3_blobs import S3Blobs
from gatewaykit.sigv4 import S3Keys, signed_headers
from gatewaykit.testing.blob_laws import PNG, BlobLaws
from gatewaykit.testing.memory_blobs import MemoryBlobs
from gatewaykit.testing.s3 import S3Server
from servicekit.ports import HttpNotSentError, HttpReply, HttpUnknownError
from servicekit.system import SystemIds
from servicekit.testing.fake_http import FakeHttp, programmed
from servicekit.testing.http_laws import reply
from servicekit.testing.set_clock import SetClock

KEYS = S3Keys(region="eu-central-1", access_key_id="AKIA", secret_access_key="hush")
BUCKET = Bucket(name="files", prefix="centralino")
ENDPOINT = "https://s3.example:9000"


class TestMemoryBlobs(BlobLaws):
    @pytest.fixture
    def blobs(self) -> Blobs:
        return MemoryBlobs()


class TestFileBlobs(BlobLaws):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Blobs:
        return FileBlobs(tmp_path / "deep" / "er", SystemIds())


class TestS3Blobs(BlobLaws):
    @pytest.fixture
    def blobs(self) -> Blobs:
        return s3(S3Server(KEYS, SetClock()))


def s3(
    server: S3Server, *, endpoint: str | None = ENDPOINT, keys: S3Keys = KEYS, clock: SetClock | None = None
) -> Blobs:
    return S3Blobs(FakeHttp(server.answer), clock or SetClock(), BUCKET, keys, endpoint=endpoint)


# The folder


async def test_a_put_that_was_cut_off_leaves_no_half_file_and_deleting_removes_its_rest(tmp_path: Path) -> None:
    blobs, halfway = FileBlobs(tmp_path, SystemIds()), asyncio.Event()

    async def endless() -> AsyncIterable[bytes]:
        yield PNG
        halfway.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(blobs.put("acme", "m-1", endless(), bytes_max=10_000))
    await asyncio.wait_for(halfway.wait(), 10)
    [part] = files_below(tmp_path)
    os.link(part, part.with_name(part.name + "crash"))  # a killed process cannot clean up
    with pytest.raises(BlobMissingError):
        await blobs.info("acme", "m-1")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert len(files_below(tmp_path)) == 1
    await blobs.delete("acme", "m-1")
    assert files_below(tmp_path) == []


async def test_no_link_in_the_folder_leads_out_of_it(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path / "blobs", SystemIds())
    await blobs.put("acme", "m-1", PNG, bytes_max=10_000)
    [path] = files_below(tmp_path / "blobs")
    (tmp_path / "secret").write_bytes(b"hush")
    path.unlink()
    path.symlink_to(tmp_path / "secret")

    with pytest.raises(BlobsAwayError):
        await blobs.get("acme", "m-1")


async def test_a_folder_that_cannot_be_written_is_away(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(BlobsAwayError):
        await FileBlobs(tmp_path / "taken", SystemIds()).put("acme", "m-1", b"", bytes_max=0)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# S3


@pytest.mark.parametrize(
    ("method", "url", "headers", "body", "signature"),
    [
        (
            "GET",
            "/test.txt",
            {"Range": "bytes=0-9"},
            b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test%24file.text",
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        ("GET", "/?lifecycle", {}, b"", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("GET", "?prefix=J&max-keys=2", {}, b"", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_signatures_are_those_of_amazons_examples(
    method: str, url: str, headers: dict[str, str], body: bytes, signature: str
) -> None:
    keys = S3Keys(
        region="us-east-1",
        access_key_id="AKIAIOSFODNN7EXAMPLE",
        secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )
    host = "https://examplebucket.s3.amazonaws.com"
    signed = signed_headers(
        method, host + url, headers, hashlib.sha256(body).hexdigest(), keys, now_ms=1_369_353_600_000
    )

    assert signed["authorization"].endswith(f",Signature={signature}")
    assert "wJalr" not in repr(keys)


async def test_objects_stand_below_prefix_and_tenant_at_the_endpoint_or_at_amazon() -> None:
    server = S3Server(KEYS, SetClock())
    await s3(server).put("acme", "m-1", PNG, bytes_max=10_000)
    assert list(server.objects) == ["/files/centralino/acme/m-1"]

    http = FakeHttp(S3Server(KEYS, SetClock()).answer)
    await S3Blobs(http, SetClock(), Bucket(name="files", prefix=""), KEYS).put("acme", "m-1", b"", bytes_max=0)
    assert http.requests[0].url == "https://files.s3.eu-central-1.amazonaws.com/acme/m-1"


async def test_wrong_keys_or_a_wrong_clock_are_refused_and_nothing_is_kept() -> None:
    server = S3Server(KEYS, SetClock())
    wrong = S3Keys(region=KEYS.region, access_key_id="AKIA", secret_access_key="other")
    late = SetClock(SetClock().now_ms() + 901_000)
    for blobs in (s3(server, keys=wrong), s3(server, clock=late)):
        with pytest.raises(BlobsAwayError):
            await blobs.put("acme", "m-1", PNG, bytes_max=10_000)

    assert server.objects == {}


async def test_a_store_without_conditions_keeps_the_last() -> None:
    blobs = s3(S3Server(KEYS, SetClock(), conditional=False))
    await blobs.put("acme", "m-1", PNG, bytes_max=10_000)
    await blobs.put("acme", "m-1", PNG, bytes_max=10_000)

    assert await blobs.get("acme", "m-1") == PNG


@pytest.mark.parametrize("trouble", [HttpNotSentError("x"), HttpUnknownError("x"), reply(500), reply(503), reply(301)])
async def test_s3_away_means_try_again(trouble: HttpReply | Exception) -> None:
    def away() -> S3Blobs:
        return S3Blobs(FakeHttp(programmed(trouble)), SetClock(), BUCKET, KEYS)

    for asking in (away().put("acme", "m-1", b"", bytes_max=0), away().info("acme", "m"), away().get("acme", "m")):
        with pytest.raises(BlobsAwayError):
            await asking
    with pytest.raises(BlobsAwayError):
        await away().delete("acme", "m-1")


async def test_a_missing_bucket_is_no_missing_file() -> None:
    blobs = S3Blobs(FakeHttp(programmed(reply(404))), SetClock(), BUCKET, KEYS)
    with pytest.raises(BlobsAwayError):
        await blobs.put("acme", "m-1", b"", bytes_max=0)


async def test_another_file_under_the_id_is_seen_by_its_hash() -> None:
    http = FakeHttp(programmed(reply(412), reply(200, x_amz_meta_sha256="0" * 64)))
    with pytest.raises(BlobConflictError):
        await S3Blobs(http, SetClock(), BUCKET, KEYS).put("acme", "m-1", PNG, bytes_max=10_000)


# URLs


def test_a_url_says_where_files_are_kept() -> None:
    assert place_of("file:///var/lib/centralino/my%20files") == Folder(path=Path("/var/lib/centralino/my files"))
    assert place_of("s3://files") == Bucket(name="files", prefix="")
    assert place_of("s3://files/a/b/") == Bucket(name="files", prefix="a/b")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/var/lib",
        "file://",
        "file:///",
        "file://host/path",
        "s3://",
        "s3://Files",
        "s3://a/../b",
        "s3://key:secret@files",
        "s3://files/?x=1",
        "s3://files/a b",
        "https://files",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL of the blob store") as caught:
        place_of(url)

    assert "secret" not in str(caught.value)
