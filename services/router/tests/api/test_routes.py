"""The README's table of routes is the application's."""

import pkgutil
import re
from importlib import import_module
from pathlib import Path

import router.api
from fastapi import APIRouter
from router.api.routes_development import development_routes
from servicekit.system import SystemClock
from servicekit.testing.tokens import TokenIssuer
from starlette.routing import Route, WebSocketRoute

README = Path(__file__).parents[2] / "README.md"


def named_in(table: str) -> set[str]:
    """`METHOD /path` of every route that the second column of the table names."""
    routes = [
        route
        for line in re.findall(r"^\| .+", table, re.MULTILINE)
        for route in re.findall(r"`(.+?)`", line.split(" | ")[1])
    ]
    return {plain(route.partition("?")[0]) for route in routes if " /" in route}


def plain(route: str) -> str:
    """Without the names of parameters."""
    return re.sub(r"\{.*?\}", "{}", route)


def served(folder: Path) -> set[str]:
    """The same of all routers that the application may have."""
    key_file = folder / "signing.pem"
    TokenIssuer.generate().save(key_file)
    names = [each.name for each in pkgutil.iter_modules(router.api.__path__) if each.name.startswith("routes_")]
    modules = [import_module(f"router.api.{name}") for name in names]
    routers = [each for module in modules for each in vars(module).values() if isinstance(each, APIRouter)]
    routers.append(development_routes(str(key_file), SystemClock(), issuer="i", audience="a"))
    found = set()
    for route in [route for each in routers for route in each.routes]:
        if isinstance(route, WebSocketRoute):
            found.add(plain(f"WS {route.path}"))
        elif isinstance(route, Route):
            found |= {plain(f"{method} {route.path}") for method in route.methods or ()}
    return found


def test_the_readme_names_every_route_and_none_that_is_not_there(tmp_path: Path) -> None:
    assert named_in(README.read_text().partition("\n## Engine")[0]) == served(tmp_path)
