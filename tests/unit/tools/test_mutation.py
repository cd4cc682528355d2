"""The mutation tool on a module of a few lines: which faults it knows, and what it says of tests that miss one."""

from __future__ import annotations

import pytest

from tools import mutation
from tools.mutants import mutants
from tools.mutation import Project, read_results, record, series, told

MODULE = '''"""A module."""

LIMIT = 10


def within(number: int) -> bool:
    """Whether a number is in range."""
    return 0 <= number and number < LIMIT


def steps(number: int) -> int:
    """How many steps down."""
    found = 0
    while number > 0:
        number = number - 1
        found += 1
    return found


def never_tested() -> int:
    """Nobody calls this."""
    return LIMIT * 2
'''
TESTS = """from small.ranges import steps, within

def test_within():
    assert within(5)
    assert not within(11)

def test_steps():
    assert steps(3) == 3
"""


def changes(source: str) -> set[tuple[str, str]]:
    raw = source.encode()
    return {(source[each.start : each.end], each.text) for each in mutants(raw)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a == b", {("==", "!=")}),
        ("a < b <= c", {("<", "<="), ("<=", "<")}),
        ("a is not b", {("is not", "is")}),
        ("(a) not in (b)", {("not in", "in")}),
        ("a and b", {("and", "or")}),
        ("a << b", {("<<", ">>")}),
        ("not a", {("not a", "a")}),
        ("a if b else c", {("b", "True"), ("b", "False")}),
        ("[a for a in b if c]", {("c", "True")}),
        ("check(a)", {("check(a)", "pass")}),
        ("raise FormatError('told', 5)", {("raise FormatError('told', 5)", "pass")}),
        ("def f() -> int:\n    return a", {("a", "None")}),
        ("def f() -> bool:\n    return a or b", {("or", "and"), ("a or b", "not (a or b)")}),
        ("a = True", {("True", "False")}),
        ("a = 41", {("41", "42")}),
        ("a = 'ed25519'", {("'ed25519'", "'ed25519x'")}),
        ("a = b'ed'", {("b'ed'", "b'edx'")}),
    ],
)
def test_each_kind_of_fault(source: str, expected: set[tuple[str, str]]) -> None:
    assert changes(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring."""',
        "import a",
        "a: int",
        "@b(True)\ndef f(): ...",
        "if TYPE_CHECKING:\n    a = 1",
        "a = 'words for people'",
        "a = f'{b}1'",
        "a = FormatError('word')",
        "a = read(b, what='word')",
    ],
)
def test_what_is_left_alone(source: str) -> None:
    assert changes(source) <= {("read(b, what='word')", "pass")}


def test_a_fault_behind_letters_of_several_bytes_is_where_it_should_be() -> None:
    source = "x = 'naïve — words' + a if b == c else d"
    made = {each.applied(source.encode()).decode() for each in mutants(source.encode())}
    assert "x = 'naïve — words' + a if b != c else d" in made


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("project")
    (root / "small").mkdir()
    (root / "tests").mkdir()
    (root / "small" / "__init__.py").touch()
    (root / "small" / "ranges.py").write_text(MODULE)
    (root / "tests" / "test_ranges.py").write_text(TESTS)
    (root / "pyproject.toml").write_text(
        '[tool.coverage.run]\nsource = ["small"]\n[tool.pytest.ini_options]\nfilterwarnings = ["error"]\n'
    )
    project = Project(root, tmp_path_factory.mktemp("build"), ("tests",))
    record(project)
    return project


def fate_of(project: Project, change: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(mutation, "START_SECONDS", 10.0)
    source = MODULE.encode()
    chosen = next(each for each in mutants(source) if change in each.applied(source).decode())
    tests = project.tests_of("small/ranges.py", range(chosen.line, chosen.last_line + 1))
    return mutation.run(project, "small/ranges.py", chosen, tests)[0]


@pytest.mark.parametrize(
    ("change", "fate"),
    [
        ("0 < number and", "survived"),
        pytest.param("number <= LIMIT", "survived", marks=pytest.mark.slow),
        pytest.param("0 <= number or number", "killed", marks=pytest.mark.slow),
        ("not (0 <= number", "killed"),
        pytest.param("found = 1", "killed", marks=pytest.mark.slow),
    ],
)
def test_fates(project: Project, change: str, fate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fate_of(project, change, monkeypatch) == fate
    assert (project.tree / "small" / "ranges.py").read_text() == MODULE


@pytest.mark.slow
def test_a_mutant_that_never_ends_is_stopped(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fate_of(project, "number = number + 1", monkeypatch) == "timed out"


def test_only_tests_that_execute_a_line_are_chosen(project: Project) -> None:
    line = MODULE.splitlines().index("    found = 0") + 1
    assert project.tests_of("small/ranges.py", [line]) == ["tests/test_ranges.py::test_steps"]


def test_a_source_that_a_stopped_series_left_aside_is_put_back(project: Project) -> None:
    path = project.tree / "small" / "ranges.py"
    path.rename(path.with_suffix(mutation.ASIDE))
    path.write_text("broken")
    series(project, ["small/ranges.py"], sample=0, seed=1)
    assert path.read_text() == MODULE


def test_a_series_whose_tests_fail_anyway_is_refused(project: Project) -> None:
    path = project.tree / "small" / "ranges.py"
    path.write_text(MODULE.replace("found += 1", "found += 2"))
    with pytest.raises(SystemExit, match="without a mutant"):
        series(project, ["small/ranges.py"], sample=1, seed=1)
    path.write_text(MODULE)
    assert read_results(project) == []


@pytest.mark.slow
def test_a_series_goes_on_where_it_stopped_and_is_told(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    first = series(project, ["small/ranges.py"], sample=3, seed=1)
    again = series(project, ["small/ranges.py"], sample=4, seed=1)
    assert [each.key for each in first] == [each.key for each in read_results(project)][:3]
    assert len(read_results(project)) == len({each.key for each in [*first, *again]})
    assert "3 of" in capsys.readouterr().out
    record(project)
    assert {each.fate for each in read_results(project)} <= {"killed", "timed out"}
    noticed = sum(each.fate == "killed" for each in again)
    assert [
        line for line in told(again) if line.startswith("all") and f"{noticed / len(again):.1%} (" in line
    ]
