// The link: networks by ONNX Runtime on one thread, and the label code, at the same channel draw.
import * as ort from "./runtime/ort.wasm.min.mjs";
import { transmit } from "./channels.js";

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = new URL("./runtime/", import.meta.url).href;

const floats = (values, ...shape) => new ort.Tensor("float32", Float32Array.from(values), [1, ...shape]);
const whole = (value) => new ort.Tensor("int64", BigInt64Array.of(BigInt(value)), [1, 1]);

export function softmax(scores) {
  const most = Math.max(...scores), powers = Array.from(scores, (own) => Math.exp(own - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((own) => own / sum);
}

/** The networks of one kind, fp32 or int8. */
export async function load(parts, kind) {
  const names = Object.keys(parts);
  const made = names.map((name) => ort.InferenceSession.create(`./models/${name}.${kind}.onnx`));
  const sessions = await Promise.all(made);
  return Object.fromEntries(names.map((name, i) => [name, { session: sessions[i], output: parts[name].output }]));
}

async function run({ session, output }, inputs) {
  return (await session.run(inputs))[output].data;
}

/** Features and class probabilities at the transmitter, once per image. */
export async function encode(networks, image, [channels, height, width]) {
  const features = await run(networks.encoder, { images: floats(image, channels, height, width) });
  const scores = await run(networks.classifier, { features: floats(features, features.length) });
  return { features, clean: softmax(scores) };
}

/** rkd_sc over one draw: symbols sent and received, received features and class probabilities. */
export async function semantic(networks, features, drawn, { snrDb, k, uses }) {
  const noisePower = 10 ** (-snrDb / 10), given = floats(features, features.length);
  const told = { features: given, snr_db: floats([snrDb], 1), k: whole(k) };
  const x = await run(networks.transmitter, told);
  const y = transmit(x, drawn, noisePower);
  const pairs = { y: floats(y, uses, 2), h: floats(drawn.h, uses, 2) };
  const arrived = { ...pairs, noise_power: floats([noisePower], 1), k: whole(k) };
  const estimate = await run(networks.receiver, arrived);
  const scores = await run(networks.head, { features: floats(estimate, estimate.length) });
  return { x: x.slice(0, 2 * k), y: y.slice(0, 2 * k), features: estimate, classes: softmax(scores) };
}

/** log p(y | s) of every word, up to a common constant: sum (2 Re<h s, y> - |h s|^2) / N0. */
function likelihood(word, y, h, noisePower) {
  let sum = 0;
  for (let i = 0; i < word.length; i += 2) {
    const re = h[i] * word[i] - h[i + 1] * word[i + 1], im = h[i] * word[i + 1] + h[i + 1] * word[i];
    sum += 2 * (re * y[i] + im * y[i + 1]) - re * re - im * im;
  }
  return sum / noisePower;
}

/** The label code over the same draw: the transmitter sends the codeword of the class `decided`. */
export function labelCode(words, prior, decided, drawn, snrDb) {
  const noisePower = 10 ** (-snrDb / 10), length = words[0].length;
  const cut = { h: drawn.h.subarray(0, length), w: drawn.w.subarray(0, length) };
  const y = transmit(words[decided], cut, noisePower);
  const scores = words.map((word, m) => likelihood(word, y, drawn.h, noisePower) + prior[m]);
  return { x: words[decided], y, classes: softmax(scores) };
}
