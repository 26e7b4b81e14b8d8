// What a level shows: places on the map, clusters, and per reading what is listed and how each image scores.
import type { Reading } from "./facts.ts";
import { images, indexInDataset } from "./images.ts";
import { decodeArray, decodeFloat16, loadData } from "./load.ts";

interface ListData {
  total: number;
  image: string;
  rank: string;
  reason: string;
  numbers: string;
}

interface ReadingData {
  scores: string[];
  lists: ListData[];
  rankings: { image: string; numbers: string }[];
}

interface LevelData {
  low: number[];
  span: number;
  points: string;
  clusters: string;
  readings: Partial<Record<Reading, ReadingData>>;
}

const REASONS = ["outside", "under-represented", "both", "suggested"] as const;
export type Reason = (typeof REASONS)[number];

export const REASON_TEXTS: Record<Reason, string> = {
  outside: "outside the reference",
  "under-represented": "under-represented in the reference",
  both: "outside the reference and under-represented in it",
  suggested: "a suggestion",
};

/** An image in an outlier list. */
export interface Entry {
  pair: number;
  image: number;
  rank: number;
  reason: Reason;
  p: number;
  q: number;
  score: number;
  /** Distance to the nearest image of the reference. */
  nearest: number;
}

export interface OutlierList {
  pair: number;
  /** How many are listed in all; the page may have fewer. */
  total: number;
  /** Best ranked first. */
  entries: Entry[];
}

export interface Ranking {
  pair: number;
  image: Int32Array;
  /** p, q and score of each. */
  numbers: Float32Array;
}

/** A level in a reading. */
export interface Level {
  number: number;
  reading: Reading;
  /** (n, 3) places of all images on the page. */
  points: Float32Array;
  /** Cluster of each image; -1 for none. */
  clusters: Int32Array;
  /** Per pair. */
  lists: OutlierList[];
  rankings: Ranking[];
  /** The entries of every listed image. */
  entries: Map<number, Entry[]>;
  /** Per pair, a score of every image of the query, by `indexInDataset`. */
  scores: Float32Array[];
}

type Shared = Pick<Level, "points" | "clusters"> & { readings: Partial<Record<Reading, Pick<Level, "lists" | "rankings" | "entries" | "scores">>> };

const loaded = new Map<number, Promise<Shared>>();

export const loadLevel = async (number: number, reading: Reading): Promise<Level> => {
  let promise = loaded.get(number);
  if (!promise) {
    promise = loadData<LevelData>(`level-${number}`).then(decodeLevel);
    promise.catch(() => loaded.delete(number));
    loaded.set(number, promise);
  }
  const { points, clusters, readings } = await promise;
  return { number, reading, points, clusters, ...readings[reading]! };
};

const decodeLevel = (data: LevelData): Shared => {
  const quantized = decodeArray(data.points, Uint16Array);
  const points = new Float32Array(quantized.length);
  for (let at = 0; at < quantized.length; at++) points[at] = data.low[at % 3] + (quantized[at] / 65535) * data.span;
  const readings = Object.fromEntries(
    Object.entries(data.readings).map(([name, reading]) => [name, decodeReading(reading)]));
  return { points, clusters: decodeArray(data.clusters, Int32Array), readings };
};

const decodeList = (list: ListData, pair: number): OutlierList => {
  const image = decodeArray(list.image, Int32Array);
  const rank = decodeArray(list.rank, Int32Array);
  const reason = decodeArray(list.reason, Uint8Array);
  const numbers = decodeArray(list.numbers, Float32Array);
  const entries = Array.from(image, (own, at): Entry => ({
    pair, image: own, rank: rank[at], reason: REASONS[reason[at]],
    p: numbers[4 * at], q: numbers[4 * at + 1], score: numbers[4 * at + 2], nearest: numbers[4 * at + 3],
  }));
  return { pair, total: list.total, entries };
};

const decodeReading = (data: ReadingData): Pick<Level, "lists" | "rankings" | "entries" | "scores"> => {
  const lists = data.lists.map(decodeList);
  const rankings = data.rankings.map((ranking, pair) => ({
    pair, image: decodeArray(ranking.image, Int32Array), numbers: decodeArray(ranking.numbers, Float32Array),
  }));
  const entries = new Map<number, Entry[]>();
  for (const entry of lists.flatMap((list) => list.entries)) {
    const own = entries.get(entry.image);
    if (own) own.push(entry);
    else entries.set(entry.image, [entry]);
  }
  return { lists, rankings, entries, scores: data.scores.map(decodeFloat16) };
};

/** An image's outlier score against the reference of a pair, which must be of the image's dataset. */
export const scoreOf = (level: Level, pair: number, image: number): number => level.scores[pair][indexInDataset(image)];

/** The images of a cluster at a level. */
export const clusterImages = (level: Level, cluster: number): number[] => {
  const found = [];
  for (let image = 0; image < images.count; image++) if (level.clusters[image] === cluster) found.push(image);
  return found;
};
