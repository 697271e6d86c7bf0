"""The page's channels, run by node, match the closed forms of the Python channels."""

import json
import math
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.explore.content import content_of
from channels.ofdm.multipath import LONGEST, Multipath
from channels.ofdm.tdl import covariance, taps_of
from simulator.data.embedded import embedded

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")
LINK = {
    "parts": {"classifier": {}},
    "classes": ("0",) * 10,
    "channel_uses": [16],
    "feature_dim": 64,
    "max_uses": 64,
}
DRAWS = 20_000
FASTEST = {"delayNs": 100, "speedKmh": 135}


@pytest.fixture
def profiles() -> dict[str, Any]:
    digits = embedded("digits")
    found: dict[str, Any] = content_of(LINK, digits, digits.test)["profiles"]
    return found


def in_node(folder: Path, script: str, *, module: str = "channels.js", **given: object) -> Any:
    """Run a script in node with the module as `own` and the given values; return its `found`."""
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    for name in ("channels.js", module):
        source = (files("benchmarks.explore") / name).read_text(encoding="utf-8")
        (folder / name).write_text(source, encoding="utf-8")
    known = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in given.items())
    start = f'import * as own from "./{module}";\n'
    end = "\nprocess.stdout.write(JSON.stringify(found));\n"
    (folder / "main.js").write_text(start + known + script + end, encoding="utf-8")
    assert NODE is not None
    done = subprocess.run([NODE, folder / "main.js"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_awgn_has_the_requested_noise_power(tmp_path: Path) -> None:
    """Half of it in each dimension; the standard deviation of |w|^2 equals its mean."""
    count, noise_power = 200_000, 10**-0.5
    script = """
    const drawn = own.draw({ kind: "awgn" }, count, 0, {}), x = new Float32Array(2 * count).fill(1);
    const y = own.transmit(x, drawn, power), found = [0, 0, 0];
    for (let i = 0; i < count; i++) {
      const re = y[2 * i] - 1, im = y[2 * i + 1] - 1;
      found[0] += re * re / count, found[1] += im * im / count, found[2] += re * im / count;
    }"""
    real, imaginary, product = in_node(tmp_path, script, count=count, power=noise_power)
    error = 4 / math.sqrt(count)  # four standard deviations of |w|^2 / N0
    assert abs(real + imaginary - noise_power) < error * noise_power
    assert abs(real - imaginary) < error * noise_power
    assert abs(product) < error * noise_power / 2


@pytest.mark.parametrize("factor", [0, 1, 4])
def test_flat_fading_has_the_moments_of_its_distribution(tmp_path: Path, factor: int) -> None:
    """|h|^2 of Rician fading: mean 1, variance (2K + 1) / (K + 1)^2; K = 0 is Rayleigh."""
    script = """
    const found = Array.from({ length: draws }, (_, seed) => {
      const [re, im] = own.gains(channel, 1, seed, {});
      return [re, im];
    });"""
    kind = "rician" if factor else "rayleigh"
    pairs = in_node(tmp_path, script, draws=DRAWS, channel={"kind": kind, "factor": factor})
    h = np.array(pairs) @ [1, 1j]
    power = abs(h) ** 2
    variance = (2 * factor + 1) / (factor + 1) ** 2
    assert abs(power.mean() - 1) < 4 * math.sqrt(variance / DRAWS)
    spread = (power - 1) ** 2
    assert abs(spread.mean() - variance) < 4 * spread.std() / math.sqrt(DRAWS)
    assert abs(h.mean()) < 4 / math.sqrt(DRAWS)  # the phase is uniform


@pytest.mark.parametrize("name", LONGEST)
def test_tdl_tap_powers_match_the_profile(
    tmp_path: Path, name: str, profiles: dict[str, Any]
) -> None:
    script = """
    const found = profile.powers.map(() => 0);
    for (let seed = 0; seed < draws; seed++) {
      const uniform = own.stream(seed, "gains", "tdl");
      own.taps(profile, channel, 1, uniform).slice(0, found.length).forEach(({ a }, i) => {
        found[i] += (a[0] ** 2 + a[1] ** 2) / draws;
      });
    }"""
    given = {"draws": DRAWS // 4, "profile": profiles[name], "channel": FASTEST}
    found = np.array(in_node(tmp_path, script, **given))
    powers = taps_of(Multipath(profile=name)).powers
    assert (abs(found - powers) < 4 * powers / math.sqrt(DRAWS // 4)).all()


@pytest.mark.parametrize("name", ["A", "D"])
def test_tdl_covariance_over_frequency_and_time_matches_theory(
    tmp_path: Path, name: str, profiles: dict[str, Any]
) -> None:
    """Of use 0 with uses of its OFDM symbol and of the next, with and without line of sight."""
    others, draws = [0, 10, 40, 71, 72, 112], DRAWS // 4
    script = """
    const found = [];
    for (let seed = 0; seed < draws; seed++) {
      const h = own.gains(channel, 144, seed, { [channel.profile]: profile });
      found.push([0, ...others].map((i) => [h[2 * i], h[2 * i + 1]]));
    }"""
    given = {"channel": {"kind": "tdl", "profile": name, **FASTEST}, "profile": profiles[name]}
    pairs = in_node(tmp_path, script, draws=draws, others=others, **given)
    h = np.array(pairs) @ [1, 1j]  # [draws, uses]
    products = h[:, :1] * h[:, 1:].conj()
    link = Multipath(profile=name, speed_kmh=FASTEST["speedKmh"])
    expected = covariance(link, np.array([0]), np.array(others))[0]
    error = 4 * products.std(axis=0) / math.sqrt(draws)
    assert (abs(products.mean(axis=0) - expected) < error).all()


def test_draws_are_reproducible_by_name(tmp_path: Path) -> None:
    """Equal names give equal draws, longer draws start with shorter ones; other names differ."""
    script = """
    const noise = (uses, seed, kind) => [...own.draw({ kind }, uses, seed, {}).w];
    const found = [[4, 0, "awgn"], [4, 0, "awgn"], [8, 0, "awgn"], [4, 1, "awgn"],
      [4, 0, "rayleigh"]].map((own) => noise(...own));"""
    first, same, longer, *others = in_node(tmp_path, script)
    assert first == same == longer[:8]
    assert all(first[0] != other[0] for other in others)
