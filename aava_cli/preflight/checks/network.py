"""What addresses, names, ports and servers have to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.preflight.checks.address import host_of
from aava_cli.preflight.facts import Unknown
from aava_cli.preflight.findings import Failed, Passed, Skipped, Warned, check, known

if TYPE_CHECKING:
    from aava_cli.preflight.facts import Facts
    from aava_cli.preflight.findings import Finding
    from aava_cli.preflight.networkfacts import Answered, Listener

_SERVER_ERROR = 500
# A program that looks `localhost` up takes the first answer, which is often not where we listen.
_MITIGATION = (
    "name the daemon 127.0.0.1, not `localhost`; where another program insists on IPv6, run "
    "`sudo sysctl -w net.ipv6.conf.all.disable_ipv6=1`"
)


@check("loopback")
def loopback_works(facts: Facts) -> Finding:
    """Expect the kind of loopback address that `.env` names."""
    network, host = known(facts.network), host_of(known(facts.env_file))
    have = [name for name, there in (("IPv4", network.ipv4), ("IPv6", network.ipv6)) if there]
    evidence = " and ".join(have) or "no address"
    if ":" in host and not network.ipv6:
        fix = "set `LOCAL_WS_HOST=127.0.0.1` in `.env`"
        return Failed(f"{evidence}, but `LOCAL_WS_HOST` is {host}", fix)
    if ":" not in host and not network.ipv4:
        fix = "set `LOCAL_WS_HOST=::1` in `.env`"
        return Failed(f"{evidence}, but `LOCAL_WS_HOST` is {host}", fix)
    return Passed(evidence)


@check("ipv6")
def ipv6_is_no_trap(facts: Facts) -> Finding:
    """Warn of IPv6 where it is in the way, and only there: some hosts have nothing else."""
    network, host = known(facts.network), host_of(known(facts.env_file))
    if not network.ipv6:
        return Passed("off")
    if network.is_ipv6_only:
        evidence = "the only one there is"
        if ":" in host:
            return Passed(evidence, "health checks have to ask [::1]")
        fix = "set `LOCAL_WS_HOST=::1` in `.env`, and have health checks ask [::1]"
        return Warned(f"{evidence}, but the daemon listens on {host}", fix)
    if host == "localhost":
        return Warned("on, and `LOCAL_WS_HOST` is a name that both kinds have", _MITIGATION)
    return Passed("on, beside IPv4", _MITIGATION)


@check("names")
def names_are_found(facts: Facts) -> Finding:
    """Expect that the hub's name leads to an address, unless a proxy knows names."""
    names = known(facts.names)
    if names.offline:
        return Skipped(f"`{names.offline}` is set")
    if names.proxy:
        return Skipped(f"the proxy {names.proxy} looks names up")
    if names.problem:
        fix = "look at /etc/resolv.conf; run `getent hosts " + names.host + "` to try again"
        return Warned(f"{names.host}: {names.problem}", fix)
    return Passed(f"{names.host}: {', '.join(names.addresses[:2])}")


@check("hub")
def hub_answers(facts: Facts) -> Finding:
    """Expect the hub, which most models come from; what is on disk works without it."""
    names = facts.names
    if not isinstance(names, Unknown) and names.problem:
        return Skipped(f"{names.host} is not found")
    return _judge(known(facts.hub), "models cannot be pulled from it")


@check("downloads")
def downloads_answer(facts: Facts) -> Finding:
    """Expect the server that the hub keeps large files on: another host, which may be closed."""
    answered = known(facts.downloads)
    if answered is None:
        return Skipped("no model of the catalog is on the hub")
    hub = facts.hub
    if not isinstance(hub, Unknown) and hub.problem and hub.host == answered.host:
        return Skipped("the hub itself does not answer")
    return _judge(answered, "the hub sends every large file there")


def _judge(answered: Answered, why: str) -> Finding:
    if answered.offline:
        return Skipped(f"`{answered.offline}` is set")
    via = f" through {answered.proxy}" if answered.proxy else ""
    fix = "let this host reach it, name a mirror with `HF_ENDPOINT`, or `HTTPS_PROXY`"
    if answered.problem:
        return Warned(f"{answered.host}{via}: {answered.problem}: {why}", fix)
    if (answered.status or 0) >= _SERVER_ERROR:
        return Warned(f"{answered.host}{via} answers {answered.status}", "try again later")
    return Passed(f"{answered.host}{via} answers")


@check("proxy")
def proxies_make_sense(facts: Facts) -> Finding:
    """Expect proxies that can be used, and none in front of this host's own daemon."""
    proxies = known(facts.proxies)
    if not proxies.named:
        return Passed("none")
    evidence = ", ".join(f"{name} {address}" for name, address in proxies.named)
    if proxies.problems:
        return Warned("; ".join(proxies.problems), "correct the variables of the environment")
    if not proxies.spares_loopback:
        fix = "set `NO_PROXY=127.0.0.1,localhost,::1`: health checks of other programs use it"
        return Warned(f"{evidence}, also for this host itself", fix)
    return Passed(evidence)


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


@check("ports")
def ports_of_services_are_theirs(facts: Facts) -> Finding:
    """Expect that the project's other services get their ports, all on the host's own network."""
    if not known(facts.is_compose_project):
        return Skipped("no Compose project")
    listeners = known(facts.listeners)
    strangers = [each for each in listeners if not each.in_container]
    if strangers:
        taken = "; ".join(map(_described, strangers))
        return Warned(taken, "stop that program, or give the service another port")
    if listeners:
        return Passed("; ".join(map(_described, listeners)))
    return Passed("nobody listens on the ports of the other services")


def _described(listener: Listener) -> str:
    holder = listener.holder or "somebody"
    where = " in a container" if listener.in_container else ""
    return f"{listener.number} ({listener.service}): {holder}{where}"
