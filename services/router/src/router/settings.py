"""Settings of the router's two roles; those of every service stand in `servicekit.settings`."""

from pathlib import Path

from pydantic import Field, SecretStr
from servicekit.settings import Seconds, ServiceSettings


class EngineSettings(ServiceSettings):
    """Role `engine`."""

    domain_partitions: int = Field(4, ge=1, le=1000, description="Partitions that routing domains are spread over.")
    owner_lease_seconds: Seconds = Field(2, description="A dead engine's partitions are free after so long.")
    snapshot_every_records: int = Field(
        2000, ge=10, description="A snapshot is made when the journal has grown by so many published records."
    )
    journal_generation: int = Field(
        1, ge=1, le=9999, description="Raise it by one when the journal was created anew beside older events."
    )


class ApiSettings(ServiceSettings):
    """Settings of the role `api`."""

    domain_partitions: int = Field(
        4, ge=1, le=1024, description="Partitions of the topics that domains are spread over."
    )
    command_wait_seconds: float = Field(3, gt=0, le=20, description="How long a request waits for a command's result.")
    sockets_max: int = Field(2000, ge=1, description="Agents' and supervisors' sockets that one replica holds.")
    allowed_origins: str = Field("", description="Web origins whose pages may call the API, comma-separated.")
    api_key_pepper: SecretStr | None = Field(
        None, min_length=32, description="Secret of at least 32 bytes behind API keys; without it there are none."
    )
    api_key_environment: str = Field("dev", pattern="^[a-z0-9]{1,16}$", description="Named in API keys (cnt_<it>_...).")
    pages_directory: str | None = Field(
        None, description="Folder of pages: `agent` in it is served at /agent, `shared` at /shared; none: not."
    )
    files_url: str = Field(
        "",
        description="Where the gateways keep files: file:///path, shared with them, or s3://bucket/prefix; none: "
        "agents send and fetch none.",
    )
    file_link_secrets: SecretStr | None = Field(
        None, description="Sign links to files, as the gateways' do; needed with files."
    )
    s3_endpoint: str | None = Field(None, description="URL of an S3-compatible store; none: Amazon's.")
    s3_region: str = Field("us-east-1", description="Region that requests to S3 are signed for.")
    s3_access_key_id: str | None = Field(None, description="Key that s3://… needs.")
    s3_secret_access_key: SecretStr | None = Field(None, description="Its secret.")
    ca_file: Path | None = Field(None, description="PEM file of further authorities that are trusted, of S3's.")
    development_signing_key_file: str | None = Field(
        None, description="Private key with which the API signs tokens for anybody. Only for development."
    )
