"""Who writes, by which provider, and what a gateway must be told to hear them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from centralino.providers.catalogue import configuration, made
from centralino.providers.people import Message, World
from centralino.providers.vendor import Attempt, Event, Simulation
from centralino.providers.wire import Parcel
from chat_gateway.testing.samples import DOMAIN, TENANT
from gatewaykit.domain.provider import Account, WebRequest

CUSTOMERS: Final = 200
PUBLIC_URL: Final = "https://chat.example"
PATH: Final = "/chat/v1/webhooks/"
"""Below it addresses, which are called as the simulated providers."""


class Customers:
    """Of one simulated account; `now_ms` is its vendor's clock, none: this machine's."""

    def __init__(self, name: str, count: int = CUSTOMERS, *, now_ms: Callable[[], int] | None = None) -> None:
        self.name = name
        self.url = f"{PUBLIC_URL}{PATH}{name}"
        self.vendor = made(name, World(7, now_ms=now_ms), Simulation(), seed=7, secrets={})
        self._people = [self.vendor.new_customer(f"Customer {number}", f"+1650{number:07d}") for number in range(count)]
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

    def delivery(self, says: Sequence[tuple[int, str]]) -> Parcel:
        """One with these texts, each of the customer of a number, signed now."""
        vendor = self.vendor
        events = []
        for number, text in says:
            customer = self._people[number]
            message = Message(
                id=vendor.new_message_id(customer),
                customer=customer.id,
                from_customer=True,
                at_ms=vendor.world.now_ms(),
                text=text,
            )
            events.append(vendor.said(customer, message))
        return self._signed(events)

    def status(self, number: int) -> Parcel | None:
        """That the customer's device got a message of the centre's; none: the vendor does not tell that by itself."""
        event = self.vendor.reported(self.vendor.to_customer(self._people[number]), "delivered", None)
        return None if event is None else self._signed([event])

    def _delivery(self) -> Parcel:
        self._said += 1
        text = f"Where is my order {self._said}? I have been waiting for a week."
        return self.delivery([(self._said % len(self._people), text)])

    def _signed(self, events: Sequence[Event]) -> Parcel:
        number, at_ms = self.vendor.world.next_number(), self.vendor.world.now_ms()
        return self.vendor.parcel(events, Attempt(number=1, key=f"{number}", at_ms=at_ms), self.url)


def as_request(parcel: Parcel) -> WebRequest:
    """As provider files want it."""
    headers = {name.lower(): value for name, value in parcel.headers.items()}
    return WebRequest(method="POST", url=parcel.url, headers=headers, query={}, body=parcel.body)


def given(
    folder: Path, customers: Collection[Customers], database_url: str, redis_url: str
) -> Mapping[str, Any]:  # Any: JSON
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
