"""Settings of gateways that carry files and speak to providers; a gateway's own settings extend them."""

from pathlib import Path
from typing import Protocol

from pydantic import Field, SecretStr, field_validator
from servicekit.errors import SettingsError
from servicekit.ports import Clock, Http, Ids
from servicekit.settings import PREFIX, ServiceSettings

from gatewaykit.blobs import Blobs, Folder, place_of
from gatewaykit.file_blobs import FileBlobs
from gatewaykit.links import LinkKeys
from gatewaykit.s3_blobs import S3Blobs
from gatewaykit.sigv4 import S3Keys


class FilesAt(Protocol):
    """Settings that say where files are kept; also of a service that is no gateway."""

    @property
    def files_url(self) -> str:
        """See FileSettings."""
        ...

    @property
    def s3_endpoint(self) -> str | None:
        """See FileSettings."""
        ...

    @property
    def s3_region(self) -> str:
        """See FileSettings."""
        ...

    @property
    def s3_access_key_id(self) -> str | None:
        """See FileSettings."""
        ...

    @property
    def s3_secret_access_key(self) -> SecretStr | None:
        """See FileSettings."""
        ...


class FileSettings(ServiceSettings):
    """Where files and secrets are, and whom we may ask for them."""

    files_url: str = Field(
        description="Where files are kept: file:///path, shared by all replicas, or s3://bucket/prefix."
    )
    file_bytes_max: int = Field(
        104_857_600, ge=1, description="Bytes of one file; on its way to S3 it stands in a temporary file."
    )
    file_link_secrets: SecretStr = Field(
        description="Sign links to files: the current secret and perhaps, after a comma, the one before; at least 32 "
        "characters each, the same for all replicas."
    )
    s3_endpoint: str | None = Field(None, description="URL of an S3-compatible store; none: Amazon's.")
    s3_region: str = Field("us-east-1", description="Region that requests to S3 are signed for.")
    s3_access_key_id: str | None = Field(None, description="Key that s3://… needs.")
    s3_secret_access_key: SecretStr | None = Field(None, description="Its secret.")
    secrets_path: Path = Field(description="Folder of the tenants' secrets: files <tenant id>/<name>.")
    ca_file: Path | None = Field(
        None, description="PEM file of authorities that are trusted as well as the system's, where we are the client."
    )
    fetch_hosts: str = Field(
        "",
        description="Hosts, or host:port, comma-separated, whose files are fetched though their addresses are not "
        "public or they have no TLS: simulators and services beside us.",
    )

    @field_validator("files_url")
    @classmethod
    def _is_a_place(cls, value: str) -> str:
        place_of(value)
        return value

    @field_validator("file_link_secrets")
    @classmethod
    def _are_strong(cls, value: SecretStr) -> SecretStr:
        link_keys_of(value)
        return value

    @property
    def fetch_hosts_allowed(self) -> frozenset[str]:
        """`fetch_hosts` taken apart."""
        return frozenset(host.strip() for host in self.fetch_hosts.split(",") if host.strip())

    @property
    def link_keys(self) -> LinkKeys:
        """What signs links."""
        return link_keys_of(self.file_link_secrets)


def blobs_of(settings: FilesAt, http: Http, clock: Clock, ids: Ids) -> Blobs:
    """The store that the settings name. Raises SettingsError when they lack what it needs."""
    place = place_of(settings.files_url)
    if isinstance(place, Folder):
        return FileBlobs(place.path, ids)
    if settings.s3_access_key_id is None or settings.s3_secret_access_key is None:
        raise SettingsError(f"{PREFIX}S3_ACCESS_KEY_ID, {PREFIX}S3_SECRET_ACCESS_KEY: s3:// needs both.")
    keys = S3Keys(
        region=settings.s3_region,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=settings.s3_secret_access_key.get_secret_value(),
    )
    return S3Blobs(http, clock, place, keys, endpoint=settings.s3_endpoint)


def link_keys_of(secrets: SecretStr) -> LinkKeys:
    """Of one or two secrets with a comma between. Raises ValueError."""
    return LinkKeys([secret.strip() for secret in secrets.get_secret_value().split(",")])
