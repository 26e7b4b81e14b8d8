// What the grid of pictures shows, and in which order.
import { batch, computed, effect, signal } from "@preact/signals";
import { columnNumber, facts } from "../data/facts.ts";
import { MISSING, OTHER } from "../data/columns.ts";
import { groupOf, images } from "../data/images.ts";
import type { Neighbors } from "../data/neighbors.ts";
import { loadNeighbors } from "../data/neighbors.ts";
import { columnValues, passing, wantColumn } from "./filters.ts";
import { like } from "./like.ts";
import { distanceAgainst, entryOf, judgingPairs, scoreAgainst } from "./standing.ts";
import type { How } from "./state.ts";
import { fail, level, levelNumber, pair, reading, scope, select, selection } from "./state.ts";

/** `column:` and a column's name, or one of the others. */
export type Sort = "rank" | "score" | "nearest" | "likeness" | "name" | "dataset" | `column:${string}`;

const chosenSort = signal<Sort | null>(null);
const isTurned = signal(false);

/** What the grid is sorted by: until one is chosen, what was found to be like an image by distance, all else by rank. */
export const sort = computed((): Sort => {
  const isFound = scope.value === "selected" && like.value !== null;
  const chosen = chosenSort.value ?? (isFound ? "likeness" : "rank");
  return chosen === "likeness" && !isFound ? "rank" : chosen;
});

/** Whether large values come first. */
export const isDescending = computed(() => (sort.value === "score") !== isTurned.value);

/** Sorts the grid, the way that is usual for the sort first. */
export const sortBy = (chosen: Sort): void => batch(() => {
  chosenSort.value = chosen;
  isTurned.value = false;
  if (chosen.startsWith("column:")) wantColumn(chosen.slice("column:".length));
});
export const turnSort = (): void => {
  isTurned.value = !isTurned.value;
};

const SORTS: readonly string[] = ["rank", "score", "nearest", "name", "dataset"];
const isSort = (text: string): text is Sort => (
  SORTS.includes(text) || (text.startsWith("column:") && columnNumber(text.slice("column:".length)) >= 0));

/** The sort that was chosen, as a link holds it, with a minus where it is turned; empty where none was. */
export const sortText = computed((): string => {
  const chosen = chosenSort.value === "likeness" ? null : chosenSort.value;
  return `${isTurned.value ? "-" : ""}${chosen ?? ""}`;
});

/** Sorts as `sortText` says; what is no sort, as if none was chosen. */
export const sortAsText = (text: string): void => batch(() => {
  const chosen = text.replace(/^-/, "");
  chosenSort.value = null;
  if (isSort(chosen)) sortBy(chosen);
  isTurned.value = text.startsWith("-");
});

export const SIZES = { small: 84, medium: 132, large: 224 } as const;
export type Size = keyof typeof SIZES;
export const size = signal<Size>("medium");

/** The column whose values the grid counts; null for none. */
export const countedColumn = signal<string | null>(null);

/** The neighbors at the level; loaded when the grid is first sorted by distance. */
export const nearShown = signal<Neighbors | null>(null);

// ---- which images

/** Whether the pair has no list at the level, but an order of its images. */
export const isRanking = computed(() => {
  const own = level.value;
  return !!own?.lists.length && !own.lists[pair.value].total && own.rankings[pair.value].image.length > 0;
});

/** What the pair lists or, where it lists nothing, ranks; best first. */
const ofPair = computed((): number[] => {
  const own = level.value;
  if (!own?.lists.length) return [];
  return isRanking.value ? [...own.rankings[pair.value].image] : own.lists[pair.value].entries.map(({ image }) => image);
});

const inScope = computed((): number[] => {
  if (scope.value === "listed") return ofPair.value;
  return scope.value === "selected" ? [...selection.value.images] : Array.from(images.dataset.keys());
});

/** How many images the scope has, those that do not pass the filters among them. */
export const scopeSize = computed(() => inScope.value.length);

/** How many images each scope shows. */
export const scopeCounts = computed(() => {
  const passes = (some: Iterable<number>): number => {
    let count = 0;
    for (const image of some) count += passing.value[image];
    return count;
  };
  return { listed: passes(ofPair.value), selected: passes(selection.value.images), all: passes(images.dataset.keys()) };
});

// ---- in which order

let places: Float64Array | undefined;
// The place of each image in the order of names, where 10 comes after 9.
const namePlaces = (): Float64Array => {
  if (!places) {
    const { compare } = new Intl.Collator("en", { numeric: true });
    const order = Array.from(images.dataset.keys()).sort((a, b) => compare(images.name(a), images.name(b)) || a - b);
    places = new Float64Array(images.count);
    order.forEach((image, place) => { places![image] = place; });
  }
  return places;
};

const columnKey = (name: string): (image: number) => number => {
  const values = columnValues.value.get(name);
  const head = facts.columns.at(columnNumber(name));
  if (!values || !head) return () => NaN;
  if (head.kind === "number") return (image) => values[image];
  const order = [...head.texts.keys()].sort((a, b) => head.texts[a].localeCompare(head.texts[b], "en", { numeric: true }));
  const place = new Map(order.map((code, at) => [code, at]));
  return (image) => (values[image] === MISSING ? NaN : values[image] === OTHER ? Infinity : place.get(values[image])!);
};

/** What an image is sorted by; NaN for nothing, which comes last. */
const sortKey = computed((): (image: number) => number => {
  const [own, pairs, by] = [level.value, judgingPairs(), sort.value];
  const judged = (image: number): number => pairs[images.dataset[image]];
  if (by.startsWith("column:")) return columnKey(by.slice("column:".length));
  if (by === "dataset") return (image) => images.dataset[image];
  if (by === "name") return (image) => namePlaces()[image];
  if (by === "likeness") return (image) => like.value?.distances.get(image) ?? NaN;
  if (!own) return () => NaN;
  if (by === "score") return (image) => scoreAgainst(own, judged(image), image);
  if (by === "nearest") return (image) => distanceAgainst(own, nearShown.value, judged(image), image);
  const inOrder = scope.value === "listed" ? new Map(ofPair.value.map((image, place) => [image, place])) : null;
  return (image) => inOrder?.get(image) ?? entryOf(own, judged(image), image)?.rank ?? NaN;
});

/** The images that the scope shows, in the order that is chosen. */
export const gridImages = computed((): number[] => {
  const shown = inScope.value.filter((image) => passing.value[image]);
  const key = sortKey.value;
  const [keys, rests] = [new Float64Array(images.count), new Float64Array(images.count)];
  const sign = isDescending.value ? -1 : 1;
  const [own, pairs] = [level.value, judgingPairs()];
  for (const image of shown) {
    keys[image] = key(image);
    // What is not listed has no rank; what stands out more comes first.
    if (sort.value !== "rank" || !own || !Number.isNaN(keys[image])) continue;
    const score = scoreAgainst(own, pairs[images.dataset[image]], image);
    rests[image] = Number.isNaN(score) ? -Infinity : score;
  }
  return shown.sort((a, b) => {
    const [first, second] = [keys[a], keys[b]];
    if (first < second) return -sign;
    if (first > second) return sign;
    const missing = Number(Number.isNaN(first)) - Number(Number.isNaN(second));
    if (missing) return missing;
    return rests[a] > rests[b] ? -1 : rests[a] < rests[b] ? 1 : a - b;
  });
});

// ---- stacks of groups

/** A cell of the grid. */
export interface Cell {
  image: number;
  /** The rank among what the pair lists, where a group counts as one; null where the scope has no such ranks. */
  rank: number | null;
  /** How many images of its group lie behind it; 0 for none. */
  behind: number;
  isOpen: boolean;
}

const openGroups = signal<ReadonlySet<number>>(new Set());

/** Shows the images behind the first of a group, or hides them. */
export const toggleGroup = (group: number): void => {
  const open = new Set(openGroups.value);
  if (!open.delete(group)) open.add(group);
  openGroups.value = open;
};

const groupNumber = (image: number): number => images.group?.[image] ?? -1;

/** The rank of each image that the pair lists or ranks; a group has the rank of its best image. */
const ranks = computed((): Map<number, number> => {
  const ofGroup = new Map<number, number>();
  const found = new Map<number, number>();
  const [own, ranking] = [level.value, isRanking.value];
  let groups = 0;
  ofPair.value.forEach((image, place) => {
    const group = groupNumber(image);
    if (!ofGroup.has(group) || group < 0) groups += 1;
    if (group >= 0 && !ofGroup.has(group)) ofGroup.set(group, groups);
    const single = ranking ? place + 1 : entryOf(own!, pair.value, image)?.rank ?? place + 1;
    found.set(image, group < 0 || ranking ? single : ofGroup.get(group)!);
  });
  return found;
});

/** The grid's cells in order: in the pair's list, one picture per group, with the others behind it. */
export const cells = computed((): Cell[] => {
  const cell = (image: number): Cell => ({ image, rank: null, behind: 0, isOpen: false });
  if (scope.value !== "listed") return gridImages.value.map(cell);
  const stacks = new Map<number, number[]>();
  for (const image of gridImages.value) {
    // A negative number is a stack of its own.
    const group = groupNumber(image) >= 0 && !isRanking.value ? groupNumber(image) : -1 - image;
    const stack = stacks.get(group);
    if (stack) stack.push(image);
    else stacks.set(group, [image]);
  }
  return [...stacks].flatMap(([group, [first, ...behind]]): Cell[] => {
    const isOpen = openGroups.value.has(group);
    const ranked = (image: number): Cell => ({ ...cell(image), rank: ranks.value.get(image) ?? null });
    return [{ ...ranked(first), behind: behind.length, isOpen }, ...(isOpen ? behind.map(ranked) : [])];
  });
});

/** Whether any of the cells has others behind it. */
export const hasStacks = computed(() => scope.value === "listed" && !isRanking.value
  && ofPair.value.some((image) => (groupOf(image)?.images ?? 0) > 1));

// ---- the selection, from within the grid

// The grid stays at what it shows.
const selectHere = (some: readonly number[], label: string, how: How): void => batch(() => {
  const before = scope.value;
  select(some, label, how);
  scope.value = before;
});

/** Selects images of the grid or takes them out of the selection. */
export const tick = (some: readonly number[], isTicked: boolean): void => selectHere(some, "by hand", isTicked ? "add" : "remove");

/** Selects all images that the grid shows. */
export const selectShown = (): void => {
  const label = scope.value === "listed" ? `listed at ${facts.levels[levelNumber.value].name}` : "all shown";
  selectHere(gridImages.value, label, "replace");
};

const listShown = computed(() => [levelNumber.value, reading.value, pair.value].join(" "));

/** Begins to load what the grid needs; called once, when the facts are loaded. */
export const startGrid = (): void => {
  countedColumn.value = facts.columns.find((column) => column.kind === "text")?.name ?? null;
  effect(() => {
    if (sort.value !== "nearest") return;
    const [number, own] = [levelNumber.value, reading.value];
    nearShown.value = null;
    loadNeighbors(number, own).then((loaded) => {
      if (number === levelNumber.peek() && own === reading.peek()) nearShown.value = loaded;
    }).catch(fail);
  });
  // A group that was opened in one list is closed in the next.
  listShown.subscribe(() => {
    openGroups.value = new Set();
  });
};
