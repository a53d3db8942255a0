"""Load a model with llama.cpp and end, as a program of its own: what it allocates is in its log.

Arguments: the file, the context, the conversations, the cache's type, and whether windows are
kept whole.
"""

import os
import sys
import time

import xllamacpp

_LOGGED_S = 0.4  # the log is written by a thread of its own


def main(path: str, context: str, parallel: str, kind: str, whole: str) -> None:
    """Load *path*; the process ends without a farewell, which may take for ever."""
    asked = xllamacpp.CommonParams()
    asked.model.path = path
    asked.n_ctx, asked.n_parallel, asked.n_batch = int(context), int(parallel), 512
    asked.cache_type_k = asked.cache_type_v = int(kind)
    asked.swa_full = whole == "1"
    asked.verbosity, asked.warmup = 4, False
    asked.fit_params, asked.cache_ram_mib = False, 0
    asked.hostnames, asked.ui = ["127.0.0.1"], False
    # One that is let go of at once may wait for its own loop for ever.
    server = xllamacpp.Server(asked)
    time.sleep(_LOGGED_S)
    assert server
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
