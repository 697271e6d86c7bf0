// Charts on canvases, in the colours of the page.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A cleared canvas in units of CSS pixels. */
function begun(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas, ratio = window.devicePixelRatio || 1;
  Object.assign(canvas, { width: width * ratio, height: height * ratio });
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  Object.assign(context, { font: "11px system-ui, sans-serif", fillStyle: colour("--ink"), strokeStyle: colour("--rule") });
  return { context, width, height };
}

function line(context, ...points) {
  context.beginPath();
  for (const point of points) context.lineTo(...point);
  context.stroke();
}

/** Symbols in the complex plane; `groups` are {points, colour, hollow}. */
export function constellation(canvas, groups) {
  const { context, width, height } = begun(canvas);
  const most = groups.flatMap(({ points }) => Array.from(points, Math.abs)).reduce((a, b) => Math.max(a, b), 1.5);
  const scale = (Math.min(width, height) / 2 - 6) / most, [x0, y0] = [width / 2, height / 2];
  line(context, [0, y0], [width, y0]);
  line(context, [x0, 0], [x0, height]);
  context.beginPath();
  context.arc(x0, y0, scale, 0, 2 * Math.PI); // unit power
  context.stroke();
  for (const group of groups) {
    context.fillStyle = context.strokeStyle = colour(group.colour);
    for (let i = 0; i < group.points.length; i += 2) {
      context.beginPath();
      context.arc(x0 + scale * group.points[i], y0 - scale * group.points[i + 1], 2.5, 0, 2 * Math.PI);
      group.hollow ? context.stroke() : context.fill();
    }
  }
}

/** Bars from `base` over an axis from `low` to `high`; `series` are {values, colour}, side by side. */
export function bars(canvas, series, { low, high, base, unit = "", names = [] }) {
  const { context, width, height } = begun(canvas), left = 42, step = (width - left) / series[0].values.length;
  const bottom = height - (names.length ? 20 : 6), clamped = (value) => Math.min(Math.max(value, low), high);
  const y = (value) => 6 + (bottom - 6) * (1 - (clamped(value) - low) / (high - low));
  for (const tick of [low, (low + high) / 2, high]) {
    line(context, [left, y(tick)], [width, y(tick)]);
    context.fillText(`${Math.round(10 * tick) / 10}${unit}`, 0, Math.max(y(tick) + 4, 11));
  }
  names.forEach((name, i) => context.fillText(name, left + step * (i + 0.35), height - 4));
  series.forEach(({ values, colour: name }, place) => {
    context.fillStyle = colour(name);
    const own = (step * 0.9) / series.length;
    values.forEach((value, i) => {
      const top = Math.min(y(value), y(base)), size = Math.abs(y(value) - y(base));
      context.fillRect(left + step * i + own * place, top, own, size);
    });
  });
}
