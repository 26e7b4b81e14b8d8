// A page's data, made up, for tests without a browser.
import { loadFacts } from "../src/data/facts.ts";
import { loadImages } from "../src/data/images.ts";

const packed = (values: ArrayLike<number> & { buffer: ArrayBufferLike }): string => (
  Buffer.from(values.buffer).toString("base64"));

/** Loads facts and images of two datasets, whose rows on the page have gaps. */
export const makePage = async (count = 40): Promise<void> => {
  const text = { name: "weather", kind: "text", unit: "", texts: ["sun", "a~b.c&d=e", "\u202efog"], counts: [3, 2, 1], missing: 1, other: 1 };
  const number = { name: "speed", kind: "number", unit: "", low: 0, high: 1, min: 0, max: 1, integer: false, missing: 0 };
  const facts = {
    run: "run",
    datasets: ["real", "synthetic"].map((name) => ({ name })),
    levels: ["P2", "P3"].map((name) => ({ name })),
    pairs: [[0, 1], [1, 0]],
    readings: ["as-is", "style-aside"],
    openings: [{ level: 1, reading: "as-is" }, { level: 0, reading: "as-is" }],
    kinds: [{ id: "K1", name: "<b>bricks</b>", pair: 0, level: 1, reading: "as-is" }],
    columns: [text, number],
  };
  const images = {
    dataset: packed(Uint16Array.from({ length: count }, (_, image) => image % 2)),
    row: packed(Uint32Array.from({ length: count }, (_, image) => image ** 3)),
    drawn: packed(new Uint8Array(count).fill(1)),
    sizes: packed(new Uint8Array(2 * count)),
    kind: packed(Int32Array.from({ length: count }, (_, image) => (image < 4 ? 0 : -1))),
    group: null, groups: [], listed: {}, prefixes: ["", ""],
    names: Array.from({ length: count }, (_, image) => `${image}.png`),
  };
  const received = new Map<string, unknown>([["facts", facts], ["images", images]]);
  Object.assign(globalThis, {
    window: { gapscope: { received } }, document: { getElementById: () => null, documentElement: { dataset: {} }, body: { dataset: {} } },
  });
  await loadFacts();
  await loadImages();
};
