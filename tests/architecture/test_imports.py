"""Who may import whom: the claim that the coordinator can't see raw data, made checkable."""

from __future__ import annotations

import ast
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]
PACKAGES = ("pprl", "coordinator")
NEVER_AT_THE_COORDINATOR = (
    "pprl.encode", "pprl.department", "pprl.research", "pprl.rates", "pprl.privacy", "pprl.rehearsal",
    "pprl.demonstration", "pprl.synthetic", "pprl.scoring", "pprl.agreements", "pprl.cli",
    "pprl.protocol.secret_shares", "clkhash",
)  # fmt: skip
# All that the coordinator may load of pprl: what is not listed is refused, so that a new module must be thought about.
PPRL_AT_THE_COORDINATOR = {
    "pprl", "pprl.errors", "pprl.console", "pprl.files", "pprl.files.atomic", "pprl.files.identity",
    "pprl.passphrase", "pprl.party_commands", "pprl.signing", "pprl.signing_commands",
    "pprl.files.holdings", "pprl.files.party", "pprl.files.seen",
}  # fmt: skip
PPRL_PACKAGES_AT_THE_COORDINATOR = ("pprl.crypto", "pprl.protocol")
HEAVY = (
    "numpy", "pyarrow", "pydantic", "cryptography", "sqlalchemy", "clkhash", "anonlink", "tomlkit", "rich", "numba",
    "pkg_resources",
)  # fmt: skip


def _modules(package: str) -> list[str]:
    found = pkgutil.walk_packages([str(ROOT / package)], prefix=f"{package}.")
    return [package, *(module.name for module in found if not module.name.endswith("__main__"))]


def _loaded_after(code: str) -> set[str]:
    """Names of all modules that a fresh interpreter has loaded after some code."""
    ending = "\nimport sys; print('LOADED', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code + ending],
        capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return set(done.stdout.rpartition("LOADED ")[2].split())


def _beneath(loaded: set[str], packages: tuple[str, ...]) -> set[str]:
    return {name for name in loaded for package in packages if f"{name}.".startswith(f"{package}.")}


def test_the_whole_coordinator_loads_nothing_that_sees_raw_data() -> None:
    modules = _modules("coordinator")
    assert {"coordinator.cli", "coordinator.operations", "coordinator.linkage.solve"} <= set(modules)
    loaded = _loaded_after("".join(f"import {module}\n" for module in modules))
    assert set(modules) <= loaded
    assert not _beneath(loaded, NEVER_AT_THE_COORDINATOR)


def _not_for_the_coordinator(names: set[str]) -> set[str]:
    """Modules of pprl that are on neither list, among some names; names inside a listed module are its own."""
    allowed = PPRL_AT_THE_COORDINATOR | _beneath(names, PPRL_PACKAGES_AT_THE_COORDINATOR)
    never = _beneath(names, NEVER_AT_THE_COORDINATOR)
    return {name for name in _beneath(names, ("pprl",)) if name not in allowed or name in never}


def test_the_whole_coordinator_loads_only_what_is_listed() -> None:
    loaded = _loaded_after("".join(f"import {module}\n" for module in _modules("coordinator")))
    assert "pprl.crypto.exchange" in loaded
    assert not _not_for_the_coordinator(loaded)


def test_the_coordinator_names_only_what_is_listed() -> None:
    known = set(_modules("pprl"))
    for name, tree in SOURCES.items():
        if name.startswith("coordinator"):
            assert not _not_for_the_coordinator(set(_imported(tree)) & known), name
            named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            assert not named & {"importlib", "__import__"}, name
            assert not _beneath(set(_imported(tree)), ("importlib", "runpy", "pkgutil")), name


def test_a_module_that_is_not_listed_is_noticed() -> None:
    found = _not_for_the_coordinator(
        {"pprl.files.tables", "pprl.protocol.pairs", "pprl.protocol.secret_shares", "pprl.new", "sys"}
    )
    assert found == {"pprl.files.tables", "pprl.protocol.secret_shares", "pprl.new"}


def test_no_department_module_loads_the_coordinator() -> None:
    modules = _modules("pprl")
    assert {"pprl.cli", "pprl.department", "pprl.encode.clk"} <= set(modules)
    loaded = _loaded_after("".join(f"import {module}\n" for module in modules))
    assert set(modules) <= loaded
    assert not _beneath(loaded, ("coordinator", "anonlink"))


@pytest.mark.parametrize(
    "code",
    [
        "import pprl.cli",
        "import coordinator.cli",
        "import sys; sys.argv = ['pprl', '--help']\ntry:\n import pprl.cli; pprl.cli.main()\nexcept SystemExit: pass",
        "import sys; sys.argv = ['pprl', 'encode', '--help']\n"
        "try:\n import pprl.cli; pprl.cli.main()\nexcept SystemExit: pass",
        "import sys; sys.argv = ['coordinator', 'match', '--help']\n"
        "try:\n import coordinator.cli; coordinator.cli.main()\nexcept SystemExit: pass",
    ],
    ids=["pprl", "coordinator", "pprl --help", "pprl encode --help", "coordinator match --help"],
)
def test_help_loads_nothing_heavy(code: str) -> None:
    loaded = _loaded_after(code)
    assert loaded & {"pprl.cli", "coordinator.cli"}
    assert not _beneath(loaded, HEAVY)


def _sources() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            yield name, ast.parse(path.read_text(encoding="utf-8"))


SOURCES = dict(_sources())


def _imported(tree: ast.AST) -> Iterator[str]:
    """Everything that a module names in an import, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _importers(package: str) -> set[str]:
    return {
        name
        for name, tree in SOURCES.items()
        if any(f"{imported}.".startswith(f"{package}.") for imported in _imported(tree))
    }


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("cryptography", ("pprl.crypto",)),
        ("clkhash", ("pprl.encode",)),
        ("anonlink", ()),
        (
            "sqlalchemy",
            (
                "coordinator.store",
                "coordinator.custody",
                "coordinator.destruction",
                "coordinator.intake",
                "coordinator.log",
                "coordinator.operations",
            ),
        ),
        ("pyarrow", ("pprl.files", "coordinator.linkage.spark")),
        ("pyspark", ("coordinator.linkage.spark",)),
        ("tomlkit", ("pprl.agreements",)),
        (
            "click",
            (
                "pprl.cli",
                "coordinator.cli",
                "pprl.console",
                "pprl.passphrase",
                "pprl.party_commands",
                "pprl.signing_commands",
            ),
        ),
        ("mnemonic", ("pprl.crypto",)),
        ("getpass", ("pprl.passphrase",)),
        ("rich", ("pprl.console",)),
        ("subprocess", ("pprl.rehearsal",)),
        ("secrets", ("pprl.crypto",)),
        ("random", ("pprl.synthetic",)),
    ],
)
def test_only_one_place_imports(package: str, allowed: tuple[str, ...]) -> None:
    importers = _importers(package)
    outside = {name for name in importers if not any(f"{name}.".startswith(f"{each}.") for each in allowed)}
    assert not outside


def test_the_linkage_secret_is_out_of_the_coordinators_reach_by_name_too() -> None:
    for name, tree in SOURCES.items():
        if name.startswith("coordinator"):
            named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            named |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            assert not {each for each in named if "linkage_secret" in each or "encoding_key" in each}, name


FORBIDDEN_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "yaml"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_ATTRIBUTES = {"allow_pickle", "yaml.load", "os.system", "os.popen"}


@pytest.mark.parametrize("name", SOURCES)
def test_nothing_that_runs_what_it_reads(name: str) -> None:
    tree = SOURCES[name]
    assert not {imported.split(".")[0] for imported in _imported(tree)} & FORBIDDEN_MODULES
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in FORBIDDEN_CALLS | FORBIDDEN_ATTRIBUTES, f"{called}, line {node.lineno}"
            assert not any(word.arg == "allow_pickle" for word in node.keywords), f"line {node.lineno}"
            shell = [word for word in node.keywords if word.arg == "shell"]
            assert not shell, f"a shell, line {node.lineno}"


@pytest.mark.parametrize("name", SOURCES)
def test_no_assert_in_product_code(name: str) -> None:
    lines = [node.lineno for node in ast.walk(SOURCES[name]) if isinstance(node, ast.Assert)]
    assert not lines, "python -O would skip these"


@pytest.mark.parametrize("name", SOURCES)
def test_no_network(name: str) -> None:
    networks = {"socket", "http", "urllib", "requests", "httpx", "ftplib", "smtplib", "asyncio"}
    assert not {imported.split(".")[0] for imported in _imported(SOURCES[name])} & networks


def test_import_contracts() -> None:
    """The contracts of pyproject.toml, as CI's `lint-imports` reads them."""
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0
