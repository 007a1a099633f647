"""Agents' phones that register with the provider: www.twilio.com/docs/voice/api/sip-credential-resource, "SIP
Credential resource", "Sending SIP to Twilio: registration". A phone is dialled at the account's SIP domain.
"""

import re
from typing import Final

from voice_gateway.domain.commands import Provision, Withdraw
from voice_gateway.domain.words import Number, Target
from voice_gateway.drivers.webhook.lines import Account, GoneError
from voice_gateway.drivers.webhook.rest import Rest

_NUMBER: Final = re.compile(r"\+?[0-9]{2,15}")
PAGE: Final = 1000
PAGES_MAX: Final = 20


class Phones:
    """Those of one account. A browser's phone would need Twilio's own library, which ours does not have."""

    def __init__(self, account: Account, rest: Rest) -> None:
        self._account = account
        self._rest = rest

    def address(self, target: Target) -> str:
        """How to dial it. Raises GoneError: also for a number that is none, for Twilio would dial any address, and a
        caller says for themselves who they are."""
        if isinstance(target, Number):
            if not _NUMBER.fullmatch(target.number):
                raise GoneError("there is no such number")
            return target.number
        if self._account.sip_domain is None:
            raise GoneError("the account has no SIP domain")
        return f"sip:{target.endpoint_id}@{self._account.sip_domain}"

    async def provision(self, command: Provision) -> None:
        """A password that is given again is changed."""
        path = self._path()
        if command.browser:
            raise GoneError("webhook telephony has no browser phones")
        known = await self._known(command.endpoint_id)
        password = {"Password": command.password}
        if known is not None:
            await self._rest.change(f"{path}/{known}", password)
        else:
            # A name is taken once: given again after a lost answer it is found, and gets the password once more.
            await self._rest.make(path, {"Username": command.endpoint_id, **password})

    async def withdraw(self, command: Withdraw) -> None:
        """Succeeds if it is unknown."""
        known = await self._known(command.endpoint_id)
        if known is not None:
            await self._rest.remove(f"{self._path()}/{known}")

    def _path(self) -> str:
        if self._account.credential_list is None:
            raise GoneError("the account has no list of credentials")
        return f"SIP/CredentialLists/{self._account.credential_list}/Credentials"

    async def _known(self, endpoint_id: str) -> str | None:
        for page in range(PAGES_MAX):
            told = await self._rest.get(self._path(), {"PageSize": str(PAGE), "Page": str(page)})
            for credential in told.get("credentials") or ():
                if credential.get("username") == endpoint_id:
                    return str(credential.get("sid"))
            if not told.get("next_page_uri"):
                return None
        return None
