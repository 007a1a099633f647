"""Settings of the e-mail gateway; those of every service stand in `servicekit.settings`."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal, Self

from gatewaykit.settings import FileSettings
from pydantic import Field, SecretStr, field_validator, model_validator
from servicekit.settings import Port, Seconds

from email_gateway.domain.threading import Keys


class EmailSettings(FileSettings):
    """What only the e-mail gateway needs."""

    reply_secret: SecretStr = Field(
        min_length=32, description="Signs reply addresses and Message-IDs; the same for all replicas."
    )
    reply_secret_previous: SecretStr | None = Field(
        None, min_length=32, description="Still believed after a change, as long as answers may come."
    )
    authserv_id: str = Field(
        "",
        description="The name under which our own mail server writes Authentication-Results; empty: none is believed.",
    )
    trusted_mail_servers: str = Field(
        "",
        description="Addresses or networks of that mail server, comma-separated: what it says of senders is believed, "
        "and limits per IP address do not count for it.",
    )
    trusted_sealers: str = Field(
        "", description="Domains of forwarders whose ARC seal may mend a failed DMARC, comma-separated."
    )
    automatic_opens: bool = Field(
        False, description="Mail of machines and lists opens conversations; else it only joins open ones."
    )
    smtp_host: str = Field("127.0.0.1", description="Address that takes mail by SMTP.")
    smtp_port: Port = Field(0, description="Port of SMTP; 0 takes a free one, named in the event `smtp_ready`.")
    smtp_name: str = Field("localhost", description="How the SMTP server calls itself; should be its name in the DNS.")
    smtp_tls: Literal["off", "offered", "required"] = Field(
        "offered", description="STARTTLS; offered needs the certificate only if there is one."
    )
    smtp_certificate_file: Path | None = Field(None, description="PEM file of the certificate and its chain.")
    smtp_key_file: Path | None = Field(None, description="PEM file of its key.")
    smtp_message_bytes_max: int = Field(36_700_160, ge=1024, description="Bytes of one message (SIZE).")
    smtp_recipients_max: int = Field(100, ge=1, description="Recipients of one message.")
    smtp_connections_max: int = Field(200, ge=1, description="Connections in all.")
    smtp_connections_per_ip: int = Field(20, ge=1, description="Connections of one IP address.")
    smtp_messages_per_connection: int = Field(100, ge=1, description="Messages of one connection.")
    smtp_messages_per_minute: int = Field(120, ge=1, description="Messages of one IP address, over time.")
    smtp_messages_held_max: int = Field(8, ge=1, description="Messages in memory at once; further ones get 451.")
    smtp_command_seconds: Seconds = Field(120, description="A client that says nothing for so long is cut off.")
    smtp_data_seconds: Seconds = Field(600, description="How long a message may take to come.")
    smtp_data_quiet_seconds: Seconds = Field(
        30, description="How long nothing of it may come; what comes buys time at 1 KiB a second."
    )
    accept_seconds: Seconds = Field(45, description="How long accepting one may take; beyond it the sender gets 451.")
    imap_mailboxes_max: int = Field(100, ge=1, description="Mailboxes that one replica reads.")
    imap_fetches_max: int = Field(4, ge=1, description="Mailboxes from which one replica fetches at once.")

    relay_host: str = Field("127.0.0.1", description="Mail server that delivers what is sent.")
    relay_port: int = Field(587, ge=1, le=65_535, description="Its port.")
    relay_tls: Literal["implicit", "starttls", "none"] = Field(
        "starttls", description="How it is spoken to; its certificate is always verified. none: only on one machine."
    )
    relay_user: str | None = Field(None, description="Who we are there; none: no login.")
    relay_password: SecretStr | None = Field(None, description="The user's password.")
    relay_connections_max: int = Field(8, ge=1, le=100, description="Connections of one replica to it.")
    relay_per_second: float = Field(20.0, gt=0, le=10_000, description="Messages of one replica to it, over time.")
    account_per_second: float = Field(5.0, gt=0, le=1000, description="Messages of one mailbox, over all replicas.")

    @field_validator("trusted_mail_servers")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        _networks(value)
        return value

    @model_validator(mode="after")
    def _has_its_certificate(self) -> Self:
        if (self.smtp_certificate_file is None) != (self.smtp_key_file is None):
            raise ValueError("a certificate needs its key, and a key its certificate")
        if self.smtp_tls == "required" and self.smtp_certificate_file is None:
            raise ValueError("TLS that is required needs a certificate")
        if (self.relay_user is None) != (self.relay_password is None):
            raise ValueError("a relay's user needs a password, and a password its user")
        if self.relay_tls == "none" and self.relay_password is not None:
            raise ValueError("a password goes over TLS alone")
        return self

    @property
    def reply_keys(self) -> Keys:
        """What signs reply addresses and Message-IDs."""
        previous = self.reply_secret_previous
        return Keys(
            active=self.reply_secret.get_secret_value().encode(),
            previous=None if previous is None else previous.get_secret_value().encode(),
        )

    @property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """`trusted_mail_servers` taken apart."""
        return _networks(self.trusted_mail_servers)

    @property
    def sealers(self) -> frozenset[str]:
        """`trusted_sealers` taken apart."""
        return frozenset(domain.strip().lower() for domain in self.trusted_sealers.split(",") if domain.strip())


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())
