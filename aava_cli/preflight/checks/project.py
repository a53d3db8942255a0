"""What the project's files and addresses have to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.preflight.findings import Failed, Passed, Skipped, Warned, check, known

if TYPE_CHECKING:
    from aava_cli.preflight.facts import Facts
    from aava_cli.preflight.findings import Finding

_ANY_ADDRESS_HINT = "set `LOCAL_WS_AUTH_TOKEN` in `.env`, or `LOCAL_WS_HOST=127.0.0.1`"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@check("models-folder")
def models_folder_is_writable(facts: Facts) -> Finding:
    """Expect a folder that downloads can be written to."""
    folder = known(facts.models)
    if not folder.writable:
        fix = f"run `sudo chown $USER {folder.path}`, or name another with `--models-dir`"
        return Failed(f"{folder.path} is not writable", fix)
    if not folder.exists:
        return Warned(f"{folder.path} does not exist", "run `aava init`")
    return Passed(str(folder.path))


@check("project-folder")
def project_is_writable(facts: Facts) -> Finding:
    """Expect folders in which `.env`, the overlay and the journal can be replaced."""
    folders = known(facts.written)
    closed = [folder.path for folder in folders if not folder.writable]
    if closed:
        names = ", ".join(map(str, closed))
        fix = f"run aava as their owner, or `sudo chown $USER {' '.join(map(str, closed))}`"
        return Failed(f"this user cannot write to {names}", fix)
    return Passed(", ".join(str(folder.path) for folder in folders))


@check("env")
def env_file_parses(facts: Facts) -> Finding:
    """Parse what the daemon reads; it reads nothing else."""
    env = known(facts.env_file)
    if not env.exists:
        return Warned(f"{env.path} does not exist", "run `aava init`")
    if env.problem is not None:
        return Failed(env.problem, f"correct `{env.path}`")
    if env.comments_as_values:
        keys = ", ".join(f"`{key}`" for key in env.comments_as_values)
        return Warned(f"the value of {keys} is a comment", "move the comment to its own line")
    return Passed(str(env.path))


@check("access")
def daemon_is_protected(facts: Facts) -> Finding:
    """Expect a token on an open address: without one the daemon does not start."""
    env = known(facts.env_file)
    if env.host in _LOOPBACK:
        return Passed(f"only this host reaches {env.host}")
    if not env.has_token:
        return Failed(f"anybody could reach {env.host}: no token is set", _ANY_ADDRESS_HINT)
    if env.others_may_read:
        fix = f"run `chmod o-r {env.path}`"
        return Warned(f"every user of this host can read the token in {env.path}", fix)
    return Passed(f"{env.host}, with a token")


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


@check("port")
def port_is_free_or_ours(facts: Facts) -> Finding:
    """Expect nobody where the daemon is to listen, or the daemon itself."""
    port = known(facts.port)
    by = f": {port.holder}" if port.holder else ""
    match port.answer:
        case "nobody":
            return Passed(f"nobody listens at {port.address} yet")
        case "daemon" if port.detail:
            return Warned(f"{port.detail}{by}", "set `LOCAL_WS_AUTH_TOKEN` to the daemon's own")
        case "daemon":
            return Passed(f"a daemon answers at {port.address}{by}")
        case "silence":
            return Warned(f"{port.detail}{by}", "wait if a model is loading, else restart it")
        case _:
            return Failed(f"{port.detail}{by}", "stop it, or set `LOCAL_WS_PORT` in `.env`")


@check("loopback")
def loopback_works(facts: Facts) -> Finding:
    """Expect the kind of loopback address that `.env` names."""
    network, env = known(facts.network), known(facts.env_file)
    have = [name for name, there in (("IPv4", network.ipv4), ("IPv6", network.ipv6)) if there]
    evidence = " and ".join(have) or "no address"
    if ":" in env.host and not network.ipv6:
        return Failed(f"{evidence}, but `LOCAL_WS_HOST` is {env.host}", "set it to 127.0.0.1")
    if ":" not in env.host and not network.ipv4:
        return Failed(f"{evidence}, but `LOCAL_WS_HOST` is {env.host}", "set it to ::1")
    return Passed(evidence)
