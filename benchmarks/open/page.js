// The leaderboard: one column (channel, k) of one task at a time, as a table that can be sorted.

const tasks = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const order = { column: 0, down: false };
let task = tasks[0];

function element(name, text, more = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  return Object.assign(made, more);
}

function fill(id, values, text = (value) => value) {
  at(id).replaceChildren(...values.map((value) => element("option", text(value), { value })));
}

const one = (value) => value.toFixed(1);
const signed = (value) => (value > 0 ? "+" : "") + one(value);
const minus = (text) => text.replaceAll("-", "\u2212");

/** Accuracy over SNR, from 0 to 100 %. */
function spark(values) {
  const step = 90 / Math.max(1, values.length - 1);
  const points = values.map((value, place) => `${(2 + place * step).toFixed(1)},${(24 - 0.22 * value).toFixed(1)}`);
  return `<svg viewBox="0 0 94 26" width="94" height="26" aria-hidden="true">
    <path class="frame" d="M2,2V24H92"/><polyline class="line-mark" points="${points.join(" ")}"/></svg>`;
}

const SIDES = { below: -Infinity, above: Infinity };
const number = (value) => (typeof value === "string" ? SIDES[value] : value);

function neededText(value) {
  if (value === "above") return "not reached";
  return minus(value === "below" ? `\u2264 ${task.snr_db[0]}` : one(value));
}

/** Title, value to sort by, and what is written or drawn; `down`: the best is the highest. */
function columns() {
  return [
    { title: "rank", value: (row) => row.rank, text: (row) => row.rank },
    { title: "entry", value: (row) => row.name, text: (row) => row.name, words: true },
    { title: "accuracy in %", value: (row) => row.accuracy[0], down: true,
      text: ({ accuracy: [mean, low, high] }) => `${one(mean)} (${one(low)} to ${one(high)})` },
    { title: "difference", value: (row) => row.difference[0], down: true, text: differenceText },
    { title: "over SNR", drawn: (row) => spark(row.curve) },
    ...task.snr_db.map((snr, place) => ({ title: minus(`${snr} dB`), down: true,
      value: (row) => row.curve[place], text: (row) => one(row.curve[place]) })),
    ...task.targets.map((target, place) => ({ title: `dB for ${target} %`,
      value: (row) => number(row.needed[place]), text: (row) => neededText(row.needed[place]) })),
  ];
}

function differenceText({ difference: [mean, low, high] }) {
  if (mean === null) return "not known";
  return low === 0 && high === 0 ? "leader" : minus(`${signed(mean)} (${signed(low)} to ${signed(high)})`);
}

function shownRows() {
  return task.rows.filter((row) => row.channel === at("channel").value
    && row.channel_uses === Number(at("uses").value)
    && (at("own").checked || task.entries[row.name].origin === "run by semlink"));
}

/** Ascending or descending; equal values keep the order of accuracy. */
function sorted(rows, column) {
  const compare = (a, b) => (a < b ? -1 : Number(a > b));
  const sign = order.down ? -1 : 1;
  return rows.toSorted((a, b) => sign * compare(column.value(a), column.value(b)));
}

function cell(row, column) {
  if (column.drawn) return element("td", undefined, { innerHTML: column.drawn(row) });
  const made = element(column.words ? "th" : "td", column.text(row), { className: column.words ? "" : "number" });
  if (!column.words) return made;
  made.scope = "row";
  for (const tag of tags(task.entries[row.name])) made.append(" ", tag);
  return made;
}

/** What sets an entry apart from those of semlink. */
function tags(entry) {
  const texts = entry.authors === "semlink" ? [] : [`by ${entry.authors}`];
  if (entry.origin !== "run by semlink") texts.push("own simulation");
  return texts.map((text) => element("span", text, { className: "tag" }));
}

function head(column, place) {
  const made = element("th", column.drawn ? column.title : undefined, { scope: "col" });
  if (column.drawn) return made;
  made.className = column.words ? "" : "number";
  const arrow = { true: "\u25bc", false: "\u25b2" }[order.down];
  const button = element("button", column.title + (order.column === place ? ` ${arrow}` : ""), { type: "button" });
  if (order.column === place) made.ariaSort = order.down ? "descending" : "ascending";
  button.addEventListener("click", () => sortBy(place, column));
  made.append(button);
  return made;
}

function sortBy(place, column) {
  order.down = order.column === place ? !order.down : Boolean(column.down);
  order.column = place;
  draw();
  at("board").querySelectorAll("thead th")[place].querySelector("button").focus();
}

function draw() {
  const all = columns();
  const rows = sorted(shownRows(), all[order.column]);
  const top = element("thead");
  top.append(element("tr"));
  top.firstChild.append(...all.map(head));
  const body = element("tbody");
  body.append(...rows.map((row) => {
    const line = element("tr");
    line.append(...all.map((column) => cell(row, column)));
    return line;
  }));
  at("board").replaceChildren(top, body);
  at("heading").textContent = `${task.titles[at("channel").value]}, k = ${at("uses").value}`;
  at("status").textContent = `${rows.length} entries`;
}

function terms(pairs) {
  return pairs.filter(([, value]) => value).flatMap(([name, value]) => {
    const described = element("dd");
    described.append(value);
    return [element("dt", name), described];
  });
}

const listed = (object) => Object.entries(object).map(([name, value]) => `${name}: ${value}`).join("; ");

function entryOf(entry) {
  const link = entry.link && element("a", entry.link, { href: entry.link, rel: "noreferrer" });
  const list = element("dl");
  list.append(...terms([
    ["description", entry.description], ["authors", entry.authors], ["link", link], ["origin", entry.origin],
    ...Object.entries(entry.settings),
    ["submitted, SHA-256", listed(entry.submission)], ["made with", listed(entry.made_with)],
  ]));
  return [element("h3", entry.name), list];
}

function choose() {
  task = tasks.find((own) => own.name === at("task").value);
  const held = (name) => task.rows.some((row) => row.channel === name);
  fill("channel", task.channels.filter(held), (name) => task.titles[name]);
  const uses = task.channel_uses.filter((k) => task.rows.some((row) => row.channel_uses === k));
  fill("uses", uses);
  at("uses").value = uses[Math.floor((uses.length - 1) / 2)];
  Object.assign(order, { column: 0, down: false });
  at("title").textContent = `${task.title}; task ${task.name}, version ${task.version}.`;
  at("rules").replaceChildren(...terms([
    ["charged", task.charged], ["known", task.known], ["channels", task.channels.join(", ")],
    ["SNRs in dB", task.snr_db.join(", ")], ["k", task.channel_uses.join(", ")],
    ["channel draws per image and point", `${task.realizations}, seed ${task.seed}`],
    ["test images, SHA-256", task.images_sha256], ["digest of the task", task.digest],
  ]));
  at("entries").replaceChildren(...Object.values(task.entries).flatMap(entryOf));
  draw();
}

fill("task", tasks.map((own) => own.name));
at("task").addEventListener("change", choose);
for (const id of ["channel", "uses", "own"]) at(id).addEventListener("change", draw);
choose();
