// Images that are like some images, found among all that are on the page.
import { computed, signal } from "@preact/signals";
import { facts } from "../data/facts.ts";
import type { Reading } from "../data/facts.ts";
import { loadLikeness } from "../data/neighbors.ts";
import { fail, levelNumber, reading, select, selection } from "./state.ts";

/** So many are found in each dataset. */
export const FOUND = 24;

export interface Like {
  /** What they are like, in words. */
  of: string;
  level: number;
  reading: Reading;
  /** Share of the ten nearest images that the page's shortened vectors find. */
  recall: number;
  /** Of each image that was found. */
  distances: ReadonlyMap<number, number>;
}

const found = signal<Like | null>(null);

/** What was found, while nothing else is selected. */
export const like = computed((): Like | null => {
  const own = found.value;
  const { images } = selection.value;
  return own && images.size && [...images].every((image) => own.distances.has(image)) ? own : null;
});

/** Selects the images of each dataset that are most like some images, at the level and in the reading that are shown. */
export const moreLike = (some: readonly number[], of: string): void => {
  const [level, own] = [levelNumber.value, reading.value];
  loadLikeness(level, own).then(({ recall, like: nearest }) => {
    const neighbors = facts.datasets.flatMap((_, dataset) => nearest(some, dataset, FOUND));
    neighbors.sort((a, b) => a.distance - b.distance || a.image - b.image);
    found.value = { of, level, reading: own, recall, distances: new Map(neighbors.map(({ image, distance }) => [image, distance])) };
    select(neighbors.map(({ image }) => image), `like ${of}`);
  }).catch(fail);
};
