// Turn the columns of a sweep into the points of a panel, without access to the page or its charts.

/** Rows as objects; a column is a list, or distinct values and the index of each row's value. */
function rowsOf(columns) {
  const names = Object.keys(columns);
  const lists = names.map((name) => {
    const own = columns[name];
    return Array.isArray(own) ? own : own.places.map((place) => own.values[place]);
  });
  const length = lists.length ? lists[0].length : 0;
  return Array.from({ length }, (_, row) =>
    Object.fromEntries(names.map((name, column) => [name, lists[column][row]])));
}

/** The paired difference of each row from the reference scheme at its point, by row; in points. */
function differencesFrom(sweep, reference) {
  const { a, b, difference, low, high, p_holm: adjusted } = sweep.differences;
  const found = new Map();
  const points = (value) => value / 1000; // they are stored in thousandths of a point
  a.forEach((first, place) => {
    const own = [difference[place], low[place], high[place]].map(points);
    if (sweep.rows[b[place]].scheme === reference) {
      found.set(first, { value: own[0], low: own[1], high: own[2], p: adjusted[place] });
    } else if (sweep.rows[first].scheme === reference) {
      found.set(b[place], { value: -own[0], low: -own[2], high: -own[1], p: adjusted[place] });
    }
  });
  return found;
}

const percent = (value) => `${(100 * value).toFixed(1)} %`;
const between = (low, high, unit = " %") => `${low.toFixed(1)} to ${high.toFixed(1)}${unit}`;
const signed = (value) => (value < 0 ? "" : "+") + value.toFixed(1);

/** The text of a row, for tooltips and for the table of points. */
function wordsOf(sweep, row, apart) {
  const words = { title: `${row.title}, ${sweep.channels[row.channel]}, ${row.snr_db} dB` };
  words.k = row.pilot_uses ? `${row.channel_uses} + ${row.pilot_uses} pilots` : `${row.channel_uses}`;
  if (apart) {
    words["difference"] = `${signed(apart.value)} points`;
    words["95 %, paired"] = `${signed(apart.low)} to ${signed(apart.high)} points`;
    words["p (Holm)"] = `${apart.p}${apart.p < 0.05 ? ", significant at 5 %" : ""}`;
  }
  words.accuracy = percent(row.accuracy);
  if (!row.published) {
    words["95 %, images"] = between(100 * row.ci_low, 100 * row.ci_high);
    words["95 %, channel draws"] = between(100 * row.mc_low, 100 * row.mc_high);
    words.outage = percent(1 - row.delivered);
    words["charged uses per source value"] = row.bandwidth_ratio.toPrecision(3);
    words.counts = `${row.images} images, ${row.realizations} channel draws`;
  }
  if (row.choice) words.choice = row.choice;
  if (row.settings) words.settings = row.settings;
  return words;
}

/** One point of a panel; `look` selects its intervals and its measure. */
function pointOf(sweep, row, x, look) {
  const apart = look.apart && look.apart.get(row.place);
  const words = wordsOf(sweep, row, apart);
  const { title, ...rest } = words;
  const shared = {
    x, scheme: row.scheme, channel: sweep.channels[row.channel], mark: look.mark, level: look.level,
    solid: !apart || apart.p < 0.05, tip: words, row: row.place,
    said: `${title}: ${Object.entries(rest).slice(0, 4).map(([name, own]) => `${name} ${own}`).join("; ")}`,
  };
  return { ...shared, ...valuesOf(row, apart, look) };
}

/** Value and interval ends; without an interval the band has no height and there is no bar. */
function valuesOf(row, apart, look) {
  const shown = (fraction) => (look.below === undefined ? 100 * fraction : look.below - 100 * fraction);
  const value = apart ? apart.value : shown(row.accuracy);
  const ends = apart ? [apart.low, apart.high] : [shown(row.ci_low), shown(row.ci_high)];
  const band = look.images && !row.published ? ends : [value, value];
  const bars = look.draws && !apart && !row.published;
  return {
    value, low: band[0], high: band[1],
    bar_low: bars ? shown(row.mc_low) : null, bar_high: bars ? shown(row.mc_high) : null,
  };
}

/** A CSV of the rows with the columns of the table. */
function csvOf(rows, columns) {
  const cell = (value) => (/[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
  const lines = rows.map((row) => columns.map((name) => cell(row[name])).join(","));
  return `${[columns.join(","), ...lines].join("\n")}\n`;
}
