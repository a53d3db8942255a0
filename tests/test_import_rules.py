"""Who may import, print, exit and do I/O: read from the source, held from the first day."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

REPOSITORY = Path(__file__).parent.parent
VERBS = frozenset(
    {"download", "switch", "rebuild", "preflight", "serve", "audit", "smoke", "project"}
)
PURE_NAMES = frozenset({"plan.py", "checks.py", "envfile.py", "yamlfile.py"})
PURE_FILES = PURE_NAMES | {"catalog.py", "catalog_schema.py"}
IO_MODULES = frozenset(
    {
        *("docker", "filelock", "glob", "httpx", "huggingface_hub", "os", "psutil"),
        *("pynvml", "select", "shutil", "signal", "socket", "ssl", "subprocess", "tempfile"),
        *("threading", "urllib", "websockets"),
    }
)
IO_CALLS = frozenset({"open", "read_text", "read_bytes", "write_text", "write_bytes"})
TYPER_FILES = frozenset({"app.py", "cli.py"})
PRINTERS = frozenset({"output.py", "watching.py", "__main__.py"})
HOST = re.compile(r"\b(?:[a-z0-9-]+\.)*([a-z0-9-]+\.(?:org|com|net|dev|io|co|ai))\b(?!\()")
# Each of these is a name in a format or in a protocol, or a link for the reader.
NAMES_THAT_LOOK_LIKE_HOSTS = frozenset(
    {"github.com", "kroko.ai", "nvidia.com", "w3.org", "yaml.org"}
)
MACHINE_PATH = re.compile(r"(?<![\w.*~])/(?:home|root|Users|mnt|media)/\w+")


@dataclass(frozen=True, slots=True)
class Module:
    """One file of the package: its path inside it, and its text."""

    path: Path
    source: str

    @property
    def verb(self) -> str | None:
        """The verb that the file belongs to."""
        first = self.path.parts[0]
        return first if first in VERBS else None

    @property
    def is_pure(self) -> bool:
        """Whether the file only decides, and leaves every effect to others."""
        parent = self.path.parent.name
        return self.path.name in PURE_FILES or parent in ("checks", "backends", "memory")

    def nodes(self) -> tuple[ast.AST, ...]:
        """Return every node of the syntax tree."""
        return _nodes(self.source)

    def imports(self) -> Iterator[tuple[int, str]]:
        """Yield line and full name of everything that is imported, wherever it stands."""
        for node in self.nodes():
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = f"aava_cli.{node.module or ''}" if node.level else str(node.module)
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)

    def runtime_imports(self) -> Iterator[tuple[int, str]]:
        """Yield what is imported outside `if TYPE_CHECKING:`."""
        typed: set[int] = set()
        for node in self.nodes():
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                typed |= {inner.lineno for part in node.body for inner in _statements(part)}
        return ((line, name) for line, name in self.imports() if line not in typed)

    def calls(self) -> Iterator[tuple[int, str]]:
        """Yield line and written name of every call."""
        for node in self.nodes():
            if isinstance(node, ast.Call):
                yield node.lineno, ast.unparse(node.func)

    def attributes(self) -> Iterator[tuple[int, str]]:
        """Yield line and written name of every attribute."""
        for node in self.nodes():
            if isinstance(node, ast.Attribute):
                yield node.lineno, ast.unparse(node)


@cache
def _nodes(source: str) -> tuple[ast.AST, ...]:
    # Every rule asks for them, most of them twice.
    return tuple(ast.walk(ast.parse(source)))


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    return (inner for inner in ast.walk(node) if isinstance(inner, ast.stmt))


Rule: TypeAlias = "Callable[[Module], Iterator[tuple[int, str]]]"


def imports_no_other_verb(module: Module) -> Iterator[tuple[int, str]]:
    """Let a verb import the kernel, never another verb, and the kernel no verb at all."""
    if module.path.parts[0] == "flows":
        return
    for line, name in module.imports():
        _root, _, rest = name.partition("aava_cli.")
        verb, _, inner = rest.partition(".")
        is_command = str(module.path) == "app.py" and inner.startswith("cli.")
        if verb in VERBS and verb != module.verb and not is_command:
            yield line, f"imports `{name}`: compose verbs in flows/, share code in the kernel"


def does_no_io_where_it_decides(module: Module) -> Iterator[tuple[int, str]]:
    """Keep what only decides from importing what acts, and from opening anything."""
    if not module.is_pure:
        return
    for line, name in module.runtime_imports():
        if name.partition(".")[0] in IO_MODULES or name in ("pathlib.Path", "pathlib"):
            yield line, f"imports `{name}` in a module that does no I/O: hand the facts in"
    for line, name in module.calls():
        if name.rpartition(".")[2] in IO_CALLS:
            yield line, f"calls `{name}` in a module that does no I/O: hand the text in"


def keeps_typer_at_the_edge(module: Module) -> Iterator[tuple[int, str]]:
    """Let only the command line know the command line's library."""
    if module.path.name in TYPER_FILES:
        return
    for line, name in module.imports():
        if name.partition(".")[0] == "typer":
            yield line, f"imports `{name}`: keep Typer in app.py and cli.py"


def uses_public_typer_only(module: Module) -> Iterator[tuple[int, str]]:
    """Touch neither Click nor the copy of it that Typer carries, as Typer asks."""
    for line, name in module.imports():
        if name.partition(".")[0] == "click" or name.startswith("typer._"):
            yield line, f"imports `{name}`: use the public names of typer"
    for line, name in module.attributes():
        if name.startswith("typer._"):
            yield line, f"uses `{name}`: use the public names of typer"


def prints_in_one_place(module: Module) -> Iterator[tuple[int, str]]:
    """Send all that the user sees through `Output`, which knows the form that was asked for."""
    if str(module.path) in PRINTERS:
        return
    for line, name in module.calls():
        if name in ("print", "typer.echo", "typer.secho", "Console"):
            yield line, f"calls `{name}`: hand a result, an event or an error to `Output`"
    for line, name in module.attributes():
        if name in ("sys.stdout", "sys.stderr"):
            yield line, f"uses `{name}`: hand a result, an event or an error to `Output`"


def exits_in_one_place(module: Module) -> Iterator[tuple[int, str]]:
    """Have everything else raise, so that whoever began a change can undo it."""
    if str(module.path) == "__main__.py":
        return
    for line, name in module.calls():
        if name in ("sys.exit", "exit", "quit", "os._exit", "os.abort", "SystemExit"):
            yield line, f"calls `{name}`: raise an `AavaError`"


def names_no_host(module: Module) -> Iterator[tuple[int, str]]:
    """Leave indexes and hubs to the user, and addresses to the catalog."""
    for line, text in enumerate(module.source.splitlines(), start=1):
        for match in HOST.finditer(text):
            if match[1] not in NAMES_THAT_LOOK_LIKE_HOSTS:
                yield line, f"names the host `{match[0]}`: let configuration or the catalog do that"


def names_no_machine(module: Module) -> Iterator[tuple[int, str]]:
    """Allow no path that only one machine has: it is a mistake on every other."""
    yield from _found(MACHINE_PATH, module, "names a path of one machine: derive it")
    checkout = re.compile(re.escape(str(REPOSITORY)) + r"\b")
    yield from _found(checkout, module, "names the folder that it was written in: derive it")


def _found(pattern: re.Pattern[str], module: Module, complaint: str) -> Iterator[tuple[int, str]]:
    for number, text in enumerate(module.source.splitlines(), start=1):
        match = pattern.search(text)
        if match:
            yield number, f"`{match[0]}` {complaint}"


RULES: tuple[Rule, ...] = (
    imports_no_other_verb,
    does_no_io_where_it_decides,
    keeps_typer_at_the_edge,
    uses_public_typer_only,
    prints_in_one_place,
    exits_in_one_place,
    names_no_host,
    names_no_machine,
)

BROKEN = (
    (imports_no_other_verb, "switch/plan.py", "from aava_cli.download.plan import plan_pull"),
    (imports_no_other_verb, "switch/plan.py", "import aava_cli.preflight.checks"),
    (imports_no_other_verb, "switch/cli.py", "def f():\n    from aava_cli.serve import app"),
    (imports_no_other_verb, "store.py", "from aava_cli.download.apply import x"),
    (imports_no_other_verb, "app.py", "from aava_cli.download.apply import x"),
    (imports_no_other_verb, "store.py", "from .switch import plan"),
    (does_no_io_where_it_decides, "envfile.py", "import os"),
    (does_no_io_where_it_decides, "switch/plan.py", "from pathlib import Path"),
    (does_no_io_where_it_decides, "rebuild/plan.py", "def f():\n    import subprocess"),
    (does_no_io_where_it_decides, "preflight/checks/host.py", "from urllib.request import x"),
    (does_no_io_where_it_decides, "preflight/checks.py", "open('x')"),
    (does_no_io_where_it_decides, "memory/fit.py", "import os"),
    (does_no_io_where_it_decides, "catalog_schema.py", "path.read_text()"),
    (keeps_typer_at_the_edge, "switch/apply.py", "import typer"),
    (keeps_typer_at_the_edge, "session.py", "from typer import Context"),
    (uses_public_typer_only, "app.py", "import click"),
    (uses_public_typer_only, "app.py", "from click.core import Context"),
    (uses_public_typer_only, "app.py", "from typer._click import x"),
    (uses_public_typer_only, "app.py", "from typer import _click"),
    (uses_public_typer_only, "app.py", "import typer\ntyper._click.x()"),
    (prints_in_one_place, "switch/apply.py", "print('x')"),
    (prints_in_one_place, "app.py", "import sys\nsys.stdout.write('x')"),
    (prints_in_one_place, "serve/output.py", "import sys\nx = sys.stderr"),
    (prints_in_one_place, "app.py", "typer.echo('x')"),
    (exits_in_one_place, "app.py", "import sys\nsys.exit(1)"),
    (exits_in_one_place, "switch/cli.py", "raise SystemExit(1)"),
    (exits_in_one_place, "serve/app.py", "import os\nos._exit(1)"),
    (names_no_host, "download/sources/resolver.py", "INDEX = 'https://index.example.org/simple'"),
    (names_no_host, "download/sources/resolver.py", "# see hub.example.com"),
    (names_no_machine, "store.py", "MODELS = '/home/someone/models'"),
    (names_no_machine, "store.py", f"MODELS = '{REPOSITORY}/models'"),
)

ALLOWED = (
    (imports_no_other_verb, "app.py", "from aava_cli.download.cli import models"),
    (imports_no_other_verb, "flows/up.py", "from aava_cli.download.apply import x"),
    (imports_no_other_verb, "switch/apply.py", "from aava_cli.switch.plan import plan_switch"),
    (imports_no_other_verb, "switch/apply.py", "from aava_cli.daemon.client import connect"),
    (does_no_io_where_it_decides, "switch/plan.py", "from pathlib import PurePosixPath"),
    (does_no_io_where_it_decides, "switch/apply.py", "import os\nopen('x')"),
    (
        does_no_io_where_it_decides,
        "switch/plan.py",
        "if TYPE_CHECKING:\n    from pathlib import Path",
    ),
    (keeps_typer_at_the_edge, "switch/cli.py", "import typer"),
    (uses_public_typer_only, "app.py", "import typer\ntyper.Typer()"),
    (prints_in_one_place, "output.py", "import sys\nsys.stdout.write('x')"),
    (exits_in_one_place, "__main__.py", "import sys\nsys.exit(0)"),
    (names_no_host, "daemon/client.py", "URL = 'ws://127.0.0.1:8765'"),
    (names_no_machine, "settings.py", "CONTAINER = '/app/models'"),
)


def the_tree() -> Iterator[Module]:
    """Yield every module of the program."""
    package = REPOSITORY / "aava_cli"
    for path in sorted(package.rglob("*.py")):
        yield Module(path.relative_to(package), path.read_text(encoding="utf-8"))


def name_of(value: object) -> str:
    """Return how a parameter is shown."""
    return str(getattr(value, "__name__", value))


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_the_tree_keeps_the_rule(rule: Rule) -> None:
    """No module breaks it; the list says which line does, and what to do instead."""
    broken = [
        f"aava_cli/{module.path}:{line}: {complaint}"
        for module in the_tree()
        for line, complaint in rule(module)
    ]
    assert [] == broken, "\n" + "\n".join(broken)


@pytest.mark.parametrize(("rule", "path", "source"), BROKEN, ids=name_of)
def test_rule_notices_what_breaks_it(rule: Rule, path: str, source: str) -> None:
    """A rule that cannot fail holds nothing."""
    last_line = source.count("\n") + 1
    assert last_line in [line for line, _ in rule(Module(Path(path), source))]


@pytest.mark.parametrize(("rule", "path", "source"), ALLOWED, ids=name_of)
def test_rule_allows_what_is_meant(rule: Rule, path: str, source: str) -> None:
    """A rule that always fails is soon ignored."""
    assert [] == list(rule(Module(Path(path), source)))


def test_every_rule_has_an_example_of_each_kind() -> None:
    """A new rule brings its examples."""
    assert set(RULES) == {each[0] for each in BROKEN} == {each[0] for each in ALLOWED}


def test_the_tree_is_where_it_is_looked_for() -> None:
    """An empty tree would keep every rule."""
    paths = {str(module.path) for module in the_tree()}
    assert paths >= {"app.py", "switch/plan.py", "daemon/client.py"}
    assert {"backends/table.py", "envfile.py"} <= {
        str(module.path) for module in the_tree() if module.is_pure
    }
