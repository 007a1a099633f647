"""The written rules of CONTRIBUTING.md that a machine can check. Each rule has a bad example that it must find."""

import ast
import importlib
import io
import os
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path, PurePath

import pytest
from contracts import topics
from contracts.topics import TOPICS, Topic
from servicekit.settings import ServiceSettings

ROOT = Path(__file__).parents[1]
FUNCTION_LINES_MAX, MODULE_LINES_MAX, TEST_MODULE_LINES_MAX, TARGETS_MAX = 70, 400, 600, 16
WORDS = {".py", ".md", ".toml", ".sql", ".lua", ".txt", ".in", ".html", ".css", ".js", ".yaml", ".yml", ".json", ""}
UNTRACKED = {"build", "__pycache__", "node_modules"}
SERVICES = sorted(path.parents[2] for path in (ROOT / "services").glob("*/src/*/app.py"))
CONSTANTS = {name: value for name, value in vars(topics).items() if isinstance(value, Topic)}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule about single files; `path` and `bad` are an example that breaks it."""

    name: str
    applies: Callable[[PurePath], bool]
    faults: Callable[[PurePath, str], Iterable[str]]
    path: str
    bad: str


def long_functions(_: PurePath, text: str) -> Iterator[str]:
    for node in nodes(text):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{node.name} has {lines} lines, {FUNCTION_LINES_MAX} are allowed"


def long_modules(path: PurePath, text: str) -> Iterator[str]:
    lines, allowed = text.count("\n"), TEST_MODULE_LINES_MAX if in_tests(path) else MODULE_LINES_MAX
    if lines > allowed:
        yield f"{lines} lines, {allowed} are allowed"


def spread_rows(_: PurePath, text: str) -> Iterator[str]:
    for found in re.findall(r"\w+\(\*\*row\)", text):
        yield f"{found} fails on a column that a newer release added: servicekit.database.kept_as takes those it knows"


def hosts_and_paths(_: PurePath, text: str) -> Iterator[str]:
    # Taken apart, so that this file is not a find.
    hosts = ("pypi" + ".org", "python" + "hosted", "registry." + "npmjs", "repo" + ".maven", "repo1" + ".maven")
    for word in (*hosts, "--index" + "-url", "--find" + "-links"):
        if word in text:
            yield f"names {word}: where packages come from is the machine's setting"
    for found in re.findall(r"(?<![\w.>-])/(?:work|root|home/\w+)/\w+", text):
        yield f"names {found}: a path of one machine"


def unexplained_ignores(_: PurePath, text: str) -> Iterator[str]:
    told = re.compile(r"(noqa: ?[A-Z]+\d+(, ?[A-Z]+\d+)*|type: ?ignore\[[a-z-]+(, ?[a-z-]+)*\])\W+.*\w{4,}")
    for line, comment in comments(text):
        if re.search(r"#\s*(noqa|type: ?ignore)", comment) and not told.search(comment):
            yield f"line {line} switches a check off without its code and a reason"


def unfinished_work(_: PurePath, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b", line):
            yield f"line {number}: finish it, or make it an issue"


def sleeps(_: PurePath, text: str) -> Iterator[str]:
    """Virtual time costs nothing: tests that run in it may let it pass."""
    virtual = any("run_virtual" in names for _, names in imports(text))
    naps = {"time.sleep"} if virtual else {"time.sleep", "asyncio.sleep", "sleep"}
    for call in calls(text):
        if name_of(call.func) in naps and not is_zero(call.args):
            yield f"line {call.lineno} sleeps: wait for an event, with a bound"


def patches(_: PurePath, text: str) -> Iterator[str]:
    for module, names in imports(text):
        if module.startswith("unittest") and {"mock", "patch", "unittest.mock"} & {module, *names}:
            yield f"imports {module}: use a fake that passes the same suite as the real thing"
    for call in calls(text):
        if name_of(call.func) == "monkeypatch.setattr":
            yield f"line {call.lineno} patches: use a fake that passes the same suite as the real thing"


def effects(_: PurePath, text: str) -> Iterator[str]:
    away = {"time", "random", "secrets", "threading", "multiprocessing", "aiokafka", "asyncpg", "redis"}
    away |= {"aiohttp", "httpcore2", "httpx", "httpx2", "requests"}
    for module, names in imports(text):
        if module.split(".")[0] in away or (module == "uuid" and names - {"UUID", "uuid5", "NAMESPACE_URL"}):
            yield f"imports {module}: effects go through the ports of servicekit"
        if module == "asyncio" and "sleep" in names:
            yield "imports asyncio.sleep: use the clock's"
    for call in calls(text):
        name = name_of(call.func)
        if name == "asyncio.sleep" or re.search(r"\b(datetime|date)\.(now|utcnow|today)$", name):
            yield f"line {call.lineno} calls {name}: use the clock"


def threaded_dependencies(_: PurePath, text: str) -> Iterator[str]:
    threaded = {node.name for node in nodes(text) if isinstance(node, ast.FunctionDef)}
    for call in calls(text):
        if name_of(call.func) == "Depends" and call.args and name_of(call.args[0]) in threaded:
            yield f"line {call.lineno}: FastAPI runs a dependency that is no coroutine in a thread, for each request"


def lua_header(_: PurePath, text: str) -> Iterator[str]:
    header = "\n".join(takewhile(lambda line: line.startswith("--"), text.splitlines()))
    for word in ("KEYS", "ARGV", "eturns"):
        if word not in header:
            yield f"its header does not say {word.replace('eturns', 'what it returns')}"


def migration_header(_: PurePath, text: str) -> Iterator[str]:
    if not re.match(r"-- safe with previous release: (yes|no)\b", text):
        yield "its first line does not say: -- safe with previous release: yes|no"


def spelled_topics(_: PurePath, text: str) -> Iterator[str]:
    """Names with a dot only: the others are ordinary words as well."""
    names = {topic.name for topic in TOPICS if "." in topic.name}
    for node in nodes(text):
        if isinstance(node, ast.Constant) and node.value in names:
            yield f"line {node.lineno} spells {node.value}: contracts.topics names it"


def addresses_in_pins(_: PurePath, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if not re.fullmatch(r"[a-z0-9][\w.-]*==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line):
            yield f"line {number} is neither a pinned name nor a hash"


def stray_files(path: PurePath, _: str) -> Iterator[str]:
    if path.name in {"__init__.py", "conftest.py"}:
        yield "tests folders are no packages, and fixtures stand in servicekit.testing"


def in_tests(path: PurePath) -> bool:
    return "tests" in path.parts


def is_python(path: PurePath) -> bool:
    return path.suffix == ".py"


def is_python_test(path: PurePath) -> bool:
    return is_python(path) and in_tests(path)


def is_business(path: PurePath) -> bool:
    return is_python(path) and path.parts[0] == "services" and "src" in path.parts


RULES = (
    Rule(
        name="functions are short",
        applies=is_python,
        faults=long_functions,
        path="a.py",
        bad="def f():\n" + "    g()\n" * FUNCTION_LINES_MAX,
    ),
    Rule(
        name="modules are short", applies=is_python, faults=long_modules, path="a.py", bad="\n" * (MODULE_LINES_MAX + 1)
    ),
    Rule(
        name="test modules are short",
        applies=is_python_test,
        faults=long_modules,
        path="tests/a.py",
        bad="\n" * (TEST_MODULE_LINES_MAX + 1),
    ),
    Rule(
        name="no registry is named",
        applies=lambda _: True,
        faults=hosts_and_paths,
        path="a.txt",
        bad="https://pypi" + ".org",
    ),
    Rule(
        name="no machine is named", applies=lambda _: True, faults=hosts_and_paths, path="a.md", bad="in /ro" + "ot/x"
    ),
    Rule(
        name="a lint is switched off with a reason",
        applies=is_python,
        faults=unexplained_ignores,
        path="a.py",
        bad="a = 1  # noqa: " + "S101\n",
    ),
    Rule(
        name="a type check is switched off with a reason",
        applies=is_python,
        faults=unexplained_ignores,
        path="a.py",
        bad="a = 1  # type: " + "ignore\n",
    ),
    Rule(name="work is finished", applies=lambda _: True, faults=unfinished_work, path="a.md", bad="TO" + "DO: later"),
    Rule(
        name="tests do not sleep",
        applies=is_python_test,
        faults=sleeps,
        path="tests/a.py",
        bad="async def f():\n    await asyncio.sleep(0.1)\n",
    ),
    Rule(
        name="tests do not patch",
        applies=is_python_test,
        faults=patches,
        path="tests/a.py",
        bad="from unittest.mock import AsyncMock\n",
    ),
    Rule(
        name="business code imports no clients and no chance",
        applies=is_business,
        faults=effects,
        path="services/a/src/a/handlers.py",
        bad="from uuid import uuid4\n",
    ),
    Rule(
        name="business code reads no clock",
        applies=is_business,
        faults=effects,
        path="services/a/src/a/handlers.py",
        bad="now = datetime.now(UTC)\n",
    ),
    Rule(
        name="dependencies of routes are coroutines",
        applies=is_business,
        faults=threaded_dependencies,
        path="services/a/src/a/api.py",
        bad="def f(): ...\nPart = Annotated[int, Depends(f)]\n",
    ),
    Rule(
        name="a script says its keys, arguments and result",
        applies=lambda path: path.suffix == ".lua",
        faults=lua_header,
        path="a.lua",
        bad="-- KEYS[1]: the lease\nreturn 1\n",
    ),
    Rule(
        name="a migration says whether the previous release may run",
        applies=lambda path: re.match(r"\d{4}_.*\.sql$", path.name) is not None,
        faults=migration_header,
        path="0001_a.sql",
        bad="CREATE TABLE a ();\n",
    ),
    Rule(
        name="a row may have a newer release's columns",
        applies=lambda path: is_python(path) and path.name != Path(__file__).name,
        faults=spread_rows,
        path="a.py",
        bad="return Message(**row)\n",
    ),
    Rule(
        name="only contracts.topics spells topics",
        applies=lambda path: is_python(path) and path.name not in {"topics.py", Path(__file__).name},
        faults=spelled_topics,
        path="a.py",
        bad="topic = 'routing.events'\n",
    ),
    Rule(
        name="pins carry hashes and no addresses",
        applies=lambda path: re.match(r"requirements.*\.txt$", path.name) is not None,
        faults=addresses_in_pins,
        path="requirements.txt",
        bad="a @ file:///a.whl\n",
    ),
    Rule(
        name="tests folders are no packages",
        applies=is_python_test,
        faults=stray_files,
        path="tests/__init__.py",
        bad="",
    ),
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_rule_holds(rule: Rule) -> None:
    found = [f"{path}: {fault}" for path, text in files() if rule.applies(path) for fault in rule.faults(path, text)]

    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_rule_finds_its_bad_example(rule: Rule) -> None:
    assert rule.applies(PurePath(rule.path))
    assert list(rule.faults(PurePath(rule.path), rule.bad))


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_a_service_names_its_settings_and_topics_in_its_readme(service: Path) -> None:
    readme = (service / "README.md").read_text()
    sources = [path.read_text() for path in (service / "src").rglob("*.py")]

    assert missing_settings(own_settings(service), readme) == []
    assert missing_topics(sources, readme) == []


def test_the_settings_of_every_service_stand_in_the_readme_of_servicekit() -> None:
    assert missing_settings({ServiceSettings}, (ROOT / "libs/servicekit/README.md").read_text()) == []


def test_a_setting_or_topic_that_a_readme_does_not_name_is_found() -> None:
    assert "CENTRALINO_KAFKA_BOOTSTRAP" in missing_settings({ServiceSettings}, "nothing")
    assert missing_topics(["from contracts.topics import MESSAGES\n"], "nothing") == ["messages"]
    assert missing_topics(["from contracts import topics\nprint(topics.MESSAGES)\n"], "`messages`") == []


def test_the_makefile_lists_its_few_targets_itself() -> None:
    assert makefile_faults((ROOT / "Makefile").read_text()) == []
    assert makefile_faults("test:\n\t@true\n") == ["test is not listed"]
    assert makefile_faults("".join(f"t{n}:  ## x\n" for n in range(17))) == ["17 targets, 16 are allowed"]


def test_the_papers_of_the_house_are_there() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()
    assert "## House style" in (ROOT / "CONTRIBUTING.md").read_text()


def own_settings(service: Path) -> set[type[ServiceSettings]]:
    source = service / "src"
    names = [".".join(path.relative_to(source).with_suffix("").parts) for path in source.rglob("settings.py")]
    values = [value for name in names for value in vars(importlib.import_module(name)).values()]
    found = {value for value in values if isinstance(value, type) and issubclass(value, ServiceSettings)}
    assert found - {ServiceSettings}, "a service has its own Settings"
    return found - {ServiceSettings}


def missing_settings(classes: Iterable[type[ServiceSettings]], readme: str) -> list[str]:
    common = set() if ServiceSettings in classes else set(ServiceSettings.model_fields)
    names = sorted({name for one in classes for name in one.model_fields} - common)
    return [variable for variable in (f"CENTRALINO_{name.upper()}" for name in names) if variable not in readme]


def missing_topics(sources: Iterable[str], readme: str) -> list[str]:
    used = {name for text in sources for name in topic_constants(text)}
    return sorted(CONSTANTS[name].name for name in used if f"`{CONSTANTS[name].name}`" not in readme)


def topic_constants(text: str) -> Iterator[str]:
    for module, names in imports(text):
        if module == "contracts.topics":
            yield from names & CONSTANTS.keys()
    for node in nodes(text):
        if isinstance(node, ast.Attribute) and name_of(node.value) == "topics" and node.attr in CONSTANTS:
            yield node.attr


def makefile_faults(text: str) -> list[str]:
    targets = re.findall(r"^([a-z][\w-]*):(?!=)(.*)$", text, re.MULTILINE)
    faults = [f"{name} is not listed" for name, rest in targets if "  ## " not in rest]
    return faults + ([f"{len(targets)} targets, {TARGETS_MAX} are allowed"] if len(targets) > TARGETS_MAX else [])


@cache
def files() -> list[tuple[PurePath, str]]:
    """Every text file that is, or will be, in the repository."""
    return list(read_files())


def read_files() -> Iterator[tuple[PurePath, str]]:
    for folder, folders, names in os.walk(ROOT):
        kept = (name for name in folders if name not in UNTRACKED and not name.endswith(".egg-info"))
        folders[:] = sorted(name for name in kept if name == ".ci" or not name.startswith("."))
        for name in names:
            path = Path(folder, name)
            if path.suffix in WORDS and not path.is_symlink() and name != ".git":
                yield path.relative_to(ROOT), path.read_text()


@cache
def nodes(text: str) -> list[ast.AST]:
    """Parsed once for all rules."""
    return list(ast.walk(ast.parse(text)))


def comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def imports(text: str) -> Iterator[tuple[str, set[str]]]:
    """Every imported module with the names taken from it; a module imported whole comes with its own name."""
    for node in nodes(text):
        if isinstance(node, ast.Import):
            yield from ((alias.name, {alias.name}) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, {alias.name for alias in node.names}


def calls(text: str) -> Iterator[ast.Call]:
    return (node for node in nodes(text) if isinstance(node, ast.Call))


def name_of(node: ast.expr) -> str:
    """`a.b.c` for names and attributes, else empty."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=owner, attr=name):
            return f"{name_of(owner)}.{name}"
        case _:
            return ""


def is_zero(arguments: list[ast.expr]) -> bool:
    match arguments:
        case [ast.Constant(value=0)]:
            return True
        case _:
            return False
