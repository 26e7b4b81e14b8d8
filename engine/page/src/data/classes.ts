// The classes of the images, and the numbers of every class; loaded when they are first shown or selected.
import type { Reading } from "./facts.ts";
import { decodeArray, loadData } from "./load.ts";

interface ClassesData {
  names: string[];
  ends: string;
  label: string;
  pairs: ({ classes: string; counts: string } | null)[];
}

export interface Classes {
  names: string[];
  /** (n + 1): image i has the labels from `ends[i]` to before `ends[i + 1]`. */
  ends: Int32Array;
  /** Numbers in `names`. */
  label: Int32Array;
  /** Per pair, the m classes that either side has, and (m, 4) images and groups of the query, then of the reference. */
  pairs: ({ classes: Int32Array; counts: Int32Array } | null)[];
}

interface NumbersData {
  pairs: ({ numbers: string; beyond: string; nearest: string } | null)[];
}

/** A class of a pair at a level, in a reading; what is not known is null. */
export interface ClassRow {
  name: string;
  images: number;
  groups: number;
  referenceImages: number;
  referenceGroups: number;
  shareListed: number | null;
  gap: number | null;
  gapLow: number | null;
  gapHigh: number | null;
  beyond: boolean | null;
  /** The class that most of its nearest on the other side have, and their share. */
  nearest: string | null;
  nearestShare: number | null;
  /** Of the probe that was trained on the reference. */
  accuracy: number | null;
  /** Of its accuracy in the ceiling. */
  shareOfCeiling: number | null;
}

const WIDTH = 7;

let loaded: Promise<Classes> | undefined;

export const loadClasses = (): Promise<Classes> => {
  if (!loaded) {
    loaded = loadData<ClassesData>("classes").then((data) => ({
      names: data.names,
      ends: decodeArray(data.ends, Int32Array),
      label: decodeArray(data.label, Int32Array),
      pairs: data.pairs.map((pair) => pair && { classes: decodeArray(pair.classes, Int32Array), counts: decodeArray(pair.counts, Int32Array) }),
    }));
    loaded.catch(() => { loaded = undefined; });
  }
  return loaded;
};

/** The images on the page that have a class. */
export const classImages = ({ ends, label }: Classes, wanted: number): number[] => {
  const found = [];
  for (let image = 0; image < ends.length - 1; image++) {
    for (let at = ends[image]; at < ends[image + 1]; at++) {
      if (label[at] === wanted) found.push(image);
    }
  }
  return found;
};

/** Per class, how many images on the page have it. */
export const countOnPage = ({ names, label }: Classes): Int32Array => {
  const counts = new Int32Array(names.length);
  for (const own of label) counts[own] += 1;
  return counts;
};

const known = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** The classes of every pair at a level, in a reading; a pair without classes has none. */
export const loadClassRows = async (level: number, reading: Reading): Promise<ClassRow[][]> => {
  const [{ names, pairs }, data] = await Promise.all([loadClasses(), loadData<NumbersData>(`classes-${level}-${reading}`)]);
  return data.pairs.map((pair, place) => {
    const shared = pairs[place];
    if (!pair || !shared) return [];
    const numbers = decodeArray(pair.numbers, Float32Array);
    const [beyond, nearest] = [decodeArray(pair.beyond, Int8Array), decodeArray(pair.nearest, Int32Array)];
    return Array.from(shared.classes, (own, at): ClassRow => {
      const [shareListed, gap, gapLow, gapHigh, nearestShare, accuracy, ceiling] = Array.from(numbers.subarray(WIDTH * at, WIDTH * (at + 1)), known);
      const [images, groups, referenceImages, referenceGroups] = shared.counts.subarray(4 * at, 4 * (at + 1));
      return {
        name: names[own], images, groups, referenceImages, referenceGroups, shareListed, gap, gapLow, gapHigh,
        beyond: beyond[at] < 0 ? null : beyond[at] === 1,
        nearest: nearest[at] < 0 ? null : names[nearest[at]], nearestShare, accuracy,
        shareOfCeiling: accuracy === null || !ceiling ? null : accuracy / ceiling,
      };
    });
  });
};
