// The page: controls, panels and tables of the selected sweep.

const report = JSON.parse(document.getElementById("data").textContent);
const looks = new Map(report.looks.map((look, place) => [look.name, { ...look, place }]));
const at = (id) => document.getElementById(id);
const PLACES = { snr: "snr", uses: "uses-chart", gap: "gap" };
const PANEL = { least: 250, gap: 60, height: 260 }; // sizes in pixels
const views = {};
let sweep = null;

for (const own of report.sweeps) {
  const measured = rowsOf(own.rows).map((row, place) => ({ ...row, place }));
  const published = rowsOf(own.published).map((row) => ({ ...row, published: true }));
  own.columns = Object.keys(own.rows).filter((name) => name !== "choice");
  own.rows = measured;
  own.all = [...measured, ...published];
  for (const row of own.all) row.title = looks.get(row.scheme).title;
}

function element(name, text, more = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  return Object.assign(made, more);
}

const distinct = (rows, name) => [...new Set(rows.map((row) => row[name]))];
const ascending = (values) => values.sort((one, other) => one - other);

function fill(id, values, chosen, text = (value) => value) {
  at(id).replaceChildren(...values.map((value) =>
    element("option", text(value), { value, selected: value === chosen })));
}

function boxes(id, values, checked, label) {
  at(id).replaceChildren(...values.map((value) => {
    const box = element("input", undefined, { type: "checkbox", value, checked: checked(value) });
    const made = element("label");
    made.append(box, ...label(value));
    return made;
  }));
}

const ticked = (id) => [...at(id).querySelectorAll("input:checked")].map((box) => box.value);

/** A sample of a scheme's curve, as in the panels. */
function swatch(name) {
  const { place, dashes, marker } = looks.get(name);
  const box = element("span", undefined, { className: "swatch" });
  box.innerHTML = `<svg viewBox="0 0 34 14" width="34" height="14" aria-hidden="true">
    <path d="M0,7H34" style="stroke:var(--c${place})" stroke-width="1.6" stroke-dasharray="${dashes}"/>
    <path d="${marker}" transform="translate(17,7) scale(4)" style="fill:var(--c${place})"/></svg>`;
  return box;
}

/** Show a sweep, initially at the k with most rows and the middle SNR. */
function choose(own) {
  sweep = own;
  const uses = ascending(distinct(sweep.rows, "channel_uses"));
  const snrs = ascending(distinct(sweep.rows, "snr_db"));
  const count = (k) => sweep.rows.filter((row) => row.channel_uses === k).length;
  const most = uses.reduce((one, other) => (count(other) > count(one) ? other : one));
  fill("uses-at", uses, most, (k) => `k = ${k}`);
  fill("snr-at", snrs, snrs[Math.floor(snrs.length / 2)], (snr) => `${snr} dB`);
  const measured = distinct(sweep.rows, "scheme");
  const title = (name) => looks.get(name).title;
  fill("reference", ["", ...measured], "", (name) => (name ? title(name) : "none: accuracies"));
  at("reference").disabled = !sweep.differences;
  at("without").textContent = sweep.differences ? "" : `No reference: ${sweep.without}.`;
  boxes("channels", Object.keys(sweep.channels), () => true, (name) => [sweep.channels[name]]);
  boxes("uses", uses, () => true, (k) => [`${k}`]);
  const order = report.looks.map((look) => look.name).filter((name) => sweep.schemes.includes(name));
  boxes("schemes", order, (name) => sweep.first.includes(name), (name) => [swatch(name), title(name)]);
  describe();
  drawSamples();
}

/** Show the sweep's title, definitions, settings and provenance. */
function describe() {
  at("title").textContent = sweep.title;
  const clean = sweep.noiseless && sweep.noiseless.map((part) => (100 * part).toFixed(1));
  at("noiseless").textContent = clean
    ? `Without a channel: ${clean[0]} % (95 % interval ${clean[1]} to ${clean[2]} %), student and head.`
    : "";
  at("about").replaceChildren(...sweep.texts.map((text) => element("p", text)));
  const settings = new Map(sweep.all.map((row) => [`${row.title}\n${row.settings}`, row]));
  at("settings").replaceChildren(...[...settings.values()].flatMap((row) =>
    [element("dt", row.title), element("dd", row.settings)]));
  at("provenance").replaceChildren(...sweep.provenance.flatMap(([name, value]) =>
    [element("dt", name), element("dd", value)]));
}

function state() {
  const reference = at("reference").value;
  return {
    schemes: new Set(ticked("schemes")), channels: new Set(ticked("channels")),
    uses: new Set(ticked("uses").map(Number)), reference,
    k: Number(at("uses-at").value), snr: Number(at("snr-at").value),
    images: at("images").checked, draws: at("draws").checked,
    apart: reference ? differencesFrom(sweep, reference) : null,
  };
}

/** The rows that are shown; with a reference, only those that have a difference from it. */
function shownRows(now) {
  return sweep.all.filter((row) => now.schemes.has(row.scheme) && now.channels.has(row.channel)
    && (!now.apart || now.apart.has(row.place)));
}

function pointsOf(now, rows) {
  const clean = sweep.noiseless ? 100 * sweep.noiseless[0] : null;
  const look = { ...now, level: now.reference ? 0 : clean };
  const over = (own, x, more) => own.map((row) => pointOf(sweep, row, row[x], { ...look, ...more }));
  const here = rows.filter((row) => row.channel_uses === now.k);
  const there = rows.filter((row) => row.snr_db === now.snr && now.uses.has(row.channel_uses));
  return {
    snr: over(here, "snr_db", { mark: now.snr }),
    uses: over(there, "channel_uses", { mark: now.k }),
    gap: now.reference || clean === null
      ? [] : over(here, "snr_db", { mark: now.snr, below: clean, level: 0 }),
  };
}

/** Number of columns of panels, and the width of one panel. */
function layout(number) {
  const room = at("panels").clientWidth - 10;
  const columns = Math.max(1, Math.min(number, Math.floor(room / PANEL.least), 4));
  return { columns, width: Math.floor(room / columns) - PANEL.gap };
}

async function draw(name, points) {
  const { columns, width } = layout(new Set(points.map((point) => point.channel)).size);
  const form = `${columns} ${width} ${sweep.name}`;
  if (views[name] && views[name].form === form) {
    await views[name].view.data("points", points).runAsync();
    return;
  }
  const spec = structuredClone(report.charts[name]);
  Object.assign(spec.spec, { width, height: PANEL.height });
  spec.facet.header = { labelLimit: width };
  Object.assign(spec, { columns, datasets: { points }, description: at(`${name}-title`).textContent });
  const options = { mode: "vega-lite", renderer: "svg", actions: false, defaultStyle: false };
  const tooltip = { disableDefaultStyle: true };
  const logLevel = 1; // only errors: Vega would warn about a panel without bars
  if (views[name]) views[name].view.finalize();
  const { view } = await vegaEmbed(`#${PLACES[name]}`, spec, { ...options, tooltip, logLevel });
  views[name] = { view, form };
  view.addEventListener("mouseover", (_, item) => light(item && item.datum && item.datum.scheme));
  view.addEventListener("mouseout", () => light(""));
  view.addEventListener("click", (_, item) => item && item.datum && follow(name, item.datum.x));
}

/** Fade all other schemes, in every panel. */
function light(scheme) {
  for (const { view } of Object.values(views)) view.signal("lit", scheme || "").runAsync();
}

/** A click on a point over SNR chooses this SNR for the panel over k, and vice versa. */
function follow(name, x) {
  if (x === undefined) return;
  at(name === "uses" ? "uses-at" : "snr-at").value = `${x}`;
  update();
}

function tableOf(id, heads, lines) {
  const head = element("tr"), body = element("tbody"), top = element("thead");
  head.append(...heads.map((text) => element("th", text, { scope: "col" })));
  top.append(head);
  body.append(...lines.map((cells) => {
    const line = element("tr");
    line.append(...cells.map((text) => element("td", text)));
    return line;
  }));
  at(id).replaceChildren(top, body);
}

function needed(now) {
  const targets = Object.keys(sweep.thresholds);
  const lines = sweep.thresholds[targets[0]].flatMap((own, place) =>
    now.schemes.has(own.scheme) && now.channels.has(own.channel) && now.uses.has(own.channel_uses)
      ? [[sweep.channels[own.channel], `${own.channel_uses}`, looks.get(own.scheme).title,
          ...targets.map((target) => sweep.thresholds[target][place].text)]] : []);
  tableOf("needed", ["channel", "k", "scheme", ...targets.map((target) => `${target} %`)], lines);
}

function listPoints(now, rows) {
  if (!at("table").open) return;
  const told = rows.filter((row) => now.uses.has(row.channel_uses)).map((row) =>
    [row, wordsOf(sweep, row, now.apart && now.apart.get(row.place))]);
  const names = ["difference", "95 %, paired", "p (Holm)"].filter(() => now.apart);
  names.push("accuracy", "95 %, images", "95 %, channel draws", "outage");
  tableOf("points", ["scheme", "channel", "SNR in dB", "k", ...names], told.map(([row, words]) =>
    [row.title, sweep.channels[row.channel], row.snr_db, words.k, ...names.map((name) => words[name] || "")]));
}

function headings(now) {
  const what = now.reference ? `Difference from ${looks.get(now.reference).title} in points` : "Accuracy in %";
  const how = now.reference ? "; filled: significant at 5 % (Holm)" : "";
  at("snr-title").textContent = `${what} over SNR, k = ${now.k}${how}`;
  at("uses-title").textContent = `${what} over k, SNR = ${now.snr} dB${how}`;
  at("gap-title").textContent = `Points below the noiseless accuracy, k = ${now.k}`;
}

async function update() {
  const now = state(), rows = shownRows(now), points = pointsOf(now, rows);
  headings(now);
  at("draws").disabled = Boolean(now.reference);
  at("gap-figure").hidden = !points.gap.length;
  needed(now);
  listPoints(now, rows);
  const schemes = distinct(points.snr, "scheme").length;
  at("status").textContent =
    `${points.snr.length} points of ${schemes} schemes over SNR, ${points.uses.length} points over k.`;
  for (const name of Object.keys(PLACES)) {
    if (points[name].length || views[name]) await draw(name, points[name]);
  }
  document.body.dataset.drawn = String(Number(document.body.dataset.drawn || 0) + 1);
}

function download() {
  const blob = new Blob([csvOf(sweep.rows, sweep.columns)], { type: "text/csv" });
  const link = element("a", "", { href: URL.createObjectURL(blob), download: `${sweep.name}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const names = report.sweeps.map((own, place) => `${place + 1}: ${own.name}, ${own.title}`);
fill("sweep", names, names[0]);
at("sweep-label").hidden = names.length === 1;
at("sweep").addEventListener("change", () => choose(report.sweeps[at("sweep").selectedIndex]));
at("controls").addEventListener("change", update);
at("controls").addEventListener("submit", (event) => event.preventDefault());
for (const [id, checked] of [["all", true], ["none", false]]) {
  at(id).addEventListener("click", () => {
    for (const box of at("schemes").querySelectorAll("input")) box.checked = checked;
    update();
  });
}
for (const [on, off] of [["mouseover", "mouseout"], ["focusin", "focusout"]]) {
  at("schemes").addEventListener(on, (event) => {
    const label = event.target.closest("label");
    light(label && label.querySelector("input").value);
  });
  at("schemes").addEventListener(off, () => light(""));
}
at("table").addEventListener("toggle", update);
at("download").addEventListener("click", download);
addEventListener("resize", () => { clearTimeout(update.later); update.later = setTimeout(update, 150); });
addEventListener("beforeprint", () => { at("origin").open = at("texts").open = true; });
choose(report.sweeps[0]);
update();
