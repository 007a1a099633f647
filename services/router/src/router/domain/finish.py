"""What facts lead to beyond the input that led to them."""

from router.domain.alerts import arm
from router.domain.handovers import follow_transfers
from router.domain.match import open_gates, serve_freed
from router.domain.tasks import take_effect
from router.domain.turn import Turn


def finish(turn: Turn) -> None:
    """Transfers move on, pending states take effect, who got free is served, opened gates let through who waits."""
    while turn.touched:
        domains, turn.touched = turn.touched, {}
        follow_transfers(turn, domains.values())
        for domain in domains.values():
            if domain.settled:
                for agent_id in sorted(domain.settled):
                    take_effect(turn, domain, domain.agents[agent_id])
        serve_freed(turn)
        for domain in domains.values():
            if domain.gates.blocked:
                open_gates(turn, domain)
            arm(turn, domain)
            if domain.gates.blocked and domain.key not in turn.touched:
                domain.gates.blocked.clear()
