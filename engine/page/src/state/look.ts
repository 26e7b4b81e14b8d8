// What is drawn of every image on the map, and in which state.
import { computed } from "@preact/signals";
import { images, pairsOfQuery } from "../data/images.ts";
import { STATE } from "../map/state.ts";
import { passing } from "./filters.ts";
import { listed, neighbors, pinned, selection } from "./state.ts";

const neighborsOfPinned = computed((): Set<number> => {
  const [image, near] = [pinned.value, neighbors.value];
  if (image === null || near === null) return new Set();
  return new Set(pairsOfQuery(image).flatMap((pair) => near.nearest(pair, image).map((found) => found.image)));
});

/**
 * A sum of `STATE` for every image on the page.
 *
 * The selection, the pinned image and its neighbors are drawn even if they are no part of the map's sample.
 */
export const pointStates = computed((): Uint8Array => {
  const states = new Uint8Array(images.count);
  const selected = selection.value.images;
  for (let image = 0; image < images.count; image++) {
    if (!passing.value[image]) continue;
    const isSelected = selected.has(image);
    const isPinned = pinned.value === image;
    const isNeighbor = neighborsOfPinned.value.has(image);
    if (!images.drawn[image] && !isSelected && !isPinned && !isNeighbor) continue;
    states[image] = STATE.drawn
      | (selected.size && !isSelected && !isPinned && !isNeighbor ? STATE.dimmed : 0)
      | (listed.value.has(image) ? STATE.outlier : 0)
      | (isSelected ? STATE.selected : 0) | (isNeighbor ? STATE.neighbor : 0) | (isPinned ? STATE.pinned : 0);
  }
  return states;
});

export const pointsShown = computed((): number => pointStates.value.reduce((sum, state) => sum + (state & STATE.drawn), 0));
