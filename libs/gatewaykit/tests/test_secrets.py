"""Tenants' secrets from files."""

import os
from pathlib import Path

import pytest
from gatewaykit.secrets import SecretMissingError, Secrets
from servicekit.testing.set_clock import SetClock


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def secrets(tmp_path: Path, clock: SetClock) -> Secrets:
    (tmp_path / "acme").mkdir()
    return Secrets(tmp_path, clock)


def give(folder: Path, name: str, content: bytes) -> None:
    """As Kubernetes does it: a link to a folder of this version, changed in one step."""
    version = folder / f"..{name}.{len(list(folder.iterdir()))}"
    version.mkdir()
    (version / name).write_bytes(content)
    (folder / "..new").symlink_to(version.name)
    (folder / "..new").replace(folder / f"..data.{name}")
    if not (folder / name).is_symlink():
        (folder / name).symlink_to(Path(f"..data.{name}") / name)


async def test_a_secret_is_its_files_text_without_the_last_line_end(secrets: Secrets, tmp_path: Path) -> None:
    give(tmp_path / "acme", "meta.app", b"  hush \r\n")
    give(tmp_path / "acme", "key", b"-----BEGIN\nabc\n-----END\n")

    assert secrets.secret("acme", "meta.app") == "  hush "
    assert secrets.secret("acme", "key") == "-----BEGIN\nabc\n-----END"


async def test_a_changed_file_counts_after_ten_seconds(secrets: Secrets, tmp_path: Path, clock: SetClock) -> None:
    give(tmp_path / "acme", "app", b"one")
    heard = [secrets.secret("acme", "app")]
    give(tmp_path / "acme", "app", b"two")
    clock.at_ms += 9_999
    heard.append(secrets.secret("acme", "app"))
    clock.at_ms += 1
    heard.append(secrets.secret("acme", "app"))
    give(tmp_path / "acme", "app", b"six")
    clock.at_ms -= 3_600_000
    heard.append(secrets.secret("acme", "app"))

    assert heard == ["one", "one", "two", "six"]


async def test_a_file_that_is_as_it_was_is_not_read_again(secrets: Secrets, tmp_path: Path, clock: SetClock) -> None:
    path = tmp_path / "acme" / "app"
    path.write_bytes(b"one")
    secrets.secret("acme", "app")
    stat = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    clock.at_ms += 10_000

    assert secrets.secret("acme", "app") == "one"


async def test_one_that_comes_or_goes_later_is_noticed(secrets: Secrets, tmp_path: Path, clock: SetClock) -> None:
    with pytest.raises(SecretMissingError):
        secrets.secret("acme", "app")
    give(tmp_path / "acme", "app", b"one")
    clock.at_ms += 10_000
    assert secrets.secret("acme", "app") == "one"
    (tmp_path / "acme" / "app").unlink()
    clock.at_ms += 10_000

    with pytest.raises(SecretMissingError):
        secrets.secret("acme", "app")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "is not there"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff", "is no UTF-8 text"),
        (b"x" * 65_537, "has more than 65536 bytes"),
    ],
)
async def test_a_fault_names_tenant_and_secret_and_no_value(
    secrets: Secrets, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None, fault: str
) -> None:
    if content is not None:
        give(tmp_path / "acme", "app", content)
    for _ in range(2):
        with pytest.raises(SecretMissingError) as caught:
            secrets.secret("acme", "app")
        assert str(caught.value) == f"tenant acme: secret app {fault}"

    assert [vars(record)["secret"] for record in caplog.records] == ["app"]


async def test_a_folder_under_the_name_is_no_secret(secrets: Secrets, tmp_path: Path) -> None:
    (tmp_path / "acme" / "app").mkdir()
    with pytest.raises(SecretMissingError, match="cannot be read"):
        secrets.secret("acme", "app")


async def test_a_tenant_has_no_other_tenants_secret(secrets: Secrets, tmp_path: Path) -> None:
    give(tmp_path / "acme", "app", b"hush")
    with pytest.raises(SecretMissingError):
        secrets.secret("globex", "app")


@pytest.mark.parametrize(
    ("tenant_id", "name"),
    [
        *(("acme", name) for name in ("../globex/app", "..", "..data", "", "a/b", "a\n", "a\0b", "x" * 101)),
        *((tenant_id, "app") for tenant_id in ("..", "", "acme/x", "acme\n")),
    ],
)
async def test_no_name_leads_elsewhere(secrets: Secrets, tenant_id: str, name: str) -> None:
    with pytest.raises(ValueError, match="not a tenant"):
        secrets.secret(tenant_id, name)


async def test_each_use_has_the_current_one_and_perhaps_the_one_before(secrets: Secrets, tmp_path: Path) -> None:
    give(tmp_path / "acme", "app.2", b"new")
    give(tmp_path / "acme", "app.1", b"old")
    names = {"app_secret": ["app.2", "app.1"], "access_token": ["app.1", "app.0"]}

    assert secrets.by_use("acme", names) == {"app_secret": ("new", "old"), "access_token": ("old",)}
    with pytest.raises(SecretMissingError, match=r"app\.0"):
        secrets.by_use("acme", {"app_secret": ["app.0", "app.1"]})
    assert "new" not in f"{secrets!r} {vars(secrets)}"
