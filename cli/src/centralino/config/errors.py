"""What ends a `centralino config` command with exit code 2."""

from collections.abc import Sequence

from contracts.configuration_faults import Fault


class ConfigError(Exception):
    """Files, options or the router's API are not as they should be; the sentence says what to do."""


class FaultsError(Exception):
    """The router's API refused the document at these places."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.message}" for fault in faults[:5]))
        self.faults = tuple(faults)
