"""The router's main: `router engine` or `router api`, each followed by nothing or `migrate`."""

import sys
from collections.abc import Callable, Mapping

from servicekit.run import run

# Each role loads only what it needs: the engine neither PostgreSQL nor the web.


def main() -> None:
    """Run the role that the first argument names."""
    roles: Mapping[str, Callable[[], None]] = {"engine": engine_main, "api": api_main}
    role = roles.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if role is None:
        sys.exit(f"usage: router {'|'.join(roles)} [migrate]")
    del sys.argv[1]
    role()


def engine_main() -> None:
    """The role `engine`."""
    from router.engine.service import open_engine
    from router.settings import EngineSettings

    run("router-engine", EngineSettings, open_engine)


def api_main() -> None:
    """The role `api`."""
    from router.api.service import open_api
    from router.settings import ApiSettings

    run("router-api", ApiSettings, open_api, migrations="router")


if __name__ == "__main__":
    main()
