// The page: send the selection to the channel worker and the networks, and draw their results.
import { bars, constellation } from "./charts.js";
import { separate } from "./digital.js";
import { encode, labelCode, load, semantic } from "./link.js";
import { digitOf, imageOf, show } from "./pad.js";

const at = (id) => document.getElementById(id);
const content = await (await fetch("./content.json")).json();
const { link, images, separate: files, words, prior, profiles, served } = content;
const worker = new Worker("./worker.js", { type: "module" });
const state = { image: null, encoded: null, seed: 0, shown: -1, strokes: [], networks: {}, waiting: new Map() };

worker.onmessage = ({ data }) => {
  state.waiting.get(data.number)(data);
  state.waiting.delete(data.number);
};
let asked = 0;
const drawn = (channel, uses) => new Promise((done) => {
  state.waiting.set(++asked, done);
  worker.postMessage({ number: asked, channel, uses, seed: state.seed, profiles });
});

function chosen() {
  const channel = {
    kind: at("kind").value, factor: Number(at("factor").value), profile: at("profile").value,
    delayNs: Number(at("delay").value), speedKmh: Number(at("speed").value),
  };
  return { channel, snrDb: Number(at("snr").value), k: served[Number(at("k").value)], uses: link.max_uses };
}

function tell({ channel, snrDb, k }) {
  at("snr-told").textContent = `${snrDb} dB`;
  at("k-told").textContent = k;
  at("factor-told").textContent = channel.factor;
  at("delay-told").textContent = `${channel.delayNs} ns`;
  at("speed-told").textContent = `${channel.speedKmh} km/h`;
  at("draw-told").textContent = state.seed;
  for (const own of document.querySelectorAll("[data-of]")) own.hidden = own.dataset.of !== channel.kind;
}

/** Run one transmission at a time; if the selection changes meanwhile, run another one afterwards. */
let busy = false, again = false;
async function send() {
  again = true;
  if (busy) return;
  busy = document.body.toggleAttribute("data-busy", true);
  try {
    while (again) {
      again = false;
      await sendOnce(state.image, at("networks").value, chosen());
    }
  } finally {
    busy = document.body.toggleAttribute("data-busy", false);
  }
}

async function sendOnce(image, kind, what) {
  const begin = performance.now(), networks = state.networks[kind];
  tell(what);
  if (!image || !networks) return;
  const encoded = await encodedBy(networks, image);
  const draw = await drawOf(what);
  const ours = await semantic(networks, encoded.features, draw, what);
  const code = words[what.k];
  const theirs = code && labelCode(complexWords(code), prior, best(encoded.clean), draw, what.snrDb);
  const digital = separate(files, state.test, draw, { ...what, seed: state.seed });
  drawAll(encoded, { ours, theirs, digital }, draw, what);
  const ms = performance.now() - begin;
  at("status").textContent = `Answered in ${ms.toFixed(0)} ms.`;
  Object.assign(document.body.dataset, { answered: Number(document.body.dataset.answered ?? 0) + 1, ms });
}

/** The channel draw, which depends only on its number, the channel and the number of uses. */
async function drawOf({ channel, uses }) {
  const from = JSON.stringify([state.seed, channel, uses]);
  if (state.draw?.from !== from) state.draw = { from, ...(await drawn(channel, uses)) };
  return state.draw;
}

/** Encode the image, once for all channels. */
async function encodedBy(networks, image) {
  const { from } = state.encoded ?? {};
  if (from?.networks !== networks || from?.image !== image) {
    state.encoded = { ...(await encode(networks, image, link.image_shape)), from: { networks, image } };
  }
  return state.encoded;
}

const best = (classes) => classes.indexOf(Math.max(...classes));
const kept = new Map(); // codewords as typed arrays
const complexWords = (code) => {
  if (!kept.has(code)) kept.set(code, code.map((word) => Float32Array.from(word)));
  return kept.get(code);
};

function drawAll(encoded, { ours, theirs, digital }, draw, { k }) {
  decisions([
    ["without a channel", ...decided(encoded.clean)], ["rkd_sc", ...decided(ours.classes)],
    ["label_code", ...(theirs ? decided(theirs.classes) : ["no words at this k", ""])], ["separate", ...told(digital)],
  ]);
  at("decoded-figure").hidden = Boolean(digital.why);
  if (!digital.why) showDecoded(digital);
  const classes = [{ values: ours.classes, colour: "--c0" }];
  if (theirs) classes.push({ values: theirs.classes, colour: "--c1" });
  const names = link.classes.length > 16 ? [] : link.classes;
  bars(at("classes"), classes, { low: 0, high: 1, base: 0, names });
  const before = encoded.features, most = before.reduce((a, b) => Math.max(a, Math.abs(b)), 1);
  const features = [{ values: before, colour: "--c0" }, { values: ours.features, colour: "--c1" }];
  bars(at("features"), features, { low: -most, high: most, base: 0 });
  symbols("symbols", ours);
  symbols("words", theirs ?? { x: [], y: [] });
  const power = Array.from({ length: k }, (_, i) => 10 * Math.log10(draw.h[2 * i] ** 2 + draw.h[2 * i + 1] ** 2));
  bars(at("gains"), [{ values: power, colour: "--c0" }], { low: -30, high: 10, base: -30, unit: " dB" });
}

function symbols(id, { x, y }) {
  constellation(at(id), [{ points: y, colour: "--c1", hollow: true }, { points: x, colour: "--c0" }]);
}

function decisions(rows) {
  at("decisions").replaceChildren(...rows.map((texts) => {
    const row = document.createElement("tr");
    for (const text of texts) row.append(Object.assign(document.createElement("td"), { textContent: text }));
    return row;
  }));
}

/** The most likely class and its probability. */
function decided(classes) {
  const place = best(classes);
  return [link.classes[place], `${(100 * classes[place]).toFixed(1)} %`];
}

/** The decision of `separate` and its settings, or why there is none. */
function told({ why, told: settings, rate, fits, arrived, class: place }) {
  if (why) return ["none", why];
  if (!fits) return ["outage", `${settings}: the image does not fit`];
  return [arrived ? link.classes[place] : "outage", `${settings}; block error rate ${rate.toPrecision(2)}`];
}

function showDecoded({ arrived, pixels }) {
  const [channels, height, width] = link.image_shape;
  const image = arrived ? Uint8Array.from(atob(pixels), (letter) => letter.charCodeAt(0)) : [];
  const parts = Float32Array.from({ length: channels * height * width }, (_, i) => (image[i] ?? 0) / 255);
  show(at("decoded"), parts, link.image_shape);
}

/** Use and send an image; `test` is the number of a test image, or null for any other image. */
function take(image, text, test = null) {
  Object.assign(state, { image, test });
  show(at("image"), image, link.image_shape);
  at("label").textContent = text;
  send();
}

function next() {
  state.shown = (state.shown + 1) % images.length;
  const { pixels, label } = images[state.shown];
  take(Float32Array.from(pixels, (own) => own / 255), `Test image ${state.shown + 1}, class ${link.classes[label]}.`, state.shown);
}

async function opened(file) {
  try {
    take(await imageOf(file, link.image_shape), `${file.name}, its centre square.`);
  } catch {
    at("label").textContent = `${file.name} must be a picture that the browser can read; choose another file.`;
  }
}

function prepareDrawing() {
  const pad = at("pad"), context = pad.getContext("2d");
  pad.hidden = false;
  Object.assign(context, { lineWidth: 14, lineCap: "round", lineJoin: "round", strokeStyle: "#fff" });
  pad.onpointerdown = (event) => {
    if (state.fresh ?? true) { context.clearRect(0, 0, pad.width, pad.height); state.strokes = []; }
    state.fresh = false;
    clearTimeout(state.pause);
    state.strokes.push([]);
    pad.setPointerCapture(event.pointerId);
    pad.onpointermove(event);
  };
  pad.onpointermove = ({ offsetX: x, offsetY: y, buttons }) => {
    if (!buttons || !state.strokes.length) return;
    const stroke = state.strokes.at(-1);
    stroke.push({ x, y });
    context.beginPath();
    for (const point of [stroke.at(-2) ?? stroke[0], stroke.at(-1)]) context.lineTo(point.x, point.y);
    context.stroke();
    take(digitOf(state.strokes), "A drawing, scaled as the digits were.");
  };
  pad.onpointerup = () => { state.pause = setTimeout(() => { state.fresh = true; }, 1000); }; // the next stroke begins a new digit
}

function prepareControls() {
  const [low, high] = link.snr_db;
  Object.assign(at("snr"), { min: low, max: high, value: 10 });
  Object.assign(at("k"), { max: served.length - 1, value: Math.max(served.indexOf(link.max_uses / 4), 0) });
  at("profile").append(...Object.keys(profiles).map((name) => new Option(name)));
  for (const id of ["snr", "k", "kind", "factor", "profile", "delay", "speed"]) at(id).oninput = send;
  at("again").onclick = () => { state.seed += 1; send(); };
  at("next").onclick = next;
  at("file").onchange = ({ target }) => target.files[0] && opened(target.files[0]);
  at("networks").onchange = choose;
  document.ondragover = (event) => { event.preventDefault(); at("source").classList.add("over"); };
  document.ondragleave = () => at("source").classList.remove("over");
  document.ondrop = (event) => {
    event.preventDefault();
    at("source").classList.remove("over");
    if (event.dataTransfer.files[0]) opened(event.dataTransfer.files[0]);
  };
  matchMedia("(prefers-color-scheme: dark)").onchange = send;
  window.onresize = send;
}

async function choose() {
  const kind = at("networks").value;
  state.networks[kind] ??= await load(link.parts, kind);
  await send();
}

at("title").textContent = `semlink explore: ${link.recipe}`;
at("about").textContent = content.about;
prepareControls();
if (content.drawing) prepareDrawing();
await choose();
next();
