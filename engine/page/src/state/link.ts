// The state of the page as the fragment of its address, so that what is seen can be sent as a link.
//
// Images are named by dataset and row, which are the same in every report of a run; columns and levels by their names.
import { batch, computed, effect, signal } from "@preact/signals";
import { MISSING, OTHER } from "../data/columns.ts";
import { columnNumber, facts } from "../data/facts.ts";
import type { Reading } from "../data/facts.ts";
import { images } from "../data/images.ts";
import { formatImages } from "../format.ts";
import { openColumn } from "./causes.ts";
import { classFind, classSortText, sortClassesAsText } from "./classes.ts";
import { giveColor, givenColors, takeColors } from "./coloring.ts";
import type { ColumnFilter, Filters } from "./filters.ts";
import { NO_FILTERS, filters } from "./filters.ts";
import { sortAsText, sortText } from "./grid.ts";
import * as state from "./state.ts";

/** Longer fragments are cut off by some programs that carry links. */
const LONGEST = 30_000;
/** After so many milliseconds without a change, the address follows. */
const PAUSE = 250;

/** What of a link could not be shown, in sentences. */
export const linkNotes = signal<string[]>([]);

// ---- rows of images, as gaps in base64

const packRows = (rows: number[]): string => {
  const bytes: number[] = [];
  let before = -1;
  for (const row of rows.sort((a, b) => a - b)) {
    let gap = row - before - 1;
    before = row;
    for (; gap > 127; gap = Math.floor(gap / 128)) bytes.push((gap % 128) + 128);
    bytes.push(gap);
  }
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};

const unpackRows = (text: string): number[] => {
  const rows: number[] = [];
  let [before, gap, power] = [-1, 0, 1];
  for (const character of atob(text.replaceAll("-", "+").replaceAll("_", "/"))) {
    const byte = character.charCodeAt(0);
    gap += (byte % 128) * power;
    power *= 128;
    if (byte > 127) continue;
    before += gap + 1;
    rows.push(before);
    [gap, power] = [0, 1];
  }
  return rows;
};

const packImages = (chosen: Iterable<number>): string => {
  const rows = facts.datasets.map((): number[] => []);
  for (const image of chosen) rows[images.dataset[image]].push(images.row[image]);
  return rows.flatMap((own, dataset) => (own.length ? [`${dataset}.${packRows(own)}`] : [])).join("~");
};

let numbers: Map<number, number>[] | undefined;

const imageOf = (dataset: number, row: number): number | undefined => {
  if (!numbers) {
    numbers = facts.datasets.map(() => new Map<number, number>());
    for (let image = 0; image < images.count; image++) numbers[images.dataset[image]].set(images.row[image], image);
  }
  return numbers.at(dataset)?.get(row);
};

// ---- filters

interface ColumnLink {
  column: string;
  in?: (string | null)[];
  other?: boolean;
  from?: number;
  to?: number;
  missing?: boolean;
}

const columnLink = (name: string, filter: ColumnFilter): ColumnLink => {
  if (filter.kind === "range") return { column: name, from: filter.low, to: filter.high, missing: filter.missing };
  const head = facts.columns[columnNumber(name)];
  const texts = head.kind === "text" ? head.texts : [];
  const codes = [...filter.codes];
  return {
    column: name, in: codes.filter((code) => code < texts.length).map((code) => texts[code]), other: codes.includes(OTHER),
    missing: codes.includes(MISSING),
  };
};

const columnFilter = (link: ColumnLink): [string, ColumnFilter] | null => {
  const number = columnNumber(link.column);
  if (number < 0) return null;
  const head = facts.columns[number];
  if (head.kind === "number") {
    if (typeof link.from !== "number" || typeof link.to !== "number") return null;
    return [link.column, { kind: "range", low: link.from, high: link.to, missing: link.missing === true }];
  }
  if (!Array.isArray(link.in)) return null;
  const codes = link.in.map((text) => head.texts.indexOf(String(text))).filter((code) => code >= 0);
  return [link.column, {
    kind: "texts", codes: new Set([...codes, ...(link.other ? [OTHER] : []), ...(link.missing ? [MISSING] : [])]),
  }];
};

// ---- the whole state

interface Opening {
  level: number;
  reading: Reading;
}
const opening = (): Opening => facts.openings.at(0) ?? { level: 0, reading: facts.readings[0] };

// The texts of the column that the map is colored by; null where it is colored by something else.
const coloredTexts = (): string[] | null => {
  const head = facts.columns.find(({ name }) => `column:${name}` === state.colorBy.value);
  return head?.kind === "text" ? head.texts : null;
};

/** The state as a fragment without its `#`; empty where the page is as it opens. */
export const linkText = computed((): string => {
  const link = new URLSearchParams();
  const set = (name: string, value: string | number, isDefault: boolean): void => {
    if (!isDefault) link.append(name, String(value));
  };
  const [levelNames, own] = [facts.levels.map(({ name }) => name), filters.value];
  set("level", levelNames[state.levelNumber.value], state.levelNumber.value === opening().level);
  set("reading", state.reading.value, state.reading.value === opening().reading);
  set("pair", state.pair.value, state.pair.value === 0);
  set("against", state.reference.value, state.reference.value === -1);
  set("color", state.colorBy.value, state.colorBy.value === "dataset");
  const colored = coloredTexts();
  if (colored) {
    const texts = givenColors().map((code) => colored[code]);
    set("colored", JSON.stringify(texts), texts.length === 0);
  }
  set("camera", state.camera.value, state.camera.value === "");
  set("hide", [...own.hidden].join("."), own.hidden.size === 0);
  set("q", own.maxQ ?? "", own.maxQ === null);
  set("rank", own.maxRank ?? "", own.maxRank === null);
  set("listed", [...own.levels ?? []].map((number) => levelNames[number]).join("~"), own.levels === null);
  set("kinds", [...own.kinds ?? []].map((kind) => (kind < 0 ? "none" : facts.kinds[kind].id)).join("~"), own.kinds === null);
  for (const [name, filter] of own.columns) set("where", JSON.stringify(columnLink(name, filter)), false);
  const pinned = state.pinned.value;
  set("pin", pinned === null ? "" : `${images.dataset[pinned]}.${images.row[pinned]}`, pinned === null);
  const { images: chosen, kind, cluster, className, label } = state.selection.value;
  if (kind !== null) set("kind", facts.kinds[kind].id, false);
  else if (cluster !== null) set("cluster", `${levelNames[cluster.level]}~${cluster.cluster}`, false);
  else if (className !== null) set("class", className, false);
  else if (chosen.size) {
    const packed = packImages(chosen);
    if (packed.length <= LONGEST) {
      set("select", packed, false);
      set("as", label, false);
    }
  }
  set("sort", sortText.value, sortText.value === "");
  set("classes", classSortText.value, classSortText.value === "");
  set("find-class", classFind.value, classFind.value === "");
  set("open", openColumn.value ?? "", openColumn.value === null);
  set("show", state.scope.value, state.scope.value === (chosen.size ? "selected" : "listed"));
  return link.toString();
});

/** Whether the selection is too large for a link. */
export const isSelectionTooLarge = computed((): boolean => {
  const { images: chosen, kind, cluster, className } = state.selection.value;
  return chosen.size > 0 && kind === null && cluster === null && className === null && !new URLSearchParams(linkText.value).has("select");
});

const numberIn = (text: string | null, end: number): number | null => {
  const number = text === null || text === "" ? NaN : Number(text);
  return Number.isInteger(number) && number >= 0 && number < end ? number : null;
};

const filtersOf = (link: URLSearchParams): Filters => {
  const names = (key: string): string[] | null => link.get(key)?.split("~") ?? null;
  const limit = (key: string): number | null => {
    const number = Number(link.get(key) ?? NaN);
    return Number.isFinite(number) ? number : null;
  };
  const columns = link.getAll("where").flatMap((text) => {
    const filter = columnFilter(JSON.parse(text) as ColumnLink);
    return filter ? [filter] : [];
  });
  const levels = names("listed")?.map((name) => facts.levels.findIndex((level) => level.name === name)).filter((at) => at >= 0);
  const kinds = names("kinds")?.map((id) => facts.kinds.findIndex((kind) => kind.id === id));
  const hidden = (link.get("hide") ?? "").split(".").map((text) => numberIn(text, 2 * facts.datasets.length));
  return {
    ...NO_FILTERS,
    hidden: new Set(hidden.filter((entry) => entry !== null)),
    maxQ: limit("q"), maxRank: limit("rank"),
    levels: levels ? new Set(levels) : null, kinds: kinds ? new Set(kinds) : null,
    columns: new Map(columns),
  };
};

// Returns what is selected and a note on what is not on the page.
const selectionOf = (text: string): { chosen: number[]; notes: string[] } => {
  const chosen: number[] = [];
  let wanted = 0;
  for (const part of text.split("~")) {
    const [dataset, packed] = part.split(".");
    for (const row of unpackRows(packed)) {
      wanted += 1;
      const image = imageOf(Number(dataset), row);
      if (image !== undefined) chosen.push(image);
    }
  }
  const lost = wanted - chosen.length;
  return { chosen, notes: lost ? [`Of the ${formatImages(wanted)} that the link selects, ${lost} ${lost === 1 ? "is" : "are"} not on this page.`] : [] };
};

const apply = (link: URLSearchParams): string[] => {
  const notes: string[] = [];
  const at = (all: readonly { name: string }[], key: string): number => {
    const name = link.get(key);
    const found = all.findIndex((own) => own.name === name);
    if (name !== null && found < 0) notes.push(`This report has no ${key} ${name}.`);
    return found;
  };
  const level = at(facts.levels, "level");
  state.levelNumber.value = level < 0 ? opening().level : level;
  const reading = facts.readings.find((own) => own === link.get("reading"));
  state.pair.value = 0;
  state.show({ pair: numberIn(link.get("pair"), facts.pairs.length) ?? 0, ...(reading ? { reading } : {}) });
  if (!reading) state.reading.value = opening().reading;
  state.reference.value = numberIn(link.get("against"), facts.datasets.length) ?? -1;
  const color = link.get("color") ?? "dataset";
  const isColor = ["dataset", "score", "cluster", "kind"].includes(color)
    || (color.startsWith("column:") && columnNumber(color.slice("column:".length)) >= 0);
  state.colorBy.value = isColor ? color : "dataset";
  takeColors();
  const [colored, given] = [coloredTexts(), JSON.parse(link.get("colored") ?? "[]") as unknown];
  if (colored && Array.isArray(given)) given.map((text) => colored.indexOf(String(text))).filter((code) => code >= 0).forEach(giveColor);
  state.camera.value = link.get("camera") ?? "";
  filters.value = filtersOf(link);
  const [dataset, row] = (link.get("pin") ?? ".").split(".");
  const pinned = row ? imageOf(Number(dataset), Number(row)) : null;
  if (pinned === undefined) notes.push("The image that the link pins is not on this page.");
  state.pin(pinned ?? null);

  state.clearSelection();
  const kind = facts.kinds.findIndex(({ id }) => id === link.get("kind"));
  const select = link.get("select");
  if (kind >= 0) state.markKind(kind);
  else if (link.has("cluster")) {
    const [name, cluster] = link.get("cluster")!.split("~");
    const ofLevel = facts.levels.findIndex((own) => own.name === name);
    if (ofLevel >= 0 && numberIn(cluster, Infinity) !== null) state.markCluster(ofLevel, Number(cluster));
  } else if (link.has("class")) {
    if (facts.classes) state.markClass(link.get("class")!);
  } else if (select) {
    const { chosen, notes: own } = selectionOf(select);
    state.select(chosen, link.get("as") ?? "link");
    notes.push(...own);
  }
  sortAsText(link.get("sort") ?? "");
  sortClassesAsText(link.get("classes") ?? "");
  classFind.value = link.get("find-class") ?? "";
  openColumn.value = link.get("open");
  const scope = link.get("show");
  if (scope === "listed" || scope === "selected" || scope === "all") state.scope.value = scope;
  return notes;
};

/** Shows the state that a fragment without its `#` holds; what it cannot show is told in `linkNotes`. */
export const applyLink = (text: string): void => batch(() => {
  try {
    linkNotes.value = apply(new URLSearchParams(text));
  } catch {
    // A link may have been cut off, or written by hand.
    linkNotes.value = ["A part of the link cannot be read: some of what it showed is not shown."];
  }
});

/** Whether the page has an address of its own; in the frame of a notebook it has none. */
export const hasAddress = typeof location === "undefined" || location.protocol !== "about:";

/** Shows what the address holds, and lets it follow the state from then on; called once. */
export const startLinks = (): void => {
  if (!hasAddress) return;
  const fragment = (): string => location.hash.slice(1);
  let written = fragment();
  if (written) applyLink(written);
  let timer = 0;
  effect(() => {
    const text = linkText.value;
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      // An address that was changed meanwhile is still to be shown.
      if (fragment() !== written) return;
      history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
      written = fragment();
    }, PAUSE);
  });
  addEventListener("hashchange", () => {
    if (fragment() === written) return;
    written = fragment();
    applyLink(written);
  });
};
