// Counts for the charts that filters are set on: of images that pass all other filters, by dataset.
import { computed } from "@preact/signals";
import { useRef } from "preact/hooks";
import { facts } from "../../data/facts.ts";
import { images, imagesWhere } from "../../data/images.ts";
import { filtersSet, passing, passingExcept } from "../../state/filters.ts";
import { select, selection } from "../../state/state.ts";

/** By dataset, then by place on the chart. */
export interface Counts {
  shown: Uint32Array[];
  /** Those of `shown` that are selected. */
  selected: Uint32Array[];
  /** By dataset, how many images pass all other filters. */
  totals: number[];
}

const isSelected = computed((): Uint8Array => {
  const marks = new Uint8Array(images.count);
  for (const image of selection.value.images) marks[image] = 1;
  return marks;
});

const passingOthers = (filter: string): Uint8Array => (filtersSet.value.includes(filter) ? passingExcept(filter) : passing.value);

/**
 * Counts images by their places on a filter's chart.
 *
 * @param filter A name as in `filtersSet`.
 * @param places How many places the chart has.
 * @param placesOf Calls `count` with each place of an image.
 */
export const countPlaces = (filter: string, places: number, placesOf: (image: number, count: (place: number) => void) => void): Counts => {
  const empty = (): Uint32Array[] => facts.datasets.map(() => new Uint32Array(places));
  const counts: Counts = { shown: empty(), selected: empty(), totals: facts.datasets.map(() => 0) };
  const [passes, marks] = [passingOthers(filter), isSelected.value];
  let [dataset, mark] = [0, 0];
  const count = (place: number): void => {
    counts.shown[dataset][place] += 1;
    counts.selected[dataset][place] += mark;
  };
  for (let image = 0; image < images.count; image++) {
    if (!passes[image]) continue;
    [dataset, mark] = [images.dataset[image], marks[image]];
    counts.totals[dataset] += 1;
    placesOf(image, count);
  }
  return counts;
};

/** Returns what `count` returns; what it last returned while the chart is not near the window. */
export const useCounts = (isNear: boolean, count: () => Counts): Counts => {
  const last = useRef<Counts | null>(null);
  if (isNear || !last.current) last.current = count();
  return last.current;
};

/** The largest share of a dataset that any of the places has. */
export const largestShare = ({ shown, totals }: Counts, places: readonly number[]): number => (
  Math.max(0, ...shown.flatMap((own, dataset) => places.map((place) => own[place] / Math.max(1, totals[dataset])))));

/** Selects the images of a filter's chart that pass the other filters and for which `holds` is true; Shift adds them. */
export const selectPlaces = (filter: string, label: string, event: MouseEvent, holds: (image: number) => boolean): void => {
  const passes = passingOthers(filter);
  select(imagesWhere((image) => passes[image] === 1 && holds(image)), label, event.shiftKey ? "add" : "replace");
};
