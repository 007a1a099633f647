"""Settings of the e-mail gateway; those of every service stand in `servicekit.settings`."""

from pydantic import Field, SecretStr
from servicekit.settings import ServiceSettings


class EmailSettings(ServiceSettings):
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
