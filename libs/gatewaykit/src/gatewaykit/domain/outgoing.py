"""What is sent to a provider."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gatewaykit.domain.content import File, TemplateUse


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing of a message: text, a file (perhaps with a caption, the text), or a template."""

    text: str = ""
    file: File | None = None
    template: TemplateUse | None = None
    reply_to: str | None = None
    """The provider's id of the message that is answered."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """What only one channel needs, in JSON's types: `subject`, `html`, `to`, `cc`, `bcc`, ... of an e-mail."""
