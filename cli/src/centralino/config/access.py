"""Which router API a `centralino config` command asks, and in whose name."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from servicekit.auth import Role

from centralino.config.errors import ConfigError
from centralino.config.router_api import RouterApi
from centralino.home import FolderRefusedError, Home
from centralino.tokens import development_token

ROUTER: Final = "CENTRALINO_ROUTER_URL"
TOKEN: Final = "CENTRALINO_TOKEN"  # noqa: S105 - the variable's name
SUBJECT: Final = "centralino-config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the command line says. A token is never an argument: every process of a machine may see those."""

    data: Path
    tenant: str
    router: str | None = None
    token_file: Path | None = None
    role: Role = "admin"
    """Of a development token."""

    def open(self, environment: Mapping[str, str] = os.environ) -> RouterApi:
        """The API that is named, else that of the embedded stack, for which a development token is made."""
        named = self.router or environment.get(ROUTER)
        return RouterApi(*self.found("router-api", named, "the router's API by --router", environment))

    def found(
        self, part: str, named: str | None, option: str, environment: Mapping[str, str] = os.environ
    ) -> tuple[str, str]:
        """Where a part of the platform is and a token for it: as `named`, else the embedded stack's. `option` says how
        to name it. Raises ConfigError."""
        token = self._token(environment)
        if named is not None:
            if token is None:
                whose = "an admin's" if self.role == "admin" else f"a {self.role}'s"
                raise ConfigError(f"Put {whose} token or an API key in {TOKEN}, or name its file by --token-file.")
            return named, token
        home = self._home()
        state = home.state() if home else None
        if home is None or state is None or not state.running() or part not in state.addresses:
            raise ConfigError(
                f"No stack runs on the data in {self.data}: start one with `centralino up`, or name {option}."
            )
        return state.addresses[part], token or development_token(
            home, role=self.role, subject=SUBJECT, tenant=self.tenant
        )

    def _token(self, environment: Mapping[str, str]) -> str | None:
        if self.token_file is None:
            return environment.get(TOKEN) or None
        try:
            return self.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.token_file} cannot be read: it should hold a token.") from error

    def _home(self) -> Home | None:
        """The data folder, which must be there already: asking makes none."""
        try:
            return Home.open(self.data) if self.data.expanduser().exists() else None
        except FolderRefusedError as error:
            raise ConfigError(f"{error}.") from error
