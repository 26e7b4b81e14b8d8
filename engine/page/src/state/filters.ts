// Filters hold for map, grid and charts: an image that does not pass all of them is nowhere.
import { computed, effect, signal } from "@preact/signals";
import type { ColumnValues } from "../data/columns.ts";
import { loadColumn } from "../data/columns.ts";
import { columnText } from "../data/columnText.ts";
import { columnNumber, facts } from "../data/facts.ts";
import { images } from "../data/images.ts";
import { colorBy, entriesMarked, fail, listed, reading } from "./state.ts";

/** Texts by their codes, `MISSING` and `OTHER` among them; or a range, both ends included, with missing values or not. */
export type ColumnFilter =
  | { kind: "texts"; codes: ReadonlySet<number> }
  | { kind: "range"; low: number; high: number; missing: boolean };

export interface Filters {
  /** Parts of the legend that are switched off: 2 * dataset, and 2 * dataset + 1 for what is listed of it. */
  hidden: ReadonlySet<number>;
  /** At most this q in any list at the level; null for no limit. */
  maxQ: number | null;
  /** At most this rank in any list at the level; null for no limit. */
  maxRank: number | null;
  /** Listed at one of these levels, in the reading that is shown; null for no limit. */
  levels: ReadonlySet<number> | null;
  /** Of one of these kinds, -1 for none; null for no limit. */
  kinds: ReadonlySet<number> | null;
  /** By the column's name. */
  columns: ReadonlyMap<string, ColumnFilter>;
}

export const NO_FILTERS: Filters = { hidden: new Set(), maxQ: null, maxRank: null, levels: null, kinds: null, columns: new Map() };
export const filters = signal<Filters>(NO_FILTERS);

export const setFilters = (change: Partial<Filters>): void => {
  filters.value = { ...filters.value, ...change };
};

export const setColumnFilter = (name: string, filter: ColumnFilter | null): void => {
  const columns = new Map(filters.value.columns);
  if (filter) columns.set(name, filter);
  else columns.delete(name);
  setFilters({ columns });
};

/** The names of the filters that are set: `datasets`, `q`, `rank`, `levels`, `kinds`, and `column:` and a name. */
export const filtersSet = computed((): string[] => {
  const { hidden, maxQ, maxRank, levels, kinds, columns } = filters.value;
  return [
    ...(hidden.size ? ["datasets"] : []), ...(maxQ === null ? [] : ["q"]), ...(maxRank === null ? [] : ["rank"]),
    ...(levels ? ["levels"] : []), ...(kinds ? ["kinds"] : []), ...[...columns.keys()].map((name) => `column:${name}`),
  ];
});

/** Takes one of `filtersSet` back. */
export const clearFilter = (name: string): void => {
  if (name.startsWith("column:")) setColumnFilter(name.slice("column:".length), null);
  else setFilters({ [{ datasets: "hidden", q: "maxQ", rank: "maxRank" }[name] ?? name]: name === "datasets" ? new Set<number>() : null });
};

/** The values of the columns that are filtered, colored or drawn by, by name. */
export const columnValues = signal<ReadonlyMap<string, ColumnValues>>(new Map());

/** Loads a column's values into `columnValues`. */
export const wantColumn = (name: string): void => {
  const number = columnNumber(name);
  if (number < 0 || columnValues.peek().has(name)) return;
  loadColumn(number).then((values) => {
    columnValues.value = new Map([...columnValues.peek(), [name, values]]);
  }).catch(fail);
};

/** An image's value in the column called `name`, as text; null until the column is loaded. */
export const valueText = (image: number, name: string): string | null => {
  const values = columnValues.value.get(name);
  return values ? columnText(values[image], facts.columns[columnNumber(name)]) : null;
};

/** The best rank and the smallest q of each listed image at the level, against `reference`. */
const standing = computed(() => {
  const best = new Map<number, { rank: number; q: number }>();
  for (const { image, rank, q } of entriesMarked.value) {
    const before = best.get(image);
    best.set(image, { rank: Math.min(rank, before?.rank ?? rank), q: Math.min(q, before?.q ?? q) });
  }
  return best;
});

/** Returns whether an image's value passes a column's filter. */
export const passesColumn = (filter: ColumnFilter, values: ColumnValues): (image: number) => boolean => {
  if (filter.kind === "texts") return (image) => filter.codes.has(values[image]);
  // A value that was rounded to 32 bits is within a range whose ends are not, if it is within them rounded.
  const [low, high] = [filter.low, filter.high].map(values instanceof Float32Array ? Math.fround : Number);
  return (image) => (Number.isFinite(values[image]) ? values[image] >= low && values[image] <= high : filter.missing);
};

/**
 * Which images pass all filters but one, a 1 for each; `except` is a name in `filtersSet`, or empty.
 *
 * A chart that a filter is set on counts without that filter, so that what it leaves out can be chosen too.
 */
export const passingExcept = (except: string): Uint8Array => {
  const passing = new Uint8Array(images.count);
  const { hidden, maxQ, maxRank, levels, kinds, columns } = filters.value;
  const marked = listed.value;
  const bits = images.listed[reading.value];
  const wantedLevels = levels && except !== "levels" ? [...levels].reduce((mask, number) => mask | (1 << number), 0) : null;
  const limits = [except !== "q" ? maxQ : null, except !== "rank" ? maxRank : null] as const;
  const own = [...columns].flatMap(([name, filter]) => {
    const values = columnValues.value.get(name);
    return values && except !== `column:${name}` ? [passesColumn(filter, values)] : [];
  });
  for (let image = 0; image < images.count; image++) {
    if (hidden.size && except !== "datasets" && hidden.has(2 * images.dataset[image] + Number(marked.has(image)))) continue;
    if (kinds && except !== "kinds" && !kinds.has(images.kind[image])) continue;
    if (wantedLevels !== null && !((bits?.[image] ?? 0) & wantedLevels)) continue;
    if (limits[0] !== null || limits[1] !== null) {
      const stands = standing.value.get(image);
      if (!stands || stands.q > (limits[0] ?? Infinity) || stands.rank > (limits[1] ?? Infinity)) continue;
    }
    if (own.every((passes) => passes(image))) passing[image] = 1;
  }
  return passing;
};

/** Which images pass all filters, a 1 for each. */
export const passing = computed(() => passingExcept(""));

export const passingCount = computed(() => passing.value.reduce((sum, passes) => sum + passes, 0));

/** Begins to load the columns that filters and colors need; called once. */
export const startFilters = (): void => {
  effect(() => {
    for (const name of filters.value.columns.keys()) wantColumn(name);
    if (colorBy.value.startsWith("column:")) wantColumn(colorBy.value.slice("column:".length));
  });
};
