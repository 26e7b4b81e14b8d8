// The color of every image on the map, and what the colors mean. Shape and ring tell the dataset and what is listed,
// whatever the color.
import { computed, signal } from "@preact/signals";
import { MISSING } from "../data/columns.ts";
import type { ColumnHead, NumberColumn } from "../data/facts.ts";
import { columnNumber, facts } from "../data/facts.ts";
import { images, imagesWhere } from "../data/images.ts";
import type { Level } from "../data/levels.ts";
import { scoreOf } from "../data/levels.ts";
import { formatInColumn, formatShort } from "../format.ts";
import type { Theme } from "../theme.ts";
import { columnValues } from "./filters.ts";
import { colorBy, level, reference, theme } from "./state.ts";

/** More values than these cannot be told apart by color: the others share a gray. */
const MOST_COLORS = 10;
const STEPS = 64;

// Stops of viridis, whose dark end a dark ground would hide, and whose bright end a light one.
const RAMPS: Record<Theme, string[]> = {
  light: ["#440154", "#3b528b", "#21918c", "#4fb04f", "#b3a800"],
  dark: ["#8a4bb8", "#5b7fd0", "#2fb8ae", "#7ddc6e", "#fde725"],
};
const GRAYS: Record<Theme, { others: string; missing: string }> = {
  light: { others: "#757d86", missing: "#bcc2c8" },
  dark: { others: "#98a2ac", missing: "#4b545d" },
};

type Channels = [red: number, green: number, blue: number];
const channels = (hex: string): Channels => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) as Channels;

export interface DatasetKey {
  kind: "dataset";
}

export interface CategoriesKey {
  kind: "categories";
  /** What is told apart: `cluster`, `kind` or a column's name. */
  name: string;
  /** Per image; what is no place in `texts` is missing, or one of the others. */
  codes: ArrayLike<number>;
  texts: readonly string[];
  /** The codes that have a color of their own, with it. */
  colored: ReadonlyMap<number, string>;
  others: { color: string };
  missing: { color: string; text: string; code: number };
}

export interface NumbersKey {
  kind: "numbers";
  name: string;
  /** Per image; what is not finite is missing. */
  values: ArrayLike<number>;
  lowText: string;
  highText: string;
  /** From low to high. */
  ramp: readonly string[];
  missing: { color: string; text: string };
}

export type ColorKey = DatasetKey | CategoriesKey | NumbersKey;

export interface Coloring {
  /** (n, 3), red, green and blue of every image on the page. */
  rgb: Uint8Array;
  key: ColorKey;
}

// ---- categories

/** Codes that were given a color though they are not among the frequent ones, the latest last; by what is told apart. */
const given = signal<ReadonlyMap<string, readonly number[]>>(new Map());

const whatIsTold = (): string => (colorBy.value === "cluster" ? `cluster ${level.value?.number}` : colorBy.value);

/** The codes of the key that is shown that `giveColor` gave a color, the latest last. */
export const givenColors = (): readonly number[] => given.value.get(whatIsTold()) ?? [];

/** Gives a code of the key that is shown a color, which the least frequent of those that have one gives up. */
export const giveColor = (code: number): void => {
  const own = [...givenColors().filter((other) => other !== code), code];
  given.value = new Map([...given.value, [whatIsTold(), own.slice(-MOST_COLORS)]]);
};

/** Takes back what `giveColor` did. */
export const takeColors = (): void => {
  given.value = new Map();
};

// `frequent` are codes, the most frequent first.
const coloredCodes = (frequent: readonly number[]): Map<number, string> => {
  const colors = facts.categories[theme.value].slice(0, MOST_COLORS);
  const asked = givenColors().slice(-colors.length);
  const kept = frequent.filter((code) => !asked.includes(code)).slice(0, colors.length - asked.length);
  // What keeps its place keeps its color.
  const rest = asked.filter((code) => !frequent.slice(0, colors.length).includes(code));
  const places = frequent.slice(0, colors.length).map((code) => (kept.includes(code) || asked.includes(code) ? code : rest.shift()!));
  return new Map(places.map((code, place) => [code, colors[place]]));
};

const categories = (
  name: string, codes: ArrayLike<number>, texts: readonly string[], frequent: readonly number[], missing: CategoriesKey["missing"],
): Coloring => {
  const { others } = GRAYS[theme.value];
  const key: CategoriesKey = { kind: "categories", name, codes, texts, colored: coloredCodes(frequent), others: { color: others }, missing };
  const [gray, none] = [channels(others), channels(missing.color)];
  const own = new Map([...key.colored].map(([code, color]) => [code, channels(color)]));
  const rgb = new Uint8Array(3 * images.count);
  for (let image = 0; image < images.count; image++) {
    rgb.set(codes[image] === missing.code ? none : own.get(codes[image]) ?? gray, 3 * image);
  }
  return { rgb, key };
};

const clusterColoring = ({ clusters }: Level): Coloring => {
  const sizes: number[] = [];
  for (const cluster of clusters) if (cluster >= 0) sizes[cluster] = (sizes[cluster] ?? 0) + 1;
  const texts = Array.from(sizes, (_, cluster) => `cluster ${cluster}`);
  const frequent = [...sizes.keys()].filter((cluster) => sizes[cluster]).sort((a, b) => sizes[b] - sizes[a] || a - b);
  return categories("cluster", clusters, texts, frequent, { color: GRAYS[theme.value].missing, text: "in no cluster", code: -1 });
};

const kindColoring = (): Coloring => {
  const texts = facts.kinds.map(({ id, name }) => `${id} ${name}`);
  return categories("kind", images.kind, texts, [...texts.keys()], { color: GRAYS[theme.value].missing, text: "of no kind", code: -1 });
};

// ---- numbers

interface Scale {
  low: number;
  high: number;
}

const numbers = (name: string, values: ArrayLike<number>, { low, high }: Scale, texts: Pick<NumbersKey, "lowText" | "highText">, missing: string): Coloring => {
  const stops = RAMPS[theme.value].map(channels);
  const steps = Array.from({ length: STEPS }, (_, step): Channels => {
    const at = (step / (STEPS - 1)) * (stops.length - 1);
    const below = Math.min(stops.length - 2, Math.floor(at));
    return stops[below].map((from, channel) => Math.round(from + (at - below) * (stops[below + 1][channel] - from))) as Channels;
  });
  const gray = GRAYS[theme.value].missing;
  const none = channels(gray);
  const rgb = new Uint8Array(3 * images.count);
  for (let image = 0; image < images.count; image++) {
    const share = Math.min(1, Math.max(0, (values[image] - low) / (high - low)));
    rgb.set(Number.isFinite(values[image]) ? steps[Math.round(share * (STEPS - 1))] : none, 3 * image);
  }
  const ramp = steps.map((own) => `rgb(${own.join(" ")})`);
  return { rgb, key: { kind: "numbers", name, values, ramp, ...texts, missing: { color: gray, text: missing } } };
};

// The score against one reference, or the largest one over all (-1).
const scoreColoring = (own: Level): Coloring => {
  const pairs = facts.datasets.map((_, dataset) => (
    facts.pairs.flatMap(([query, against], pair) => (query === dataset && (reference.value === -1 || against === reference.value) ? [pair] : []))));
  const values = Float32Array.from(images.dataset, (dataset, image) => (
    Math.max(-Infinity, ...pairs[dataset].map((pair) => scoreOf(own, pair, image)))));
  const sorted = values.filter((value, image) => Number.isFinite(value) && images.drawn[image]).sort();
  const quantile = (share: number): number => sorted.at(Math.round(share * (sorted.length - 1))) ?? 0;
  let [low, high] = [quantile(0.02), quantile(0.98)];
  if (low >= high) [low, high] = [quantile(0), quantile(1) > quantile(0) ? quantile(1) : quantile(0) + 1];
  const texts = { lowText: `inside the reference ${formatShort(low)}`, highText: `${formatShort(high)} far outside` };
  return numbers("outlier score", values, { low, high }, texts, "not compared");
};

const endTexts = (column: NumberColumn, { low, high }: Scale): Pick<NumbersKey, "lowText" | "highText"> => {
  const text = (value: number): string => formatInColumn(value, column);
  return {
    lowText: column.min < low ? `≤ ${text(low)} (min ${text(column.min)})` : text(low),
    highText: column.max > high ? `≥ ${text(high)} (max ${text(column.max)})` : text(high),
  };
};

// ---- all

const columnColoring = (head: ColumnHead): Coloring | null => {
  const values = columnValues.value.get(head.name);
  if (!values) return null;
  if (head.kind === "number") {
    const scale = head.low < head.high ? head : { low: head.min, high: head.max };
    return numbers(head.name, values, scale, endTexts(head, scale), "missing");
  }
  const missing = { color: GRAYS[theme.value].missing, text: "missing", code: MISSING };
  return categories(head.name, values, head.texts.map((text) => text.trim() || "(empty)"), [...head.texts.keys()], missing);
};

const datasetColoring = (): Coloring => {
  const colors = facts.palette[theme.value].map(channels);
  const rgb = new Uint8Array(3 * images.count);
  for (let image = 0; image < images.count; image++) rgb.set(colors[images.dataset[image] % colors.length], 3 * image);
  return { rgb, key: { kind: "dataset" } };
};

/** The colors of the map, which are the datasets' until what they shall show is loaded. */
export const coloring = computed((): Coloring => {
  const by = colorBy.value;
  const number = by.startsWith("column:") ? columnNumber(by.slice("column:".length)) : -1;
  let own: Coloring | null = null;
  if (number >= 0) own = columnColoring(facts.columns[number]);
  else if (by === "kind") own = kindColoring();
  else if (level.value && by === "cluster") own = clusterColoring(level.value);
  else if (level.value && by === "score") own = scoreColoring(level.value);
  return own ?? datasetColoring();
});

export interface KeyText {
  color: string;
  text: string;
}

/** The key for a picture of the map: a color and a text each. */
export const keyTexts = computed((): KeyText[] => {
  const { key } = coloring.value;
  if (key.kind === "dataset") return [];
  const { color, text } = key.missing;
  if (key.kind === "numbers") {
    const { ramp, lowText, highText, values } = key;
    const isMissing = imagesWhere((image) => images.drawn[image] === 1 && !Number.isFinite(values[image])).length > 0;
    return [
      { color: ramp[0], text: `${key.name}: ${lowText}` }, { color: ramp[ramp.length >> 1], text: "between" }, { color: ramp[ramp.length - 1], text: highText },
      ...(isMissing ? [{ color, text }] : []),
    ];
  }
  const isThere = (holds: (code: number) => boolean): boolean => imagesWhere((image) => images.drawn[image] === 1 && holds(key.codes[image])).length > 0;
  return [
    ...[...key.colored].map(([code, own]) => ({ color: own, text: key.texts[code] })),
    ...(isThere((code) => code !== key.missing.code && !key.colored.has(code)) ? [{ color: key.others.color, text: "others" }] : []),
    ...(isThere((code) => code === key.missing.code) ? [{ color, text }] : []),
  ];
});
