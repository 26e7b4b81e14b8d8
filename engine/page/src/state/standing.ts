// How an image stands at the level and in the reading that are shown: listed or not, its score, its distance.
import { facts } from "../data/facts.ts";
import { images, pairsOfQuery } from "../data/images.ts";
import type { Entry, Level } from "../data/levels.ts";
import { scoreOf } from "../data/levels.ts";
import type { Neighbors } from "../data/neighbors.ts";
import { pair } from "./state.ts";

/** Per dataset, the pair by which its images are judged: the one that is shown, or the other way round; -1 for none. */
export const judgingPairs = (): number[] => {
  const [query, reference] = facts.pairs.at(pair.value) ?? [-1, -1];
  return facts.datasets.map((_, dataset) => {
    if (dataset === query) return pair.value;
    const against = (other: number): number => facts.pairs.findIndex((own) => own[0] === dataset && own[1] === other);
    const back = dataset === reference ? against(query) : against(reference);
    return back >= 0 ? back : facts.pairs.findIndex((own) => own[0] === dataset);
  });
};

/** The entry of an image in a pair's list. */
export const entryOf = (level: Level, ofPair: number, image: number): Entry | undefined => (
  level.entries.get(image)?.find((entry) => entry.pair === ofPair));

/** The outlier score of an image against a pair's reference; NaN where it is not known. */
export const scoreAgainst = (level: Level, ofPair: number, image: number): number => (
  ofPair < 0 ? NaN : entryOf(level, ofPair, image)?.score ?? scoreOf(level, ofPair, image));

/** The distance of an image to the nearest image of a pair's reference; NaN where it is not known. */
export const distanceAgainst = (level: Level, near: Neighbors | null, ofPair: number, image: number): number => (
  ofPair < 0 ? NaN : entryOf(level, ofPair, image)?.nearest ?? near?.distance(ofPair, image) ?? NaN);

/** The pairs of an image: those that list it first, in the order of q. */
export const pairsByQ = (level: Level, image: number): number[] => {
  const q = (ofPair: number): number => entryOf(level, ofPair, image)?.q ?? 2;
  return pairsOfQuery(image).sort((a, b) => q(a) - q(b) || a - b);
};

/** Images of each dataset among some images. */
export const countByDataset = (some: Iterable<number>): number[] => {
  const counts = facts.datasets.map(() => 0);
  for (const image of some) counts[images.dataset[image]] += 1;
  return counts;
};
