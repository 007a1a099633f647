"""Who writes, by which provider, and what a gateway must be told to hear them."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from centralino.providers.catalogue import configuration, made
from centralino.providers.people import Message, World
from centralino.providers.vendor import Attempt, Simulation
from centralino.providers.wire import Parcel
from chat_gateway.testing.samples import DOMAIN, TENANT
from gatewaykit.domain.provider import Account, WebRequest

CUSTOMERS: Final = 200
PUBLIC_URL: Final = "https://chat.example"
PATH: Final = "/chat/v1/webhooks/"
"""Below it addresses, which are called as the simulated providers."""


class Customers:
    """Of one simulated account."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.url = f"{PUBLIC_URL}{PATH}{name}"
        self.vendor = made(name, World(7), Simulation(), seed=7, secrets={})
        self._people = [self.vendor.new_customer(f"Customer {number}", None) for number in range(CUSTOMERS)]
        self._said = 0

    @property
    def account(self) -> Account:
        """As provider files want it."""
        vendor = self.vendor
        return Account(
            tenant_id=TENANT,
            address=self.name,
            channel=vendor.channel,
            provider=vendor.provider,
            account_id=vendor.account_id,
            api_url="https://api.example",
            webhook_url=self.url,
            secrets={use: (secret,) for use, secret in vendor.secrets.items()},
            options=vendor.options(),
        )

    def deliveries(self, count: int) -> list[Parcel]:
        """So many new texts, signed now; the customers take turns."""
        return [self._delivery() for _ in range(count)]

    def _delivery(self) -> Parcel:
        self._said += 1
        customer, now_ms = self._people[self._said % CUSTOMERS], self.vendor.world.now_ms()
        message = Message(
            id=self.vendor.new_message_id(customer),
            customer=customer.id,
            from_customer=True,
            at_ms=now_ms,
            text=f"Where is my order {self._said}? I have been waiting for a week.",
        )
        attempt = Attempt(number=1, key=f"{self._said}", at_ms=now_ms)
        return self.vendor.parcel([self.vendor.said(customer, message)], attempt, self.url)


def as_request(parcel: Parcel) -> WebRequest:
    """As provider files want it."""
    headers = {name.lower(): value for name, value in parcel.headers.items()}
    return WebRequest(method="POST", url=parcel.url, headers=headers, query={}, body=parcel.body)


def given(folder: Path, customers: Collection[Customers], database_url: str, redis_url: str) -> Mapping[str, object]:
    """What a server is told: settings, and addresses with their accounts. Secrets are written where it reads them."""
    secrets = folder / "secrets" / TENANT
    secrets.mkdir(parents=True)
    for each in customers:
        for use, secret in each.vendor.secrets.items():
            (secrets / f"{each.name}-{use}".replace("_", "-")).write_text(secret)  # as `configuration` names it
    place = {"client": "shop", "domain": DOMAIN, "queue": "support-en"}
    settings = {
        "database_url": database_url,
        "redis_url": redis_url,
        "visitor_secret": "a-secret-of-thirty-two-characters",
        "file_link_secrets": "another-secret-of-thirty-two-characters",
        "files_url": f"file://{folder}/files",
        "secrets_path": str(folder / "secrets"),
        "public_url": PUBLIC_URL,
    }
    return {"settings": settings, "addresses": [{**configuration(each.vendor), **place} for each in customers]}
