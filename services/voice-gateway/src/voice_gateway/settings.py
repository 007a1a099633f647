"""Settings of the voice gateway; those of every service stand in `servicekit.settings`."""

import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from servicekit.errors import SettingsError
from servicekit.settings import Seconds

from voice_gateway.media_settings import MediaSettings

NodeName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_.-]*$")]


class PhonePlace(BaseModel):
    """Where agents' phones register."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    domain: Annotated[str, Field(min_length=1, max_length=253)]
    """Of their SIP addresses."""
    websocket_url: Annotated[str, Field(pattern=r"^wss?://\S+$")] | None = None
    """Of browsers: SIP over WebSocket (RFC 7118)."""
    sip_url: Annotated[str, Field(pattern=r"^sips?:\S+$")] | None = None
    """Of SIP phones: their registrar and proxy."""
    ice_servers: list[dict[str, object]] = Field(default_factory=list)
    """As browsers take them (RTCIceServer); secrets in it are seen by agents."""


class VoiceNode(BaseModel):
    """A node of telephony: an Asterisk, an account of a provider."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: NodeName
    """It is kept with the node's calls: another name is another node."""
    driver: Literal["simulated", "asterisk", "twilio"]
    url: str = ""
    """Where it is commanded: of an Asterisk its HTTP server."""
    user: str = ""
    """Of an account of webhook telephony: its id."""
    password_file: Path | None = None
    """A file that holds the password, or the account's token."""
    calls_max: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Calls at once; who comes beyond is told that we are congested."""
    calls_per_second: Annotated[float, Field(gt=0, le=1000)] = 20.0
    """New ones, over time."""
    calls_burst: Annotated[int, Field(ge=1, le=1000)] = 40
    """New ones at once."""
    legs_alive_seconds: Annotated[int, Field(ge=2, le=3600)] = 120
    """Its legs end by themselves when no gateway was heard of for so long."""
    phones: PhonePlace | None = None
    """Where agents' phones register at it; none: they do not, but that those of a simulated node need no place."""
    options: dict[str, str] = Field(default_factory=dict)
    """The driver's own."""

    def password(self) -> str:
        """Read from its file. Raises SettingsError."""
        if self.password_file is None:
            raise SettingsError(f"CENTRALINO_VOICE_NODES: node {self.name} needs a password_file.")
        try:
            return self.password_file.read_text().strip()
        except OSError as error:
            raise SettingsError(
                f"CENTRALINO_VOICE_NODES: the password_file of node {self.name} cannot be read ({error.strerror})."
            ) from None


_NODES: TypeAdapter[list[VoiceNode]] = TypeAdapter(list[VoiceNode])


class VoiceSettings(MediaSettings):
    """What only the voice gateway needs."""

    voice_nodes: str = Field(description="The nodes: a JSON list, or the path of a file that holds it.")
    lease_seconds: Seconds = Field(
        10, description="A replica that is not heard of for so long loses its nodes to another; calls go on meanwhile."
    )
    changes_max: int = Field(
        10_000,
        ge=1,
        description="Changes of a node that memory keeps while PostgreSQL is away; beyond it new calls are rejected.",
    )
    allowed_origins: str = Field(
        "", description="Web origins whose pages may call the API from a browser, comma-separated."
    )

    @model_validator(mode="after")
    def _has_nodes(self) -> Self:
        if self.voice_nodes.lstrip().startswith("["):
            nodes_of(self.voice_nodes)
        return self

    @property
    def nodes(self) -> list[VoiceNode]:
        """`voice_nodes` as it is now. Raises SettingsError."""
        text = self.voice_nodes
        if not text.lstrip().startswith("["):
            try:
                text = Path(text).read_text()
            except OSError as error:
                raise SettingsError(f"CENTRALINO_VOICE_NODES: the file cannot be read ({error.strerror}).") from None
        try:
            return nodes_of(text)
        except ValueError as error:
            raise SettingsError(f"CENTRALINO_VOICE_NODES: {error}.") from None

    @property
    def origins(self) -> list[str]:
        """`allowed_origins` taken apart."""
        return [origin.strip() for origin in self.allowed_origins.split(",") if origin.strip()]


def nodes_of(text: str) -> list[VoiceNode]:
    """The nodes of a JSON list. Raises ValueError, which names no value."""
    try:
        nodes = _NODES.validate_python(json.loads(text))
    except json.JSONDecodeError:
        raise ValueError("this is no JSON") from None
    except ValidationError as error:
        raise ValueError(
            "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        ) from None
    if len({node.name for node in nodes}) != len(nodes):
        raise ValueError("two nodes have one name")
    return nodes
