"""Settings of the CRM; those of every service stand in `servicekit.settings`."""

from pydantic import Field
from servicekit.settings import ServiceSettings


class CrmSettings(ServiceSettings):
    """What only the CRM needs."""

    allowed_origins: str = Field(
        "", description="Web origins whose pages may call the API from a browser, comma-separated."
    )

    metrics_evidence_days: int = Field(
        400, ge=1, le=36_500, description="The tasks behind a figure can be asked for so long; figures stay for good."
    )

    @property
    def origins(self) -> list[str]:
        """`allowed_origins` taken apart."""
        return [origin.strip() for origin in self.allowed_origins.split(",") if origin.strip()]
