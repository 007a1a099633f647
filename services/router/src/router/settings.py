"""Settings of the router's two roles; those of every service stand in `servicekit.settings`."""

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
    development_signing_key_file: str | None = Field(
        None, description="Private key with which the API signs tokens for anybody. Only for development."
    )
