"""What starts the daemon with the host: a unit for systemd, for supervisord, and for Vast.ai."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.output import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

Kind: TypeAlias = Literal["systemd", "supervisor", "onstart"]

# Beside the time that calls get: closing them, and ending the models' processes.
_GRACE_S = 15

_SYSTEMD = """\
# aava serve --print-unit systemd > /etc/systemd/system/aava.service
# systemctl daemon-reload && systemctl enable --now aava
[Unit]
Description=aava voice daemon
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
NotifyAccess=main
User={user}
WorkingDirectory={folder}
ExecStart={command}
Restart=on-failure
RestartSec=5
# It is ready once its models are loaded, which may take minutes.
TimeoutStartSec=infinity
TimeoutStopSec={stop_s}
WatchdogSec=60
KillMode=mixed
NoNewPrivileges=true
PrivateTmp=true
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
"""

_SUPERVISOR = """\
; aava serve --print-unit supervisor > /etc/supervisor/conf.d/aava.conf
; supervisorctl update
[program:aava]
command={command}
directory={folder}
user={user}
autostart=true
autorestart=unexpected
exitcodes=0
startsecs=5
stopsignal=TERM
stopwaitsecs={stop_s}
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""

_ONSTART = """\
#!/bin/bash
# aava serve --print-unit onstart >> ~/onstart.sh
# The instance runs that at every start; a daemon that ended by itself is started again.
cd -- {folder} || exit 1
nohup bash -c '
    while true; do
        "$@" && break   # stopped by SIGTERM
        code=$?
        [ "$code" -eq 2 ] || [ "$code" -eq 5 ] && break   # wrong as written, or it runs already
        sleep 5
    done
' aava {command} >> {log} 2>&1 &
"""


@dataclass(frozen=True, slots=True)
class Unit(Result):
    """What is to be written where, as its own first lines say."""

    kind: Kind
    content: str

    def text(self) -> Iterable[str]:
        """Yield the file, a line at a time."""
        yield from self.content.splitlines()


@dataclass(frozen=True, slots=True)
class Service:
    """What is started: *command* for the project *folder*, as *user*, with *drain_s* to end."""

    command: Sequence[str]
    folder: Path
    user: str
    log: Path
    drain_s: float


def unit_for(kind: Kind, service: Service) -> Unit:
    """Return the unit that starts *service*."""
    template, quote = _TEMPLATES[kind]
    content = template.format(
        command=" ".join(map(quote, service.command)),
        folder=quote(str(service.folder)) if kind == "onstart" else _percent(str(service.folder)),
        log=quote(str(service.log)),
        user=service.user,
        stop_s=round(service.drain_s + _GRACE_S),
    )
    return Unit(kind, content)


def _percent(text: str) -> str:
    # Both systemd and supervisord read `%` as the beginning of something to be put in.
    return text.replace("%", "%%")


def _for_systemd(word: str) -> str:
    """Return *word* as `systemd.service(5)` wants it in a command line."""
    doubled = _percent(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{doubled}"' if any(each.isspace() or each in "\"'\\;" for each in word) else doubled


def _for_supervisor(word: str) -> str:
    # It splits a command as a shell does.
    return _percent(shlex.quote(word))


_TEMPLATES: Mapping[Kind, tuple[str, Callable[[str], str]]] = {
    "systemd": (_SYSTEMD, _for_systemd),
    "supervisor": (_SUPERVISOR, _for_supervisor),
    "onstart": (_ONSTART, shlex.quote),
}
