// Where in a picture something is that the reference lacks: loaded when it is first wanted.
import { facts } from "./facts.ts";
import { decodeArray, loadData } from "./load.ts";

/** How unlike the places of a picture are: 0 as its reference's usually are, 1 as one in 100 of those is. */
export interface HeatMap {
  side: number;
  /** How unlike the hottest place is. */
  top: number;
  /** (side, side) places, as parts of `top` in 255ths. */
  parts: Uint8Array;
}

export interface HeatMaps {
  /** The map of an image against a pair's reference at a level; null for none. */
  map: (image: number, pair: number, level: number) => HeatMap | null;
  /** The level that points best in an image; null where it has no map for the pair. */
  opens: (image: number, pair: number) => number | null;
  /** Why an image has no map for any of these pairs. */
  reason: (image: number, pairs: readonly number[]) => string;
}

interface HeatData {
  side: number;
  levels: number[];
  /** Image, pair, and the level that it opens at. */
  images: [number, number, number][];
  maps: string;
  tops: string;
  reasons: [number, number, string][];
}

const keyOf = (image: number, pair: number): string => `${pair}/${image}`;

const decode = (data: HeatData): HeatMaps => {
  const parts = decodeArray(data.maps, Uint8Array);
  const tops = decodeArray(data.tops, Float32Array);
  const length = data.side ** 2;
  const numbers = new Map(data.images.map(([image, pair], number) => [keyOf(image, pair), number]));
  const reasons = new Map(data.reasons.map(([image, pair, reason]) => [keyOf(image, pair), reason]));
  return {
    map: (image, pair, level) => {
      const [number, place] = [numbers.get(keyOf(image, pair)), data.levels.indexOf(level)];
      if (number === undefined || place < 0) return null;
      const at = number * data.levels.length + place;
      return { side: data.side, top: tops[at], parts: parts.subarray(at * length, (at + 1) * length) };
    },
    opens: (image, pair) => {
      const number = numbers.get(keyOf(image, pair));
      return number === undefined ? null : data.images[number][2];
    },
    reason: (image, pairs) => (
      pairs.map((pair) => reasons.get(keyOf(image, pair))).find(Boolean) ?? "only the pictures of kinds and the first outliers have one"),
  };
};

let loaded: Promise<HeatMaps> | undefined;

export const loadHeatMaps = (): Promise<HeatMaps> => {
  loaded ??= loadData<HeatData>("heat-maps").then(decode);
  loaded.catch(() => { loaded = undefined; });
  return loaded;
};

/** At least so unlike is what has the strongest color. */
const LEAST_FULL = 1.2;

/** How unlike the hottest place of some images is, which has the strongest color. */
export const hottest = (maps: HeatMaps, images: readonly number[], pair: number, level: number): number => (
  Math.max(LEAST_FULL, ...images.map((image) => maps.map(image, pair, level)?.top ?? 0)));

/** Less than so unlike has no color. */
const FAINT = 0.4;
const STOPS = [[255, 224, 64], [255, 140, 24], [214, 16, 64]];
const MOST_OPAQUE = 0.78;

/** Red, green, blue and opacity of a place, each of 255. */
export const heatColor = (unlike: number, full: number): number[] => {
  const heat = Math.min(1, Math.max(0, (unlike - FAINT) / (full - FAINT)));
  const place = heat * (STOPS.length - 1);
  const stop = Math.min(STOPS.length - 2, Math.floor(place));
  const mixed = STOPS[stop].map((value, channel) => value + (STOPS[stop + 1][channel] - value) * (place - stop));
  return [...mixed, 255 * MOST_OPAQUE * Math.min(1, heat * 2.5)];
};

const THIRDS = [["upper left", "top", "upper right"], ["left", "middle", "right"], ["lower left", "bottom", "lower right"]];

/** The part of the picture with the hottest place, in words. */
export const hottestPlace = ({ parts, side }: HeatMap): string => {
  const at = parts.indexOf(parts.reduce((most, part) => Math.max(most, part), 0));
  const third = (place: number): number => Math.min(2, Math.floor((3 * place) / side));
  return THIRDS[third(Math.floor(at / side))][third(at % side)];
};

/** The square of a picture that the network saw: left, top, width and height in percent of the picture. */
export const squareSeen = (width: number, height: number): [number, number, number, number] => {
  if (facts.fit === "stretch") return [0, 0, 100, 100];
  const side = facts.fit === "crop" ? Math.min(width, height) : Math.max(width, height);
  const [across, down] = [(100 * side) / width, (100 * side) / height];
  return [(100 - across) / 2, (100 - down) / 2, across, down];
};
