"""Our mailboxes as configured, and the keys that sign what they send."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from contracts.channel_parts import Dkim, Mailbox
from gatewaykit.directory import Directory
from gatewaykit.secrets import Secrets

from email_gateway.domain.dkim import DkimKey, read_key

KEYS_MAX: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnMailbox:
    """One of a tenant's mailboxes."""

    address: str
    client: str
    mailbox: Mailbox
    own: frozenset[str]
    """All mailboxes of the tenant, in lower case."""

    @property
    def is_ours(self) -> bool:
        """Mail to its domain comes to this gateway, so that any address of the domain is one."""
        return self.mailbox.imap is None


class Mailboxes(Protocol):
    """Finds them."""

    def of(self, tenant_id: str, address: str) -> OwnMailbox | None:
        """The tenant's mailbox of this address; none: it is not configured (yet)."""
        ...


class ConfiguredMailboxes:
    """Those of the directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def of(self, tenant_id: str, address: str) -> OwnMailbox | None:
        """See Mailboxes."""
        found = self._directory.address(address)
        if found is None or found[0] != tenant_id or found[1].mailbox is None:
            return None
        own = frozenset(each.address.lower() for holder, each in self._directory.all_addresses() if holder == tenant_id)
        return OwnMailbox(address=address, client=found[1].client, mailbox=found[1].mailbox, own=own)


class SigningKeys:
    """Private keys, read once for each content."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._read: dict[tuple[str, str, str], DkimKey] = {}

    def key(self, tenant_id: str, dkim: Dkim) -> DkimKey:
        """Raises SecretMissingError and KeyUnfitError: what should be signed is not sent without."""
        pem = self._secrets.secret(tenant_id, dkim.private_key)
        known = (dkim.domain, dkim.selector, sha256(pem.encode()).hexdigest())
        if known not in self._read:
            if len(self._read) >= KEYS_MAX:
                self._read.clear()
            self._read[known] = read_key(dkim.domain, dkim.selector, pem)
        return self._read[known]
