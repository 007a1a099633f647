"""Prompts by name, as media that the owner makes readable for the node before it plays them."""

from urllib.parse import quote, urlencode

from voice_gateway.domain.words import Media

Values = tuple[tuple[str, str], ...]


def prompt(name: str, *, domain: str, language: str | None, values: Values = (), text: str | None = None) -> Media:
    """`prompt:DOMAIN/NAME?lang=it&number=3`; `text` are words to speak in place of the prompt's own. See
    prompt_words."""
    asked = [*(("lang", language),) * (language is not None), *values, *(("text", text),) * (text is not None)]
    return Media(uri=f"prompt:{quote(domain)}/{quote(name)}" + (f"?{urlencode(asked)}" if asked else ""))
