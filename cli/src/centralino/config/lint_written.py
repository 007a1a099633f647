"""Written channels: accounts that cannot work, texts that cannot be sent."""

from collections.abc import Iterator

from contracts.channel_limits import PROVIDERS, limits_of
from contracts.form_words import near
from contracts.placeholders import OF_THE_CUSTOMER, OF_THE_PLATFORM, variables_in

from centralino.config.findings import Finding, listed
from centralino.config.serving import Serving


def account_without_its_secrets(serving: Serving) -> Iterator[Finding]:
    """A provider's account that lacks a secret by which deliveries are checked or messages are sent."""
    for index, address in enumerate(serving.configuration.channels):
        account = address.account
        if account is None or (account.provider, address.channel) not in PROVIDERS:
            continue
        missing = [use for use in limits_of(address.channel, account.provider).secrets if use not in account.secrets]
        if missing:
            yield Finding(
                rule="account_without_its_secrets",
                severity="error",
                path=f"/channels/{index}/account/secrets",
                message=f"{account.provider} needs {listed(missing)}: nothing is received or sent",
                advice="name the secrets, as the gateway's operator has them",
            )


def account_that_nothing_speaks_to(serving: Serving) -> Iterator[Finding]:
    """A provider, or a channel of one, that no gateway here knows; and an address of such a channel without account."""
    of_providers = {channel for _, channel in PROVIDERS}
    for index, address in enumerate(serving.configuration.channels):
        account = address.account
        if account is not None and (account.provider, address.channel) not in PROVIDERS:
            known = sorted(channel for provider, channel in PROVIDERS if provider == account.provider)
            message = f"no gateway here speaks {address.channel} by {account.provider}"
            advice = f"{account.provider} has {listed(known)}" if known else f"known are {_providers()}"
            yield Finding(
                rule="account_that_nothing_speaks_to",
                severity="warning",
                path=f"/channels/{index}/account/provider",
                message=message,
                advice=advice,
            )
        if account is None and address.channel in of_providers:
            yield Finding(
                rule="account_that_nothing_speaks_to",
                severity="warning",
                path=f"/channels/{index}",
                message=f"an address of {address.channel} without the provider's account",
                advice="give it an `account`, unless a gateway of your own serves it",
            )


def account_with_an_unknown_name(serving: Serving) -> Iterator[Finding]:
    """A provider's account with an option, or the use of a secret, that the provider's file does not read."""
    for index, address in enumerate(serving.configuration.channels):
        account = address.account
        if account is None or (account.provider, address.channel) not in PROVIDERS:
            continue
        limits = limits_of(address.channel, account.provider)
        for part, word, given, known in (
            ("options", "option", account.options, limits.options),
            ("secrets", "secret", account.secrets, (*limits.secrets, *limits.secrets_optional)),
        ):
            for name in sorted(set(given) - set(known)):
                yield Finding(
                    rule="account_with_an_unknown_name",
                    severity="warning",
                    path=f"/channels/{index}/account/{part}/{name}",
                    message=f"{account.provider} has no {word} {name!r}, so nothing reads it",
                    advice=near(name, known),
                )


def template_that_cannot_be_sent(serving: Serving) -> Iterator[Finding]:
    """A template of an address whose channel takes none, or not all of it."""
    addresses = {(each.domain, each.address): each for each in serving.configuration.channels}
    for index, template in enumerate(serving.configuration.templates):
        address = addresses[template.domain, template.address]
        provider = address.account.provider if address.account else None
        limits = limits_of(address.channel, provider)
        by = f"{address.channel} by {provider}" if provider else address.channel
        if limits.templates and not limits.subject and (template.subject or template.html):
            yield Finding(
                rule="template_that_cannot_be_sent",
                severity="error",
                path=f"/templates/{index}/{'subject' if template.subject else 'html'}",
                message=f"{by} has neither subject nor HTML: customers get the text alone",
                advice="leave them out, or name an address of e-mail",
            )
        if not limits.templates:
            yield Finding(
                rule="template_that_cannot_be_sent",
                severity="error",
                path=f"/templates/{index}/address",
                message=f"{by} has no templates: agents never see it",
                advice="make it a canned reply, or name an address that takes templates",
            )


def reply_with_an_unknown_variable(serving: Serving) -> Iterator[Finding]:
    """A canned reply in which a variable stays as it is written, for nobody knows it."""
    known = (*OF_THE_PLATFORM, *OF_THE_CUSTOMER)
    for index, reply in enumerate(serving.configuration.replies):
        unknown = [name for name in variables_in(reply.text) if name not in known]
        if unknown:
            yield Finding(
                rule="reply_with_an_unknown_variable",
                severity="warning",
                path=f"/replies/{index}/text",
                message=f"nobody fills {listed(unknown)}",
                advice=f"known are {', '.join(known)}; a brace is written twice",
            )


def _providers() -> str:
    return ", ".join(sorted({provider for provider, _ in PROVIDERS}))
