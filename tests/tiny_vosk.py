"""A writer of tiny Vosk models: one layer, two phones, one word that is always heard."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FEATURES = 40

_TOPOLOGY = (
    "<Topology> <TopologyEntry> <ForPhones> 1 2 </ForPhones> "
    "<State> 0 <PdfClass> 0 <Transition> 0 0.5 <Transition> 1 0.5 </State> "
    "<State> 1 </State> </TopologyEntry> </Topology> "
)
_TRANSITIONS = (
    f"<TransitionModel> {_TOPOLOGY}"
    "<Triples> 2 1 0 0 2 0 1 </Triples> "
    "<LogProbs> [ 0 -0.6931 -0.6931 -0.6931 -0.6931 ] </LogProbs> </TransitionModel> "
)

_MFCC = f"""\
--sample-frequency=16000
--use-energy=false
--num-mel-bins={_FEATURES}
--num-ceps={_FEATURES}
--dither=0
"""

_DECODING = """\
--beam=10.0
--lattice-beam=2.0
--acoustic-scale=1.0
--frame-subsampling-factor=1
--endpoint.silence-phones=1
"""


def write_vosk(folder: Path, word: str = "hello") -> Path:
    """Write the folder of a Vosk model that hears *word*, over and over, in any audio."""
    for name in ("am", "conf", "graph/phones"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "conf/mfcc.conf").write_text(_MFCC)
    (folder / "conf/model.conf").write_text(_DECODING)
    (folder / "am/final.mdl").write_text(_TRANSITIONS + _network())
    (folder / "graph/HCLG.fst").write_bytes(_decoding_graph())
    (folder / "graph/words.txt").write_text(f"<eps> 0\n{word} 1\n")
    (folder / "graph/phones/word_boundary.int").write_text("1 nonword\n2 singleton\n")
    return folder


def _network() -> str:
    """Return a layer that ignores what it hears and always finds the second phone likely."""
    row = " ".join(["0"] * _FEATURES)
    return (
        f"<Nnet3> \ninput-node name=input dim={_FEATURES}\n"
        "component-node name=layer component=layer input=input\n"
        "output-node name=output input=layer objective=linear\n\n"
        "<NumComponents> 1 <ComponentName> layer <FixedAffineComponent> "
        f"<LinearParams> [\n {row}\n {row} ]\n<BiasParams> [ 0.0 1.0 ]\n</FixedAffineComponent> "
        "</Nnet3> <LeftContext> 0 <RightContext> 0 <Priors> [ ] "
    )


def _decoding_graph() -> bytes:
    """Return a graph in which a phone of silence and the word may follow each other."""
    silence, silence_again, spoken, spoken_again = 2, 1, 4, 3
    return _openfst(
        [
            [(silence, 0, 0.5, 1), (spoken, 1, 0.5, 2)],
            [(silence_again, 0, 0.1, 1), (0, 0, 0.0, 0)],
            [(spoken_again, 0, 0.1, 2), (0, 0, 0.0, 0)],
        ]
    )


def _openfst(states: Sequence[Sequence[tuple[int, int, float, int]]]) -> bytes:
    """Return a transducer in OpenFst's format; each arc has input, output, weight and target."""
    magic, version, flags, properties = 2125659606, 2, 0, 0x3
    arcs = sum(map(len, states))
    head = struct.pack("<i", magic) + _text("vector") + _text("standard")
    head += struct.pack("<iiQqqq", version, flags, properties, 0, len(states), arcs)
    return head + b"".join(
        struct.pack("<fq", 0.0, len(state)) + b"".join(struct.pack("<iifi", *arc) for arc in state)
        for state in states
    )


def _text(value: str) -> bytes:
    return struct.pack("<i", len(value)) + value.encode()
