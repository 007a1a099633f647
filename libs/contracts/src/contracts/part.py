"""What every part of a configuration document is: frozen, and without members that nobody knows."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[int, Field(ge=1, le=86_400)]
Label = Annotated[str, Field(min_length=1, max_length=120)]


class Part(BaseModel):
    """A part of the document; an unknown member is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")
