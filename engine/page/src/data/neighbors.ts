// The nearest images: those of the other datasets that the run has found, and those on the page that are like one.
import type { Reading } from "./facts.ts";
import { images, indexInDataset } from "./images.ts";
import { decodeArray, loadData } from "./load.ts";

export interface Neighbor {
  image: number;
  distance: number;
}

/** The nearest reference images, as the comparison found them. */
export interface Neighbors {
  /** The nearest images on the page of a pair's reference to one of its query, nearest first. */
  nearest: (pair: number, image: number) => Neighbor[];
  /** The distance to the nearest image of all of the reference, on the page or not; NaN where it is not known. */
  distance: (pair: number, image: number) => number;
}

interface NearData {
  across: number;
  pairs: { images: string; distances: string }[];
}

const loadedNeighbors = new Map<string, Promise<Neighbors>>();

/** Loads the neighbors at a level in a reading. */
export const loadNeighbors = (level: number, reading: Reading): Promise<Neighbors> => {
  const name = `near-${level}-${reading}`;
  let promise = loadedNeighbors.get(name);
  if (!promise) {
    promise = loadData<NearData>(name).then(({ across, pairs }) => {
      const decoded = pairs.map((pair) => ({
        images: decodeArray(pair.images, Int32Array), distances: decodeArray(pair.distances, Float32Array),
      }));
      return {
        nearest: (pair, image) => {
          const start = indexInDataset(image) * across;
          const own = decoded[pair];
          return Array.from({ length: across }, (_, at) => (
            { image: own.images[start + at], distance: own.distances[start + at] })).filter((found) => found.image >= 0);
        },
        distance: (pair, image) => {
          const distance = decoded[pair].distances[indexInDataset(image) * across];
          return Number.isFinite(distance) ? distance : NaN;
        },
      };
    });
    promise.catch(() => loadedNeighbors.delete(name));
    loadedNeighbors.set(name, promise);
  }
  return promise;
};

interface LikeData {
  dims: number;
  values: string;
  scale: number;
  recall: number;
  /** In which distances are shown. */
  metric: "cosine" | "euclidean";
}

/** Vectors of all images on the page, which find what is like one of them. */
export interface Likeness {
  /** Share of the ten nearest images that these shortened vectors find. */
  recall: number;
  /** The `count` images of a dataset that are most like some images, nearest first; their own are left out. */
  like: (of: readonly number[], dataset: number, count: number) => Neighbor[];
}

const loadedLikeness = new Map<string, Promise<Likeness>>();

export const loadLikeness = (level: number, reading: Reading): Promise<Likeness> => {
  const name = `like-${level}-${reading}`;
  let promise = loadedLikeness.get(name);
  if (!promise) {
    promise = loadData<LikeData>(name).then(decodeLikeness);
    promise.catch(() => loadedLikeness.delete(name));
    loadedLikeness.set(name, promise);
  }
  return promise;
};

const decodeLikeness = ({ dims, values, scale, recall, metric }: LikeData): Likeness => {
  const vectors = decodeArray(values, Int8Array);
  // Vectors that are compared by cosine have length 1.
  const distanceOf = (squares: number): number => (metric === "cosine" ? scale ** 2 * squares / 2 : scale * Math.sqrt(squares));
  return {
    recall,
    like: (of, dataset, count) => {
      const center = new Float32Array(dims);
      for (const image of of) {
        for (let at = 0; at < dims; at++) center[at] += vectors[image * dims + at] / of.length;
      }
      const own = new Set(of);
      const found: Neighbor[] = [];
      for (let image = 0; image < images.count; image++) {
        if (images.dataset[image] !== dataset || own.has(image)) continue;
        let sum = 0;
        for (let at = 0; at < dims; at++) sum += (vectors[image * dims + at] - center[at]) ** 2;
        found.push({ image, distance: distanceOf(sum) });
      }
      return found.sort((a, b) => a.distance - b.distance || a.image - b.image).slice(0, count);
    },
  };
};
