"""Settings of prompts and recordings; the gateway's own extend them."""

from pathlib import Path
from typing import Annotated

from gatewaykit.settings import FileSettings
from pydantic import Field, field_validator
from servicekit.settings import Seconds

Url = Annotated[str, Field(pattern=r"^https?://[^\s?#]+[^\s?#/]$")]


class MediaSettings(FileSettings):
    """Who reads prompts aloud, where sounds are, and how long links to recordings are good."""

    public_url: Url = Field(
        description="Where browsers, providers and nodes reach this gateway, without /voice/v1: links to recordings "
        "and to sounds begin with it, and webhooks' URLs."
    )
    speech_command: str = Field(
        "",
        description="Reads prompts aloud: words on its standard input, WAV on its standard output; {language} and "
        "{voice} stand in its arguments; no shell. Empty: who has no recorded sound hears a beep.",
    )
    speech_version: str = Field("1", description="To be changed where the same command sounds different: a new voice.")
    speech_seconds_max: Seconds = Field(5, description="How long a prompt may take to be read.")
    speech_at_once_max: int = Field(2, ge=1, le=100, description="Prompts that one replica has read at once.")
    sounds_path: Path | None = Field(
        None, description="Folder of the tenants' own sounds: files `<tenant id>/<name>.wav`; none: only URLs."
    )
    recording_bytes_max: int = Field(1_073_741_824, ge=1, description="Bytes of one recording.")
    recording_link_seconds: int = Field(300, ge=10, le=86_400, description="How long a link to a recording is good.")
    recording_agents_listen: bool = Field(
        False, description="Agents may hear the talks that they had; without it only supervisors, and voicemails."
    )

    @field_validator("public_url", mode="before")
    @classmethod
    def _without_slash(cls, value: object) -> object:
        return value.rstrip("/") if isinstance(value, str) else value
