"""A build's output, read as it goes on; texts are what real builds printed."""

from __future__ import annotations

from aava_cli.docker.buildlog import BuildLog, FailedStep
from aava_cli.docker.engine import parse_args

GOOD = """\
#0 building with "default" instance using docker driver

#1 [local_ai_server internal] load build definition from Dockerfile
#1 transferring dockerfile: 399B 0.0s done
#1 DONE 0.0s
#4 [local_ai_server builder 1/2] COPY busybox /bin/busybox
#4 CACHED
#5 [local_ai_server 1/3] RUN echo one
#5 0.073 one
#5 DONE 1.1s
#6 [local_ai_server 2/3] RUN echo two
"""
BAD = """\
#7 [local_ai_server 3/3] RUN gcc x.c
#7 0.050 x.c:1: fatal error: no such header
#7 0.051 compilation terminated.
#7 ERROR: executor failed running [/bin/sh -c gcc x.c]: exit code: 1
------
 > [local_ai_server 3/3] RUN gcc x.c:
0.050 x.c:1: fatal error: no such header
------
"""


def fed(text: str) -> BuildLog:
    """Return what is known after *text*."""
    log = BuildLog()
    for line in text.splitlines():
        log.feed(line)
    return log


def test_steps_are_counted_over_all_stages() -> None:
    """What came from the cache is done too; the builder's own steps are not counted."""
    log = fed(GOOD)
    assert (2, 5, None) == (log.done, log.total, log.failed)


def test_failing_step_is_named_with_what_it_said() -> None:
    """The builder's summary behind it is not read twice."""
    expected = FailedStep(
        "RUN gcc x.c",
        "executor failed running [/bin/sh -c gcc x.c]: exit code: 1",
        ("x.c:1: fatal error: no such header", "compilation terminated."),
    )
    assert expected == fed(GOOD + BAD).failed


def test_last_twenty_lines_are_kept() -> None:
    """A compiler prints thousands."""
    lines = "".join(f"#7 0.1 line {number}\n" for number in range(100))
    failed = fed(f"#7 [3/3] RUN x\n{lines}#7 ERROR: no\n").failed
    assert failed is not None
    assert tuple(f"line {number}" for number in range(80, 100)) == failed.last_lines


def test_image_tells_its_arguments() -> None:
    """The newest word on each counts, and a command is no argument."""
    history = (
        'CMD ["sh"]\n'
        "RUN |2 INCLUDE_LLAMA=true INCLUDE_TONE=true /bin/sh -c A=1 echo $A # buildkit\n"
        "|1 INCLUDE_LLAMA=false /bin/sh -c echo\n"
        "ARG INCLUDE_LLAMA=false\n"
    )
    assert {"INCLUDE_LLAMA": "true", "INCLUDE_TONE": "true"} == parse_args(history)


def test_argument_with_blanks_hides_no_other() -> None:
    """The builder writes the values as they are, one behind the other."""
    history = "RUN |3 CFLAGS=-O2 -DX=1 -g INCLUDE_TONE=true INCLUDE_LLAMA=false /bin/sh -c B=2\n"
    expected = {"CFLAGS": "-O2 -DX=1 -g", "INCLUDE_TONE": "true", "INCLUDE_LLAMA": "false"}
    assert expected == parse_args(history)
