// `separate` over one channel draw: its choice is precomputed; a table of block errors decides if its block arrives.
import { stream } from "./channels.js";

const PLACES = { awgn: () => 0, rayleigh: () => 1, rician: (factor) => 2 + factor };

/** Block error rate at an SNR in dB: 1 below the table, 0 above it, its logarithm interpolated. */
export function blockErrorRate({ snr_db: snrs, rate }, snrDb) {
  if (snrDb < snrs[0]) return 1;
  if (snrDb > snrs.at(-1)) return 0;
  const next = Math.max(snrs.findIndex((own) => own >= snrDb), 1);
  const share = (snrDb - snrs[next - 1]) / (snrs[next] - snrs[next - 1]);
  return Math.exp((1 - share) * Math.log(rate[next - 1]) + share * Math.log(rate[next]));
}

/**
 * `separate` for test image number `shown` (null: not a test image) over a draw. Returns {why} if it cannot be sent, else
 * {told, rate, fits, arrived}, and for an image that arrived its class and its pixels in base64.
 */
export function separate({ why, low, step, at }, shown, draw, { channel, snrDb, k, seed }) {
  const uses = Object.keys(at);
  if (why) return { why };
  if (!at[k]) return { why: `serves k = ${uses.join(", ")}` };
  if (!PLACES[channel.kind]) return { why: "needs one gain per image; with more, its blocks would have to be decoded" };
  if (shown === null) return { why: "only for test images: no JPEG, WebP or AVIF encoder runs here" };
  const place = at[k].chosen[PLACES[channel.kind](channel.factor)][Math.round((snrDb - low) / step)];
  const pair = at[k].pairs[place], [re, im] = draw.h, image = pair.images[shown];
  const rate = blockErrorRate(pair, snrDb + 10 * Math.log10(re * re + im * im));
  const arrived = image !== null && stream(seed, "decoding", channel.kind)() >= rate;
  const seen = arrived ? { class: image.class, pixels: at[k].pictures[image.picture] } : {};
  return { told: pair.told, rate, fits: image !== null, arrived, ...seen };
}
