"""Ids that follow from what they are for, so that whoever decides the same again names the same."""

from hashlib import sha256


def derived(*parts: str | int) -> str:
    """32 hex digits of what is named by these parts, in their order."""
    return sha256("/".join(str(part) for part in parts).encode()).hexdigest()[:32]
