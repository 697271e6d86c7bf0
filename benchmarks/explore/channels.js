// Channels by named draws: gains and noise of unit power, which depend on the seed and the name alone.
// Complex vectors are Float32Array of pairs (re, im).

const SINUSOIDS = 20; // per tap, as in semlink's tdl
const LINE_OF_SIGHT_COSINE = 0.7; // TR 38.901 sec. 7.7.2
const LIGHT = 299792458; // m/s
const PREFIX = 144 / 2048; // cyclic prefix over the useful symbol

/** A stream of uniform numbers in [0, 1) for a seed and a name: xmur3 as hash, sfc32 as generator. */
export function stream(seed, ...name) {
  const text = JSON.stringify([seed, ...name]);
  let hash = 1779033703 ^ text.length;
  for (const letter of text) {
    hash = Math.imul(hash ^ letter.codePointAt(0), 3432918353);
    hash = (hash << 13) | (hash >>> 19);
  }
  const word = () => {
    hash = Math.imul(hash ^ (hash >>> 16), 2246822507);
    hash = Math.imul(hash ^ (hash >>> 13), 3266489909);
    return (hash ^= hash >>> 16) >>> 0;
  };
  let [a, b, c, d] = [word(), word(), word(), word()];
  return () => {
    const sum = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4294967296;
  };
}

/** CN(0, 1): count complex numbers, half of the power in each dimension (Box-Muller). */
export function complexNormal(count, uniform) {
  const out = new Float32Array(2 * count);
  for (let i = 0; i < count; i++) {
    const radius = Math.sqrt(-Math.log(1 - uniform()));
    const turn = 2 * Math.PI * uniform();
    out[2 * i] = radius * Math.cos(turn);
    out[2 * i + 1] = radius * Math.sin(turn);
  }
  return out;
}

const constant = (re, im, uses) => Float32Array.from({ length: 2 * uses }, (_, i) => (i % 2 ? im : re));

/** One gain for all uses: CN(0, 1), and a line of sight of K times its power with a random phase. */
function flat(factor, uses, uniform) {
  const turn = 2 * Math.PI * uniform();
  const [re, im] = complexNormal(1, uniform);
  const sight = Math.sqrt(factor / (factor + 1)), scattered = Math.sqrt(1 / (factor + 1));
  return constant(sight * Math.cos(turn) + scattered * re, sight * Math.sin(turn) + scattered * im, uses);
}

/** Amplitude of a tap at OFDM symbols 0 .. rows - 1: a sum of sinusoids of power `power`. */
function tap(power, step, rows, uniform) {
  const out = new Float32Array(2 * rows), theta = 2 * Math.PI * (uniform() - 0.5);
  for (let n = 0; n < SINUSOIDS; n++) {
    const turn = step * Math.cos((2 * Math.PI * n + theta) / SINUSOIDS);
    const phase = 2 * Math.PI * uniform();
    for (let row = 0; row < rows; row++) {
      out[2 * row] += Math.sqrt(power / SINUSOIDS) * Math.cos(turn * row + phase);
      out[2 * row + 1] += Math.sqrt(power / SINUSOIDS) * Math.sin(turn * row + phase);
    }
  }
  return out;
}

/** The line of sight of a tap: one Doppler shift. */
function sight(power, step, rows, uniform) {
  const phase = 2 * Math.PI * uniform(), out = new Float32Array(2 * rows);
  for (let row = 0; row < rows; row++) {
    out[2 * row] = Math.sqrt(power) * Math.cos(LINE_OF_SIGHT_COSINE * step * row + phase);
    out[2 * row + 1] = Math.sqrt(power) * Math.sin(LINE_OF_SIGHT_COSINE * step * row + phase);
  }
  return out;
}

/** Taps of a profile at every OFDM symbol: [{delay in s, amplitudes}]. */
export function taps(profile, channel, rows, uniform) {
  const doppler = (channel.speedKmh / 3.6 / LIGHT) * 1e9 * profile.carrierGhz;
  const step = (2 * Math.PI * doppler * (1 + PREFIX)) / (1e3 * profile.spacingKhz); // per symbol
  const delays = profile.delays.map((own) => own * 1e-9 * channel.delayNs);
  const found = profile.powers.map((power, i) => ({ delay: delays[i], a: tap(power, step, rows, uniform) }));
  if (profile.lineOfSight) found.push({ delay: delays[0], a: sight(profile.lineOfSight, step, rows, uniform) });
  return found;
}

/** h[t, f] = sum of a_l(t) e^(-j 2 pi f tau_l), row by row of the OFDM grid. */
function multipath(profile, channel, uses, uniform) {
  const rows = Math.ceil(uses / profile.subcarriers), h = new Float32Array(2 * uses);
  for (const { delay, a } of taps(profile, channel, rows, uniform)) {
    for (let i = 0; i < uses; i++) {
      const row = Math.floor(i / profile.subcarriers), column = i % profile.subcarriers;
      const turn = -2 * Math.PI * column * 1e3 * profile.spacingKhz * delay;
      const cos = Math.cos(turn), sin = Math.sin(turn);
      h[2 * i] += a[2 * row] * cos - a[2 * row + 1] * sin;
      h[2 * i + 1] += a[2 * row] * sin + a[2 * row + 1] * cos;
    }
  }
  return h;
}

/** Gains of the first `uses` channel uses, E|h|^2 = 1. */
export function gains(channel, uses, seed, profiles) {
  const uniform = stream(seed, "gains", channel.kind);
  if (channel.kind === "awgn") return constant(1, 0, uses);
  if (channel.kind === "rayleigh") return flat(0, uses, uniform);
  if (channel.kind === "rician") return flat(channel.factor, uses, uniform);
  return multipath(profiles[channel.profile], channel, uses, uniform);
}

/** One draw of a channel: gains, and noise of unit power, for `uses` channel uses. */
export function draw(channel, uses, seed, profiles) {
  return { h: gains(channel, uses, seed, profiles), w: complexNormal(uses, stream(seed, "noise", channel.kind)) };
}

/** y = h x + sqrt(N0) w. */
export function transmit(x, { h, w }, noisePower) {
  const y = new Float32Array(x.length), deviation = Math.sqrt(noisePower);
  for (let i = 0; i < x.length; i += 2) {
    y[i] = h[i] * x[i] - h[i + 1] * x[i + 1] + deviation * w[i];
    y[i + 1] = h[i] * x[i + 1] + h[i + 1] * x[i] + deviation * w[i + 1];
  }
  return y;
}
