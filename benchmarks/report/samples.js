// Sample images and symbols of a sweep, as sent and as received.

const SIDE = 180; // of a constellation, in pixels
const NO_SAMPLES = "The folder holds no samples (samples.safetensors, which semlink sweep writes for "
  + "deep_jscc_image, separate, rkd_sc and deep_jscc_q).";

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** One image [C, H, W] of many, as a canvas; empty if it is lost. */
function picture(pixels, place, [channels, height, width], { label, lost }) {
  const canvas = element("canvas", undefined, { width, height, role: "img", ariaLabel: label });
  if (lost) return canvas;
  const context = canvas.getContext("2d"), shown = context.createImageData(width, height), size = height * width;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) {
      shown.data[4 * i + c] = pixels[(place * channels + (channels === 1 ? 0 : c)) * size + i];
    }
    shown.data[4 * i + 3] = 255;
  }
  context.putImageData(shown, 0, 0);
  return canvas;
}

/** A row of images with a line below each. */
function pictureRow(head, pixels, first, shape, lines) {
  const row = element("tr");
  row.append(element("th", head, { scope: "row" }), ...lines.map(({ text, name }, place) => {
    const cell = element("td"), own = { label: `${head}: ${text}`, lost: name === "lost" };
    cell.append(picture(pixels, first + place, shape, own), element("div", text, { className: name }));
    return cell;
  }));
  return row;
}

/** Text for the receiver's decision on an image of class `own`. */
function verdict(decided, own) {
  if (decided === null) return { text: "outage", name: "lost" };
  return decided === own ? { text: `${decided}, right`, name: "right" } : { text: `${decided}, wrong`, name: "wrong" };
}

function drawPictures({ channel, k, snr_db: snrs, rows, classes, decided, shape, sent, received }) {
  at("pictures-where").textContent =
    `${sweep.channels[channel]}, k = ${k}, first channel draw. Test images ${rows.join(", ")} (the first is 0): half of `
    + "them are the first ones with right and wrong answers here, if there are any. Their share is not the accuracy.";
  const body = element("tbody");
  body.append(pictureRow("sent", bytesOf(sent), 0, shape, classes.map((text) => ({ text, name: "" }))));
  for (const [name, text] of Object.entries(received)) {
    const pixels = bytesOf(text);
    snrs.forEach((snr, place) => {
      const lines = decided[name][place].map((own, image) => verdict(own, classes[image]));
      body.append(pictureRow(`${looks.get(name).title}, ${snr} dB`, pixels, place * rows.length, shape, lines));
    });
  }
  at("pictures").replaceChildren(body);
}

/** A path with a point for each symbol; values are re, im, re, im, ... in thousandths. */
function dots(values) {
  let path = "";
  for (let i = 0; i < values.length; i += 2) path += `M${values[i] / 1000},${-values[i + 1] / 1000}h0`;
  return path;
}

function constellation(name, snr, sent, equalised, reach) {
  const figure = element("figure");
  const label = `${looks.get(name).title}, ${snr} dB`;
  figure.innerHTML = `<svg viewBox="${-reach} ${-reach} ${2 * reach} ${2 * reach}" width="${SIDE}" height="${SIDE}" role="img">
    <path class="axis" d="M${-reach},0H${reach}M0,${-reach}V${reach}"/><circle class="axis" r="1"/>
    <path class="received" d="${dots(equalised)}"/><path class="sent" d="${dots(sent)}"/></svg>`;
  figure.firstChild.setAttribute("aria-label", `Symbols of ${label}`);
  figure.append(element("figcaption", label));
  return figure;
}

function drawSymbols({ channel, k, snr_db: snrs, schemes, images, sent, equalised }) {
  at("symbols-where").textContent = `${sweep.channels[channel]}, k = ${k}, first channel draw: all symbols of the first `
    + `${images === 1 ? "test image" : `${images} test images`}. The circle has radius 1, the root mean square of what is sent.`;
  const all = [sent, equalised].flatMap((own) => Object.values(own)).flat(2);
  const reach = all.reduce((most, own) => Math.max(most, 1.05 * Math.abs(own) / 1000), 1.5);
  at("symbols").replaceChildren(...schemes.flatMap((name) => snrs.map((snr, place) =>
    constellation(name, snr, sent[name][place], equalised[name][place], reach))));
}

/** The two panels, or a sentence if there are no samples. */
function drawSamples() {
  const { pictures, symbols } = sweep.samples || {};
  at("no-samples").textContent = sweep.samples ? "" : NO_SAMPLES;
  at("pictures-section").hidden = !pictures;
  at("symbols-section").hidden = !symbols;
  if (pictures) drawPictures(pictures);
  if (symbols) drawSymbols(symbols);
}
