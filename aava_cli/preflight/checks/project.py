"""What the project's files, folders and models have to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.daemon.address import is_loopback
from aava_cli.preflight.checks.address import UNGUARDED, host_of
from aava_cli.preflight.findings import Failed, Passed, Skipped, Warned, check, known

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aava_cli.preflight.facts import Facts
    from aava_cli.preflight.findings import Finding
    from aava_cli.preflight.projectfacts import EnvFile, Folder

CONTAINER_USER = 1000
"""As whom the containers of a Compose project work."""

_ANY_ADDRESS_HINT = "set `LOCAL_WS_AUTH_TOKEN` in `.env`, or `LOCAL_WS_HOST=127.0.0.1`"
# What containers may read and write: container-selinux's own types.
_CONTAINER_TYPES = ("container_file_t", "container_ro_file_t", "svirt_sandbox_file_t")
_FIX = "run `aava preflight --fix`"
_LINKED = "put a folder in place of the link; what a link leads to is left as it is"


@check("recovery")
def no_change_is_pending(facts: Facts) -> Finding:
    """Expect no change that was interrupted: nothing else can be changed before it is undone."""
    pending = known(facts.pending)
    if pending is not None:
        return Failed(pending.problem, pending.fix)
    return Passed("no change was interrupted")


@check("models-folder")
def models_folder_is_writable(facts: Facts) -> Finding:
    """Expect a folder that downloads can be written to."""
    folder = known(facts.models)
    if not folder.writable:
        fix = f"run `sudo chown $USER {folder.path}`, or name another with `--models-dir`"
        return Failed(f"{folder.path} is not writable", fix)
    if not folder.exists:
        return Warned(f"{folder.path} does not exist", "run `aava init`, or `aava preflight --fix`")
    return Passed(str(folder.path))


@check("owners")
def containers_can_write(facts: Facts) -> Finding:
    """Expect folders that user 1000 can write to, as whom the project's containers work."""
    if not known(facts.is_compose_project):
        return Skipped("no containers here")
    docker = known(facts.docker)
    if docker is not None and docker.is_rootless:
        return Skipped("the engine runs as a user, and gives user 1000 another number")
    owned = known(facts.owned)
    missing = [folder for folder in owned if not folder.exists]
    closed = [folder for folder in owned if folder.exists and not folder.is_open_to(CONTAINER_USER)]
    if closed:
        evidence = f"user {CONTAINER_USER} cannot write to {_places(closed)}"
        paths = " ".join(str(each.path) for each in closed if each.leads_to is None)
        return Warned(evidence, f"run `sudo chown {CONTAINER_USER} {paths}`" if paths else _LINKED)
    if missing:
        is_linked = all(each.leads_to for each in missing)
        return Warned(f"{_places(missing)} does not exist", _LINKED if is_linked else _FIX)
    return Passed(f"user {CONTAINER_USER} can write to {len(owned)} folders")


def _places(folders: Iterable[Folder]) -> str:
    return ", ".join(
        f"{each.path}{f', a link to {each.leads_to},' if each.leads_to else ''}" for each in folders
    )


@check("selinux")
def models_are_labelled(facts: Facts) -> Finding:
    """Expect a label that lets containers read the models, where SELinux refuses things."""
    label = known(facts.label)
    if not label.is_enforced:
        return Skipped("SELinux refuses nothing here")
    if not known(facts.is_compose_project):
        return Skipped("no containers here")
    evidence = f"{label.path} is {label.type or 'without a label'}"
    if label.type in _CONTAINER_TYPES:
        return Passed(evidence)
    fix = f"run `sudo chcon -Rt container_file_t {label.path}`; `semanage fcontext` keeps it so"
    return Warned(f"{evidence}: containers cannot read the models", fix)


@check("project-folder")
def project_is_writable(facts: Facts) -> Finding:
    """Expect folders in which `.env`, the overlay and the journal can be replaced."""
    folders = known(facts.written)
    closed = [folder.path for folder in folders if not folder.writable]
    if closed:
        names = ", ".join(map(str, closed))
        fix = f"run `sudo chown $USER {' '.join(map(str, closed))}`, or run aava as their owner"
        return Failed(f"this user cannot write to {names}", fix)
    return Passed(", ".join(str(folder.path) for folder in folders))


@check("env")
def env_file_parses(facts: Facts) -> Finding:
    """Parse what the daemon reads; it reads nothing else."""
    env = known(facts.env_file)
    if not env.exists:
        fix = _FIX if env.has_example else "run `aava init`"
        return Warned(f"{env.path} does not exist", fix)
    if env.problem or env.address_problem:
        return Failed(env.problem or env.address_problem or "", f"correct `{env.path}`")
    if env.comments_as_values:
        evidence = f"the value of {_quoted(env.comments_as_values)} is a comment"
        return Warned(evidence, "move the comment to its own line", _misread(env))
    if env.misread:
        return Warned(_misread(env), "put the value into single quotes")
    return Passed(str(env.path))


def _misread(env: EnvFile) -> str:
    keys = _quoted(env.misread)
    return f"Compose reads the value of {keys} otherwise than the native daemon" if keys else ""


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{each}`" for each in names)


@check("numbers")
def numbers_are_numbers(facts: Facts) -> Finding:
    """Expect numbers where the daemon reads numbers: it does not start with anything else."""
    env = known(facts.env_file)
    if not env.exists or env.problem is not None:
        return Skipped("no `.env` that parses")
    if env.bad_values:
        fix = "correct that line; `aava backends NAME` shows the range of each"
        return Failed("; ".join(env.bad_values), fix)
    return Passed("every number in `.env` is one")


@check("access")
def daemon_is_protected(facts: Facts) -> Finding:
    """Expect a token on an open address: without one the daemon does not start."""
    env = known(facts.env_file)
    host = host_of(env)
    if host in UNGUARDED:
        return Passed(f"only this host reaches {host}")
    if not env.has_token and is_loopback(host):
        evidence = f"without a token the daemon closes every connection to {host}"
        return Failed(evidence, _ANY_ADDRESS_HINT)
    if not env.has_token:
        return Failed(f"anybody could reach {host}: no token is set", _ANY_ADDRESS_HINT)
    if env.others_may_read:
        fix = f"run `chmod o-r {env.path}`"
        return Warned(f"every user of this host can read the token in {env.path}", fix)
    return Passed(f"{host}, with a token")


@check("yaml")
def yaml_files_parse(facts: Facts) -> Finding:
    """Parse the overlay: the engine ignores a broken one without a word."""
    files = known(facts.yaml_files)
    problems = [file.problem for file in files if file.problem is not None]
    if problems:
        return Failed("; ".join(problems), "correct that line")
    if not files:
        return Skipped("no `config/ai-agent.yaml`")
    return Passed(", ".join(file.path.name for file in files))


@check("yaml-merge")
def overlay_fits_its_base(facts: Facts) -> Finding:
    """Expect an overlay that adds to the shipped configuration, and takes no whole part away."""
    replaced = known(facts.overlay).replaced
    if replaced:
        evidence = f"the overlay has one value, or none, in place of all of {_quoted(replaced)}"
        return Warned(evidence, "write the keys below it, or take the line out")
    return Passed("the overlay replaces single values only")


@check("catalogs")
def own_catalogs_parse(facts: Facts) -> Finding:
    """Parse the catalogs of the user and the project: a broken one stops every pull."""
    files = known(facts.catalogs)
    problems = [file.problem for file in files if file.problem is not None]
    if problems:
        return Failed("; ".join(problems), "correct that line, or move the file away")
    if not files:
        return Skipped("no catalog but the shipped one")
    return Passed(", ".join(str(file.path) for file in files))


@check("models")
def selected_models_are_there(facts: Facts) -> Finding:
    """Expect the files of every selected model, whole by name, size and header."""
    selected = known(facts.selected)
    broken = [each for each in selected if each.problem]
    if broken:
        evidence = "; ".join(f"{each.role}: {each.problem}" for each in broken)
        return Failed(evidence, broken[0].fix)
    if not selected:
        return Skipped("`.env` selects no model")
    return Passed(", ".join(each.name for each in selected))


@check("drift")
def what_runs_is_selected(facts: Facts) -> Finding:
    """Expect the daemon, its container and the overlay to say what `.env` selects."""
    drift = known(facts.drift)
    if drift.notes:
        fix = f"run `{drift.remedies[0]}`" if drift.remedies else "run `aava status`"
        return Warned("; ".join(drift.notes), fix)
    return Passed("all agree with `.env`" if drift.answers else "the files agree; no daemon runs")
