// What Python writes for the page besides one value per image: see page_data.py, kinds.py and words.py.
import { loadData } from "./load.ts";

export type Reading = "as-is" | "style-aside";
export type Format = "count" | "percent" | "number";

export interface Dataset {
  name: string;
  listed: number;
  read: number;
  rejected: number;
  groups: number | null;
  /** What counts as one, such as `clip`. */
  unit: string;
  /** What a row is: `image` or `object`. */
  rowUnit: string;
  /** How many were read, in words. */
  count: string;
  placed: number;
  drawn: number;
}

export interface LevelFacts {
  name: string;
  stride: number | null;
  /** What the level sees, in a word; null where levels have no order of scale. */
  word: string | null;
  /** About how many pixels of the network's square it sees at once. */
  patch: number | null;
}

/** Value, low, high, noise floor, whether it is beyond noise, and p. */
export type Cell = [number | null, number | null, number | null, number | null, boolean | null, number | null];

export interface NumbersTable {
  /** Name, label, format and help of each. */
  columns: [string, string, Format, string][];
  /** Per level, per pair, one value per column. */
  rows: (number | null)[][][];
}

export interface LevelChart {
  key: string;
  label: string;
  format: Format;
  help: string;
  /** Per level and pair. */
  rows: (Cell | null)[][];
}

export interface Histogram {
  edges: number[];
  query: number[];
  reference: number[];
}

export interface Opening {
  asIs: number;
  styleAside: number | null;
  reading: Reading;
  level: number;
  pictures: number[];
  isRanking: boolean;
}

export interface Kind {
  id: string;
  pair: number;
  sort: string;
  title: string;
  name: string;
  isNamed: boolean;
  count: string;
  share: string;
  levels: string;
  sure: string;
  advice: string;
  mirror: number | null;
  level: number;
  reading: Reading;
  comparedAt: number;
  /** Image, counterpart (-1 for none on the page), and the distance between them. */
  pictures: [number, number, number | null][];
  /** How many of the pictures are typical; the others are diverse. */
  typical: number;
  spacing: number;
  /** Per level: share of its images that is listed, and share of the reference that is lacking around it. */
  evidence: [number, number][];
}

export interface Word {
  id: string;
  term: string;
  also: string[];
  short: string;
  long: string;
}

export interface NumberColumn {
  name: string;
  kind: "number";
  /** "date" for seconds since 1970. */
  unit: string;
  /** Ends of the color scale, which a few extreme values do not move. */
  low: number;
  high: number;
  min: number;
  max: number;
  integer: boolean;
  missing: number;
}

export interface TextColumn {
  name: string;
  kind: "text";
  unit: string;
  /** The frequent ones first. */
  texts: string[];
  counts: number[];
  missing: number;
  /** Images whose text is too rare to be told apart. */
  other: number;
}

export type ColumnHead = NumberColumn | TextColumn;

export interface Confounders {
  auc: number | null;
  warning: string | null;
  /** Property, effect, value of the query, value of the reference, and unit. */
  rows: [string, number | null, string, string, string][];
}

export interface HeatMapFacts {
  levels: number[];
  kinds: { level: number | null; reason: string | null }[];
  /** Per pair and level in `levels`: the AUC with which it points at pasted squares. */
  pointing: number[][];
}

/** A probe of a level and reading: trained on the pair's reference, tested on its query. */
export interface Probe {
  trained: number;
  tested: number;
  accuracy: number;
  ceiling: number;
  chance: number;
  /** Accuracy / ceiling; null where the ceiling says nothing. */
  share: number | null;
  shareLow: number | null;
  shareHigh: number | null;
  /** How well outlier scores rank its errors. */
  errorsAuc: number | null;
  note: string;
}

export interface PairProbes {
  /** The level that the sentence is of; null where there is no probe, and the sentence says why. */
  level: number | null;
  sentence: string;
  /** By level. */
  levels: Partial<Record<Reading, Probe>>[];
}

/** A number of boxes, of the query and of the reference. */
export interface BoxNumber {
  name: string;
  label: string;
  help: string;
  of: "object" | "image";
  sentence: string;
  /** Of the difference, in words; empty where there are too few. */
  interval: string;
  beyond: boolean | null;
  /** Objects or images of query and reference. */
  counts: [number, number];
  /** What each bin is, in words. */
  bins: string[];
  /** Ends of the bins; empty where these are no ranges. */
  edges: number[];
  query: number[];
  reference: number[];
}

/** How often two classes are in one image. */
export interface Together {
  first: string;
  second: string;
  query: number;
  reference: number;
  difference: number;
  low: number | null;
  high: number | null;
  beyond_noise: boolean | null;
}

export interface PairBoxes {
  numbers: BoxNumber[];
  together: Together[];
  note: string;
}

export interface Facts {
  /** Name of the run's folder. */
  run: string;
  datasets: Dataset[];
  levels: LevelFacts[];
  /** Side of the square that the network sees, in pixels. */
  size: number;
  fit: "crop" | "pad" | "stretch";
  /** Query and reference of every ordered pair. */
  pairs: [number, number][];
  placed: number;
  drawn: number;
  outliers: number;
  outliersDrawn: number;
  palette: { light: string[]; dark: string[] };
  categories: { light: string[]; dark: string[] };
  fdr: number | null;
  /** File, first image, one past the last, side of a tile, tiles per row. */
  sheets: [string, number, number, number, number][];
  tiles: { images: number; bytes: number; wanted: number };
  k: number[];
  columns: ColumnHead[];
  readings: Reading[];
  numbers: Partial<Record<Reading, NumbersTable>>;
  charts: Partial<Record<Reading, LevelChart[]>>;
  histograms: Partial<Record<Reading, Histogram[][]>>;
  /** Per level and pair; empty lists without that reading. */
  styleAside: { basis: "calibrated" | "suggested" | "ranking"; content: number | null }[][];
  minContent: number;
  openings: Opening[];
  heads: [string, string][];
  limits: (string | null)[];
  groupNotes: string[];
  warnings: string[];
  confounders: (Confounders | null)[];
  clusters: { count: number; oneSided: [number, number, number, number, number[]][] }[];
  layouts: { trustworthiness?: number; neighbor_recall?: number }[];
  rejects: { counts: [number, string, number][]; rows: [number, string, string, string][] };
  provenance: [string, [string, string][]][];
  kinds: Kind[];
  looks: (string | null)[];
  kindSentences: string[];
  noKinds: string[];
  /** How many classes there are; null for a run without classes. */
  classes: number | null;
  /** Per pair. */
  probes: (PairProbes | null)[];
  boxes: (PairBoxes | null)[];
  /** Per pair, how many columns were looked at. */
  causes: number[];
  wanted: number[];
  /** Per pair, what its reference should have more of; null for nothing sure. */
  wantedSentences: (string | null)[];
  heatMaps: HeatMapFacts | null;
  words: Word[];
  created: string;
  version: string;
  /** Whether the page names images by their full paths. */
  paths: boolean;
  /** Whether the page can look for images like one. */
  like: boolean;
}

/** Set before anything is drawn. */
export let facts: Facts;

export const loadFacts = async (): Promise<void> => {
  facts = await loadData<Facts>("facts");
};

export const datasetName = (dataset: number): string => facts.datasets[dataset].name;

/** The column of the user's or of the files that is called `name`. */
export const columnNumber = (name: string): number => facts.columns.findIndex((column) => column.name === name);

/** The pair the other way round; -1 for none. */
export const reversed = (pair: number): number => facts.pairs.findIndex(([query, reference]) => (
  query === facts.pairs[pair][1] && reference === facts.pairs[pair][0]));

/** A pair and the pair the other way round, in the page's order. */
export const bothWays = (pair: number): number[] => (
  facts.pairs.length ? [pair, reversed(pair)].filter((other) => other >= 0).sort((a, b) => a - b) : []);
