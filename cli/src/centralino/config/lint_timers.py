"""Times that fight each other."""

from collections.abc import Iterator

from centralino.config.findings import Finding
from centralino.config.serving import Serving


def offer_outlives_the_refusal(serving: Serving) -> Iterator[Finding]:
    """Who left a task unanswered may get it again while the next agent still has not answered: a third is not asked."""
    configuration = serving.configuration
    backoffs = {domain.id: domain.refused_backoff_seconds for domain in configuration.domains}
    timed = [
        (f"/queues/{index}/offer_timeout_seconds", queue.domain, queue.offer_timeout_seconds)
        for index, queue in enumerate(configuration.queues)
    ]
    for index, domain in enumerate(configuration.domains):
        of_channels = domain.offer_timeouts.items()
        timed += [(f"/domains/{index}/offer_timeouts/{channel}", domain.id, lasts) for channel, lasts in of_channels]
    for path, of_domain, seconds in timed:
        backoff = backoffs[of_domain]
        if seconds > backoff:
            yield Finding(
                rule="offer_outlives_the_refusal",
                severity="warning",
                path=path,
                message=f"an offer lasts {seconds} s, a refusal is remembered for {backoff} s: "
                "the task may go to and fro between two agents who do not answer",
                advice="shorten the offer, or raise refused_backoff_seconds of the domain",
            )
