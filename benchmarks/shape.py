"""What reading the code costs: lengths of modules and functions, annotations, docstrings, patches in tests, and arrows.

Counted as reference codebases are compared: library and service code without tests, and without what serves tests.
An arrow is a package of one area that another area imports; the fewer and the straighter, the better.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.report import Report

ROOT: Final = Path(__file__).parents[1]
AREAS: Final = {
    "contracts": "libs/contracts",
    "servicekit": "libs/servicekit",
    "router": "services/router",
    "chat_gateway": "services/chat-gateway",
    "crm": "services/crm",
    "centralino": "cli",
}
PATCH: Final = re.compile(r"\b(monkeypatch\.\w+|mock\.\w+|patch\()")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """A parsed file."""

    path: Path
    lines: int
    tree: ast.Module

    @property
    def functions(self) -> Iterator[Function]:
        """Every function and method, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))


def main() -> None:
    """Count, print, and write `build/bench/shape.jsonl`."""
    report = Report("shape")
    for name, folder in AREAS.items():
        _measure(report, name, list(_modules(ROOT / folder / "src")))
    _measure(report, "all", [each for folder in AREAS.values() for each in _modules(ROOT / folder / "src")])
    tests = [each for folder in (*AREAS.values(), "") for each in _modules(ROOT / folder / "tests")]
    report.write("shape.tests", sum(1 for _ in _tests(tests)), "")
    report.write("shape.patch_lines_per_test", _patch_lines(tests) / sum(1 for _ in _tests(tests)), "")
    for (importer, imported), count in sorted(_arrows().items()):
        report.write(f"shape.arrow.{importer}.{imported}", count, "")


def _modules(source: Path) -> Iterator[Module]:
    for path in sorted(source.rglob("*.py")):
        text = path.read_text()
        if text.strip() and not _serves_tests(path.relative_to(source)):
            yield Module(path, text.count("\n"), ast.parse(text))


def _serves_tests(path: Path) -> bool:
    return any(part.removesuffix(".py") in {"testing", "proof"} for part in path.parts)


def _measure(report: Report, area: str, modules: list[Module]) -> None:
    lines = [module.lines for module in modules]
    functions = [function for module in modules for function in module.functions]
    lengths = [(function.end_lineno or function.lineno) - function.lineno + 1 for function in functions]
    public = [function for function in functions if not function.name.startswith("_")]
    report.write(f"shape.{area}.modules", len(modules), "")
    report.write(f"shape.{area}.lines", sum(lines), "")
    for what, values in (("module", lines), ("function", lengths)):
        report.write(f"shape.{area}.{what}_lines_median", median(values), "")
        report.write(f"shape.{area}.{what}_lines_p90", _percentile(values, 0.9), "")
        report.write(f"shape.{area}.{what}_lines_max", max(values), "")
    report.write(f"shape.{area}.return_annotated", _share(each.returns is not None for each in functions), "%")
    documented = _share(ast.get_docstring(each) is not None for each in public)
    report.write(f"shape.{area}.public_with_docstring", documented, "%")


def _percentile(values: list[int], share: float) -> int:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _share(holds: Iterable[bool]) -> float:
    found = list(holds)
    return 100 * sum(found) / len(found)


def _tests(modules: Iterable[Module]) -> Iterator[Function]:
    return (each for module in modules for each in module.functions if each.name.startswith("test_"))


def _patch_lines(modules: Iterable[Module]) -> int:
    return sum(bool(PATCH.search(line)) for module in modules for line in module.path.read_text().splitlines())


def _arrows() -> Counter[tuple[str, str]]:
    """How many modules of an area import another area."""
    found: Counter[tuple[str, str]] = Counter()
    for name, folder in AREAS.items():
        for module in _modules(ROOT / folder / "src"):
            found.update((name, other) for other in _imported(module.tree) & AREAS.keys() - {name})
    return found


def _imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


if __name__ == "__main__":
    main()
