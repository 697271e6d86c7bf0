// Pictures: drawn strokes as an 8x8 digit, files as images of the link's size. Values are in [0, 1].

const FINE = 32, LINE = 4; // bitmap side and stroke width; as for the original digits, 4x4 pixels make one of the 8x8 values
const SPAN = [20, 30]; // width and height that a drawing is scaled to

function surface(width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  return canvas.getContext("2d", { willReadFrequently: true });
}

/** Strokes [[{x, y}, ...], ...] to 64 values: scaled to the box of a digit, centred, and averaged. */
export function digitOf(strokes) {
  const points = strokes.flat(), xs = points.map((own) => own.x), ys = points.map((own) => own.y);
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const size = [Math.max(...xs) - left || 1, Math.max(...ys) - top || 1];
  const scale = Math.min((SPAN[0] - LINE) / size[0], (SPAN[1] - LINE) / size[1]);
  const place = ({ x, y }) => [
    FINE / 2 + scale * (x - left - size[0] / 2), FINE / 2 + scale * (y - top - size[1] / 2),
  ];
  const context = surface(FINE, FINE);
  Object.assign(context, { lineWidth: LINE, lineCap: "round", lineJoin: "round", strokeStyle: "#fff" });
  for (const stroke of strokes) {
    context.beginPath();
    for (const point of [...stroke, stroke.at(-1)]) context.lineTo(...place(point));
    context.stroke();
  }
  return counted(context.getImageData(0, 0, FINE, FINE).data);
}

/** The share of inked pixels in every 4x4 block. */
function counted(data) {
  const image = new Float32Array(64);
  for (let i = 0; i < FINE * FINE; i++) {
    const row = Math.floor(i / FINE / 4), column = Math.floor((i % FINE) / 4);
    if (data[4 * i + 3] > 127) image[8 * row + column] += 1 / 16;
  }
  return image;
}

/** The centre square of a picture file, [C, H, W]; grey if the link has one channel. */
export async function imageOf(file, [channels, height, width]) {
  const bitmap = await createImageBitmap(file), side = Math.min(bitmap.width, bitmap.height);
  const context = surface(width, height);
  context.imageSmoothingQuality = "high";
  const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
  context.drawImage(bitmap, left, top, side, side, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height), pixels = width * height;
  return Float32Array.from({ length: channels * pixels }, (_, i) => {
    const pixel = 4 * (i % pixels);
    const grey = 0.299 * data[pixel] + 0.587 * data[pixel + 1] + 0.114 * data[pixel + 2];
    return (channels === 1 ? grey : data[pixel + Math.floor(i / pixels)]) / 255;
  });
}

/** Show an image [C, H, W] on a canvas of its own size. */
export function show(canvas, image, [channels, height, width]) {
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d"), pixels = width * height, shown = context.createImageData(width, height);
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) shown.data[4 * i + c] = 255 * image[(channels === 1 ? 0 : c) * pixels + i];
    shown.data[4 * i + 3] = 255;
  }
  context.putImageData(shown, 0, 0);
}
