"""The other side of the crosscheck: Sionna 1.2 on TensorFlow, in a separate interpreter.

`python benchmarks/studies/crosscheck/tensorflow_side.py INPUTS.npz OUTPUTS.npz` computes the
outputs for the inputs in the first file. It imports nothing of semlink, so that the two share no
code but NumPy's file format.
"""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import sionna.phy as phy
import tensorflow as tf
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
MODULATIONS = (2, 4, 6, 8)
BATCH = 500


def flat_channels(given: Arrays) -> Arrays:
    """Given symbols with given unit noise over AWGN, and with given gains and noise over fading."""
    shape = given["x"].shape
    x = given["x"].reshape(-1, 1)
    noise_power = np.repeat(given["noise_power"], shape[1], axis=1).reshape(-1, 1)
    gains = given["gains"].reshape(-1, 1, 1)
    with _noise(given["noise_awgn"].reshape(-1, 1)):
        plain = phy.channel.AWGN()(x, noise_power)
    with _noise(given["noise_rayleigh_fast"].reshape(-1, 1)):
        faded = phy.channel.ApplyFlatFadingChannel()(x, gains, noise_power)
    return {"y_awgn": plain.numpy().reshape(shape), "y_rayleigh_fast": faded.numpy().reshape(shape)}


@contextmanager
def _noise(given: NDArray[Any]) -> Iterator[None]:
    """Let Sionna's AWGN take given unit noise instead of drawing it."""
    module: Any = importlib.import_module("sionna.phy.channel.awgn")
    drawing = module.complex_normal
    module.complex_normal = lambda *_, **__: tf.constant(given)
    try:
        yield
    finally:
        module.complex_normal = drawing


def qam(given: Arrays) -> Arrays:
    """Symbols of given bits, and exact LLRs of given received symbols in double precision."""
    made = {}
    for m in MODULATIONS:
        bits = tf.constant(given[f"bits_{m}"], tf.float32)
        made[f"symbols_{m}"] = phy.mapping.Mapper("qam", m)(bits).numpy()
        demapper = phy.mapping.Demapper("app", "qam", m, precision="double")
        received = tf.constant(given[f"received_{m}"], tf.complex128)
        noise_power = tf.constant(given[f"noise_power_{m}"], tf.float64)
        made[f"llr_{m}"] = demapper(received, noise_power).numpy()
    return made


def code_words(given: Arrays) -> Arrays:
    """CRC, 5G LDPC, rate matching and interleaving of given payloads; and which base graph."""
    made = {}
    for index, (k, n, m) in enumerate(given["codes"].tolist()):
        payload = tf.constant(given[f"payload_{index}"], tf.float32)
        crc = {16: "CRC16", 24: "CRC24A"}[k - payload.shape[1]]
        encoder = phy.fec.ldpc.LDPC5GEncoder(k, n, num_bits_per_symbol=m)
        coded = encoder(phy.fec.crc.CRCEncoder(crc)(payload))
        made[f"coded_{index}"] = coded.numpy().astype(np.uint8)
        made[f"graph_{index}"] = np.array(int(str(encoder._bg).removeprefix("bg")))
    return made


def block_errors(given: Arrays) -> Arrays:
    """Blocks lost on AWGN, with bits and noise of its own: [links, SNRs]."""
    phy.config.seed = 1
    blocks = int(given["blocks"])
    lost = [
        [_lost_blocks(k, n, m, float(snr_db), blocks) for snr_db in snrs_db]
        for (k, n, m), snrs_db in zip(given["links"].tolist(), given["links_snr_db"], strict=True)
    ]
    return {"lost": np.array(lost)}


def _lost_blocks(k: int, n: int, m: int, snr_db: float, blocks: int) -> int:
    """20 iterations of belief propagation; a block is lost if a bit is wrong."""
    encoder = phy.fec.ldpc.LDPC5GEncoder(k, n, num_bits_per_symbol=m)
    decoder = phy.fec.ldpc.LDPC5GDecoder(encoder, num_iter=20)
    source, mapper = phy.mapping.BinarySource(), phy.mapping.Mapper("qam", m)
    channel, demapper = phy.channel.AWGN(), phy.mapping.Demapper("app", "qam", m)
    noise_power = tf.constant(10.0 ** (-snr_db / 10.0), tf.float32)

    @tf.function  # type: ignore[untyped-decorator]
    def send() -> Any:
        bits = source([BATCH, k])
        received = channel(mapper(encoder(bits)), noise_power)
        decided = decoder(demapper(received, noise_power))
        return tf.reduce_sum(tf.cast(tf.reduce_any(decided != bits, axis=-1), tf.int32))

    lost = sum(int(send()) for _ in range(blocks // BATCH))
    print(f"  TensorFlow: k = {k}, n = {n}, {snr_db:g} dB: {lost} of {blocks}", flush=True)
    return lost


def main(inputs: Path, outputs: Path) -> None:
    """Compute all outputs for the inputs."""
    with np.load(inputs, allow_pickle=False) as file:
        given = {name: file[name] for name in file.files}
    versions = [f"{name} {version(name)}" for name in ("tensorflow", "sionna-no-rt", "numpy")]
    made: Arrays = {"versions": np.array(versions)}
    for part in (flat_channels, qam, code_words, block_errors):
        made |= part(given)
    np.savez(outputs, **made)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
