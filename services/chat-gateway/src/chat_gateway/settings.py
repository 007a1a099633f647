"""Settings of the chat gateway; those of every service stand in `servicekit.settings`."""

from pydantic import Field, SecretStr
from servicekit.settings import ServiceSettings


class ChatSettings(ServiceSettings):
    """What only the chat gateway needs."""

    visitor_secret: SecretStr = Field(
        min_length=32,
        description="Signs visitors' tokens; at least 32 characters, the same for all replicas.",
    )
    allowed_origins: str = Field(
        "", description="Web origins of our own pages, comma-separated; each address has its own list in configuration."
    )
    pages_directory: str | None = Field(
        None, description="Folder of pages: `customer` in it is served at /customer, `shared` at /shared; none: not."
    )
    sockets_max: int = Field(10_000, ge=1, description="Visitors' sockets that one replica holds.")
    messages_per_minute: int = Field(
        60, ge=1, le=6000, description="Messages and typing signals per socket, over time."
    )
    messages_burst: int = Field(20, ge=1, le=1000, description="Messages and typing signals per socket at once.")
    windows_per_minute: int = Field(30, ge=1, le=6000, description="Chat windows one IP address may open, over time.")
    windows_burst: int = Field(30, ge=1, le=1000, description="Chat windows one IP address may open at once.")
    socket_idle_seconds: int = Field(120, ge=5, description="A socket without any frame from the page is closed.")

    @property
    def own_origins(self) -> frozenset[str]:
        """`allowed_origins` taken apart."""
        return frozenset(origin.strip() for origin in self.allowed_origins.split(",") if origin.strip())
