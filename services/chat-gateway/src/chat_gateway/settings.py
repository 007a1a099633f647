"""Settings of the chat gateway; those of every service stand in `servicekit.settings`, those of gateways that carry
files and speak to providers in `gatewaykit.settings`."""

from typing import Annotated, Final

from gatewaykit.settings import FileSettings
from pydantic import Field, SecretStr, field_validator

PREFIX: Final = "/chat/v1"
Url = Annotated[str, Field(pattern=r"^https?://[^\s?#]+[^\s?#/]$")]


class ChatSettings(FileSettings):
    """What only the chat gateway needs."""

    visitor_secret: SecretStr = Field(
        min_length=32,
        description="Signs visitors' tokens; at least 32 characters, the same for all replicas.",
    )
    public_url: Url = Field(
        description="Where providers reach this gateway, without /chat/v1: their webhooks' URLs begin with it, and "
        "links to files that they fetch."
    )
    provider_urls: dict[str, Url] = Field(
        default_factory=dict,
        description='JSON: where a provider\'s API is, if not at the vendor\'s: {"telegram": "http://..."}. '
        "`twilio/sms` is one channel of it.",
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
    customer_file_bytes_max: int = Field(
        33_554_432, ge=1, description="Bytes of a customer's file; larger ones are not fetched. Three are on their way."
    )
    deliveries_at_once: int = Field(
        8, ge=1, le=100, description="Transactions in which one replica takes providers' deliveries at once."
    )
    deliveries_waiting: int = Field(
        200,
        ge=0,
        le=10_000,
        description="Deliveries beyond that number that may wait; further ones are answered 503, and come again.",
    )

    @field_validator("public_url", "provider_urls", mode="before")
    @classmethod
    def _without_slash(cls, value: object) -> object:
        if isinstance(value, dict):
            return {name: cls._without_slash(url) for name, url in value.items()}
        return value.rstrip("/") if isinstance(value, str) else value

    @property
    def own_origins(self) -> frozenset[str]:
        """`allowed_origins` taken apart."""
        return frozenset(origin.strip() for origin in self.allowed_origins.split(",") if origin.strip())
