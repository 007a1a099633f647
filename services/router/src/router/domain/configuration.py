"""A new version of the configuration, record by record."""

from contracts.agents import ConfigurationApplied
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord

from router.domain.admission import go_on
from router.domain.inputs import ConfigurationStep
from router.domain.internal import ConfigurationPartApplied, ConfigurationRecordApplied
from router.domain.match import serve
from router.domain.shedding import shed
from router.domain.state import DomainState
from router.domain.turn import Turn


def step(turn: Turn, given: ConfigurationStep) -> None:
    """Apply the records, then what they mean for agents; the last step names the version."""
    if given.version <= turn.state.find(given.tenant_id, given.domain).version:
        return
    for record in given.records:
        if isinstance(record, ConfigurationPart):
            turn.emit_in(given.tenant_id, ConfigurationPartApplied(domain=given.domain, part=record))
            continue
        turn.emit_in(given.tenant_id, ConfigurationRecordApplied(domain=given.domain, record=record))
    domain = turn.state.find(given.tenant_id, given.domain)
    for record in given.records:  # not before all are applied: they alone may fill a batch
        if record.kind == "agent":
            _agent_changed(turn, domain, record)
    domain.lanes.suspect_all()
    turn.touched[domain.key] = domain
    if given.last:
        applied = ConfigurationApplied(
            domain=given.domain, version=given.version, hash=given.hash, applied_at_ms=turn.now_ms
        )
        turn.emit_in(given.tenant_id, applied)


def _agent_changed(turn: Turn, domain: DomainState, record: ConfigurationRecord | ConfigurationPart) -> None:
    """Skills and capacity count at once; a removed agent's tasks are taken from them."""
    agent = domain.agents.get(record.id.partition(":")[2])
    if agent is not None:
        go_on(turn, domain, shed(turn, domain, agent))
        serve(turn, domain, agent)
