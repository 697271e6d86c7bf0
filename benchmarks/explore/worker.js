// Compute channel draws outside the page's thread: {number, channel, uses, seed, profiles} in, {number, h, w} out.
import { draw } from "./channels.js";

onmessage = ({ data }) => {
  const { h, w } = draw(data.channel, data.uses, data.seed, data.profiles);
  postMessage({ number: data.number, h, w }, [h.buffer, w.buffer]);
};
