"""What an event of Slack's says: "message event" and its subtypes, "reaction_added event", "File object", "Formatting
message text", docs.slack.dev."""

from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from gatewaykit.domain.content import Identifier, MediaRef
from gatewaykit.domain.provider import Account, Echo, Item, NotUnderstoodError, Received, Unsent

from chat_gateway.providers.reading import (
    Node,
    flag_in,
    id_in,
    id_of,
    node_in,
    node_of,
    nodes_in,
    text_in,
    text_of,
    whole_in,
)
from chat_gateway.providers.shared import passed

METADATA_TYPE: Final = "centralino_message"
"""Of the metadata that hold our reference."""
SAID: Final = (None, "file_share", "me_message", "thread_broadcast")
"""Subtypes of messages that somebody wrote."""
NOT_HERE: Final = ("tombstone", "hidden_by_limit")
"""Modes of files that are gone or kept back."""


def item_of(envelope: Node, account: Account) -> Item:
    """Raises NotUnderstoodError."""
    kind = text_of(envelope, "type")
    if kind != "event_callback":
        return passed(kind)
    event = node_of(envelope, "event")
    kind = text_of(event, "type")
    if kind == "message_metadata_posted":
        return _reference(event, _installed_in(envelope))
    if kind == "reaction_added":
        return _reaction(event, _installed_in(envelope))
    if kind != "message":
        return passed(kind)
    if text_in(event, "channel_type") != "im":
        return passed("group_message")
    return _message(event, _installed_in(envelope), account)


def _installed_in(envelope: Node) -> str:
    """The workspace through which the app sees the event; `team_id` is where it happened."""
    installations = nodes_in(envelope, "authorizations")
    return (id_in(installations[0], "team_id") if installations else None) or id_of(envelope, "team_id")


def _message(event: Node, team_id: str, account: Account) -> Item:
    channel, subtype = id_of(event, "channel"), text_in(event, "subtype")
    if subtype == "message_changed":
        return _changed(event, channel, team_id, account)
    if subtype == "message_deleted":
        deleted = node_in(event, "previous_message") or {}
        if deleted.get("bot_id") is not None:
            return passed("message_deleted")
        message_id = f"{channel}:{id_of(event, 'deleted_ts')}"
        return Unsent(provider_message_id=message_id, account_id=team_id, counterpart=channel)
    if subtype == "bot_message" or id_in(event, "bot_id") is not None:
        return _echo(event, channel, team_id)
    if subtype not in SAID or id_in(event, "user") is None:
        return passed(subtype or "message")
    return _said(event, channel, team_id, account)


def _said(message: Node, channel: str, team_id: str, account: Account) -> Received:
    stamp, thread = id_of(message, "ts"), id_in(message, "thread_ts")
    files = [file for file in nodes_in(message, "files") if text_in(file, "mode") not in NOT_HERE]
    kept = [file for file in files if not _is_elsewhere(file, account)]
    links = [file_url(file) for file in files if _is_elsewhere(file, account)]
    return Received(
        provider_message_id=f"{channel}:{stamp}",
        account_id=team_id,
        counterpart=channel,
        identifiers=_identifiers(message, team_id),
        text="\n".join(filter(None, (_plain(text_in(message, "text") or ""), *links))),
        media=tuple(map(_media, kept)),
        reply_to=f"{channel}:{thread}" if thread not in {None, stamp} else None,
        sent_at_ms=_instant_ms(stamp),
    )


def _reaction(event: Node, team_id: str) -> Item:
    """The event names no `channel_type`; ids of direct messages begin with D."""
    item = node_of(event, "item")
    channel = id_in(item, "channel") or ""
    if text_in(item, "type") != "message" or not channel.startswith("D"):
        return passed("reaction_added")
    message_id, emoji = f"{channel}:{id_of(item, 'ts')}", id_of(event, "reaction")
    return Received(
        provider_message_id=f"{message_id}:{emoji}:{id_of(event, 'event_ts')}",
        account_id=team_id,
        counterpart=channel,
        identifiers=_identifiers(event, team_id),
        text=f":{emoji}:",
        reply_to=message_id,
        sent_at_ms=_instant_ms(id_of(event, "event_ts")),
        attributes={"kind": "reaction"},
    )


def _identifiers(event: Node, team_id: str) -> tuple[Identifier, ...]:
    """A user's id is unique within its workspace."""
    home = id_in(event, "user_team") or id_in(event, "team") or team_id
    return (Identifier(type="slack_user_id", value=f"{home}:{id_of(event, 'user')}", verified=True),)


def _changed(event: Node, channel: str, team_id: str, account: Account) -> Item:
    """An edit by the customer; links that unfold and threads that grow change a message as well."""
    message = node_of(event, "message")
    if text_in(message, "subtype") == "tombstone":  # with a thread below it a deleted message stays, without its words
        message_id = f"{channel}:{id_of(message, 'ts')}"
        return Unsent(provider_message_id=message_id, account_id=team_id, counterpart=channel)
    before, by_us = node_in(event, "previous_message") or {}, id_in(message, "bot_id") is not None
    if by_us or id_in(message, "user") is None or node_in(message, "edited") is None:
        return passed("message_changed")
    if text_in(message, "text") == text_in(before, "text"):
        return passed("message_changed")
    # Two edits of one second have one `edited.ts`.
    said, stamp = _said(message, channel, team_id, account), id_of(event, "ts")
    return replace(
        said,
        provider_message_id=f"{said.provider_message_id}:{stamp}",
        edits=said.provider_message_id,
        sent_at_ms=_instant_ms(stamp),
    )


def _reference(event: Node, team_id: str) -> Item:
    """What a message of ours was given, where the app's manifest has our type under `metadata_subscriptions`."""
    metadata, channel = node_of(event, "metadata"), id_of(event, "channel_id")
    if text_in(metadata, "event_type") != METADATA_TYPE or not channel.startswith("D"):
        return passed("message_metadata_posted")
    message = {"ts": event.get("message_ts"), "metadata": metadata}
    return _echo(message, channel, team_id)


def _echo(message: Node, channel: str, team_id: str) -> Echo:
    metadata = node_in(message, "metadata") or {}
    ours = text_in(metadata, "event_type") == METADATA_TYPE
    return Echo(
        provider_message_id=f"{channel}:{id_of(message, 'ts')}",
        account_id=team_id,
        counterpart=channel,
        reference=id_in(node_in(metadata, "event_payload") or {}, "reference") if ours else None,
        text=_plain(text_in(message, "text") or ""),
        sent_at_ms=_instant_ms(id_of(message, "ts")),
    )


def _media(file: Node) -> MediaRef:
    return MediaRef(
        id=id_of(file, "id"),
        url=file_url(file),
        name=text_in(file, "name"),
        mime=text_in(file, "mimetype"),
        size_bytes=whole_in(file, "size"),
    )


def file_url(file: Node) -> str | None:
    """Where its bytes are, for whoever has the token."""
    return text_in(file, "url_private_download") or text_in(file, "url_private")


def _is_elsewhere(file: Node, account: Account) -> bool:
    """Another service keeps it, which neither gets the token nor is asked: the agent sees the link."""
    url = file_url(file)
    return flag_in(file, "is_external") or (url is not None and not is_slacks(url, account))


def is_slacks(url: str, account: Account) -> bool:
    """Or of the simulator that stands for it."""
    try:
        parts, api = urlsplit(url), urlsplit(account.api_url)
        host = parts.hostname or ""
    except ValueError:
        return False
    slacks = parts.scheme == "https" and (host == "slack.com" or host.endswith(".slack.com"))
    return slacks or (parts.scheme, parts.netloc) == (api.scheme, api.netloc)


def _instant_ms(stamp: str) -> int:
    seconds, _, fraction = stamp.partition(".")
    if not (stamp.isascii() and seconds.isdigit() and len(seconds) <= 11 and (fraction or "0").isdigit()):
        raise NotUnderstoodError("ts is no instant")
    return int(seconds) * 1000 + int(fraction[:3].ljust(3, "0"))


def _plain(text: str) -> str:
    """Without the mark-up of links and mentions: `<https://a.example|a>` says `a (https://a.example)`."""
    head, *rest = text.split("<")
    said = [head]
    for piece in rest:
        inside, closed, after = piece.partition(">")
        said.append((_link(inside) if closed else f"<{inside}") + after)
    return "".join(said).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _link(inside: str) -> str:
    target, _, label = inside.partition("|")
    if target[:1] in {"@", "#", "!"}:
        return label or target
    address = target.removeprefix("mailto:").removeprefix("tel:")
    return f"{label} ({address})" if label not in {"", address, address.partition("://")[2]} else address
