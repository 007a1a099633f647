"""What facts lead to beyond the input that led to them."""

from router.domain.match import open_gates, serve
from router.domain.tasks import take_effect
from router.domain.turn import Turn


def finish(turn: Turn) -> None:
    """Pending states take effect, agents who got free are served, gates that opened let through who waits there."""
    while turn.touched:
        domains, turn.touched = turn.touched, {}
        for domain in domains.values():
            for agent_id in sorted(domain.settled):
                take_effect(turn, domain, domain.agents[agent_id])
        freed, turn.freed = turn.freed, []
        for key, agent_id in freed:
            agent = turn.state.domains[key].agents.get(agent_id)
            if agent is not None:
                serve(turn, turn.state.domains[key], agent)
        for domain in domains.values():
            open_gates(turn, domain)
            if domain.key not in turn.touched:
                domain.gates.blocked.clear()
