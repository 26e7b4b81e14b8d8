// What the page shows: everything that a user can choose, and what follows from it. Views read signals and call the
// functions here; no view calls another.
import { batch, computed, effect, signal } from "@preact/signals";
import { classImages, loadClasses } from "../data/classes.ts";
import type { Reading } from "../data/facts.ts";
import { facts } from "../data/facts.ts";
import { images, imagesWhere } from "../data/images.ts";
import type { Entry, Level } from "../data/levels.ts";
import { clusterImages, loadLevel } from "../data/levels.ts";
import type { Neighbors } from "../data/neighbors.ts";
import { loadNeighbors } from "../data/neighbors.ts";
import type { Theme } from "../theme.ts";
import { themeShown } from "../theme.ts";

/** Why the page cannot be shown, or a part of it. */
export const failure = signal<string | null>(null);
export const fail = (error: unknown): void => {
  failure.value = error instanceof Error ? error.message : String(error);
};

export const theme = signal<Theme>(themeShown());

// ---- what is compared

export const levelNumber = signal(0);
export const reading = signal<Reading>("as-is");
export const pair = signal(0);
/** The dataset that outliers are marked against; -1 for any. */
export const reference = signal(-1);

let isReadingChosen = false;

/** Shows a level, a pair or a reading. Until a reading is chosen, each pair is shown in its own. */
export const show = (change: { level?: number; pair?: number; reading?: Reading }): void => batch(() => {
  if (change.level !== undefined) levelNumber.value = change.level;
  if (change.reading !== undefined) {
    reading.value = change.reading;
    isReadingChosen = true;
  }
  if (change.pair !== undefined && change.pair !== pair.value) {
    pair.value = change.pair;
    if (!isReadingChosen) reading.value = facts.openings[change.pair].reading;
  }
});

/** The level that is shown, in the reading that is shown; null until it is loaded. */
export const level = signal<Level | null>(null);

/** The entries of the level's lists, against `reference`. */
export const entriesMarked = computed((): Entry[] => (level.value?.lists ?? [])
  .filter(({ pair: own }) => reference.value === -1 || facts.pairs[own][1] === reference.value).flatMap(({ entries }) => entries));

/** What listed images there are at the level, against `reference`. */
export const listed = computed(() => new Set(entriesMarked.value.map(({ image }) => image)));

// ---- one image

/** The image that stands beside the map. */
export const pinned = signal<number | null>(null);
export const pin = (image: number | null): void => {
  pinned.value = image;
};

/** The nearest images at the level; loaded when an image is first pinned, since most visits to a level need none. */
export const neighbors = signal<Neighbors | null>(null);

// ---- the selection

/** Several images, chosen in any way: one selection for map, grid, charts and exports. */
export interface Selection {
  images: ReadonlySet<number>;
  /** How it was chosen, in words, such as `search "fog"`. */
  label: string;
  /** The kind that it is; null if it is none. */
  kind: number | null;
  /** The level and the cluster that it is; null if it is none. */
  cluster: { level: number; cluster: number } | null;
  /** The name of the class that it is; null if it is none. */
  className: string | null;
}

const NOTHING: Selection = { images: new Set(), label: "", kind: null, cluster: null, className: null };
export const selection = signal<Selection>(NOTHING);
export const selectedKind = computed(() => selection.value.kind);

export type How = "replace" | "add" | "remove";

/** Changes the selection; the label of a mixed one says so. */
export const select = (chosen: Iterable<number>, label: string, how: How = "replace"): void => {
  const before = how === "replace" ? NOTHING : selection.value;
  const own = new Set(before.images);
  for (const image of chosen) {
    if (how === "remove") own.delete(image);
    else own.add(image);
  }
  const kept = how === "remove" || before.label === label ? before.label : `${before.label} and ${label}`;
  selection.value = own.size ? { ...NOTHING, images: own, label: before.images.size ? kept : label } : NOTHING;
  scope.value = own.size ? "selected" : "listed";
};

export const clearSelection = (): void => select([], "");

/** Selects the images of a kind. */
export const markKind = (kind: number): void => batch(() => {
  const { id, name } = facts.kinds[kind];
  select(imagesWhere((image) => images.kind[image] === kind), `kind ${id}, ${name}`);
  selection.value = { ...selection.value, kind };
});

/** Selects the images of a kind, and shows where most of it is listed; a second time, clears the selection. */
export const selectKind = (kind: number): void => batch(() => {
  if (selectedKind.value === kind) {
    clearSelection();
    return;
  }
  const { pair: ofKind, level: at, reading: seen } = facts.kinds[kind];
  show({ level: at, pair: ofKind, reading: seen });
  markKind(kind);
});

/** Selects a cluster of a level. */
export const markCluster = (number: number, cluster: number): void => {
  loadLevel(number, reading.peek()).then((own) => batch(() => {
    select(clusterImages(own, cluster), `cluster ${cluster} at ${facts.levels[number].name}`);
    if (selection.value.images.size) selection.value = { ...selection.value, cluster: { level: number, cluster } };
  })).catch(fail);
};

/** Selects a cluster of the level that is shown; a second time, clears the selection. */
export const selectCluster = (cluster: number): void => {
  const before = selection.value.cluster;
  if (before?.level === levelNumber.value && before.cluster === cluster) clearSelection();
  else markCluster(levelNumber.value, cluster);
};

/** Selects the images of a class; nothing happens where there is no such class. */
export const markClass = (name: string): void => {
  loadClasses().then((classes) => batch(() => {
    const own = classImages(classes, classes.names.indexOf(name));
    if (!own.length) return;
    select(own, `class ${name}`);
    selection.value = { ...selection.value, className: name };
  })).catch(fail);
};

/** Selects the images of a class; a second time, clears the selection. */
export const selectClass = (name: string): void => {
  if (selection.value.className === name) clearSelection();
  else markClass(name);
};

// ---- the grid

/** Which images the grid shows: those that the pair lists, the selection, or all. */
export type Scope = "listed" | "selected" | "all";
export const scope = signal<Scope>("listed");

// ---- the map

/** What the map is colored by: `dataset`, `score`, `cluster`, `kind`, or `column:` and a column's name. */
export const colorBy = signal("dataset");
/** The camera as text, as a link holds it; empty for the first view. */
export const camera = signal("");

// ---- what follows

const loadLevelShown = (): void => {
  const [number, own] = [levelNumber.value, reading.value];
  loadLevel(number, own).then((loaded) => {
    if (number !== levelNumber.peek() || own !== reading.peek()) return;
    level.value = loaded;
    document.body.dataset.level = String(number);
    document.body.dataset.reading = own;
  }).catch(fail);
};

/** Of which level `neighbors` are. */
let neighborsOf: Level | null = null;

const loadNeighborsShown = (): void => {
  const own = level.value;
  if (neighborsOf !== own) {
    neighborsOf = null;
    neighbors.value = null;
  }
  if (pinned.value === null || !own || neighborsOf === own) return;
  loadNeighbors(own.number, own.reading).then((loaded) => {
    if (level.peek() !== own) return;
    neighborsOf = own;
    neighbors.value = loaded;
  }).catch(fail);
};

/** Shows what the page opens with; called once, when facts and images are loaded. */
export const openState = (): void => {
  const opening = facts.openings.at(0);
  reading.value = opening?.reading ?? facts.readings[0];
  levelNumber.value = opening?.level ?? 0;
};

/** Begins to load what the choices need; called once, after all choices that a link holds. */
export const startState = (): void => {
  effect(loadLevelShown);
  effect(loadNeighborsShown);
};
