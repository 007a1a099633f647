"""Shares, caps, reserves and calendars that leave nothing, alerts that never come."""

from collections import Counter
from collections.abc import Iterator
from datetime import date

from contracts.calendars import Calendar

from centralino.config.findings import Finding
from centralino.config.serving import Serving


def shares_above_the_whole(serving: Serving) -> Iterator[Finding]:
    """Minimum shares that add up to more than there is."""
    for index, domain in enumerate(serving.configuration.domains):
        total = sum(share.minimum_percent for share in domain.client_shares)
        if total > 100:
            yield Finding(
                rule="shares_above_the_whole",
                severity="error",
                path=f"/domains/{index}/client_shares",
                message=f"the minimum shares add up to {total} %",
                advice="lower them to 100 % in all",
            )


def cap_below_one_task(serving: Serving) -> Iterator[Finding]:
    """A client's cap that not even one task of a channel fits under by which its customers come."""
    come = {(address.domain, address.client, address.channel) for address in serving.configuration.channels}
    for index, domain in enumerate(serving.configuration.domains):
        for place, share in enumerate(domain.client_shares):
            for channel, cost in domain.costs.items():
                comes = (domain.id, share.client, channel) in come
                if comes and share.units_max is not None and cost > share.units_max:
                    yield Finding(
                        rule="cap_below_one_task",
                        severity="error",
                        path=f"/domains/{index}/client_shares/{place}/units_max",
                        message=f"a task of {channel} costs {cost} units: {share.client} never gets one answered",
                        advice="raise the cap, or lower the cost",
                    )


def reserve_above_all_agents(serving: Serving) -> Iterator[Finding]:
    """So many agents are kept back for inbound work that outbound work never gets one."""
    agents = Counter(agent.domain for agent in serving.configuration.agents)
    outbound = {queue.domain for queue in serving.configuration.queues if queue.direction == "outbound"}
    for index, domain in enumerate(serving.configuration.domains):
        if domain.id in outbound and domain.outbound_idle_reserve >= agents[domain.id]:
            yield Finding(
                rule="reserve_above_all_agents",
                severity="error",
                path=f"/domains/{index}/outbound_idle_reserve",
                message=f"keeps back {domain.outbound_idle_reserve} agents of {agents[domain.id]}",
                advice="keep back fewer",
            )


def calendar_that_never_opens(serving: Serving) -> Iterator[Finding]:
    """Neither a day of the week has hours nor an exception that is still to come."""
    names = {(queue.domain, queue.calendar) for queue in serving.configuration.queues}
    for index, calendar in enumerate(serving.configuration.calendars):
        if (calendar.domain, calendar.id) in names and not _opens(calendar, serving.today):
            yield Finding(
                rule="calendar_that_never_opens",
                severity="error",
                path=f"/calendars/{index}",
                message="a queue goes by it, and it has no hours, or none that are still to come",
                advice="give it hours",
            )


def alert_on_no_promise(serving: Serving) -> Iterator[Finding]:
    """An alert watches the service level of a queue that has none."""
    for index, queue in enumerate(serving.configuration.queues):
        for place, alert in enumerate(queue.alerts):
            if alert.measure == "service_level_percent" and queue.service_level is None:
                yield Finding(
                    rule="alert_on_no_promise",
                    severity="warning",
                    path=f"/queues/{index}/alerts/{place}",
                    message="the queue promises no service level: the alert never comes",
                    advice="give the queue a `service_level`",
                )


def _opens(calendar: Calendar, today: date) -> bool:
    week = calendar.weekly
    days = (week.mon, week.tue, week.wed, week.thu, week.fri, week.sat, week.sun)
    # Its zone may be a day behind UTC.
    return any(days) or any(each.hours and (today - each.date).days <= 1 for each in calendar.exceptions)
