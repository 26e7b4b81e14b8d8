// The images on the page, by their number: the most important come first.
import { facts } from "./facts.ts";
import type { Reading } from "./facts.ts";
import { decodeArray, loadData } from "./load.ts";

interface ImagesData {
  dataset: string;
  row: string;
  drawn: string;
  sizes: string;
  kind: string;
  group: string | null;
  groups: [string, number][];
  listed: Partial<Record<Reading, string>>;
  prefixes: string[];
  names: string[];
}

export interface Group {
  name: string;
  images: number;
}

export interface Images {
  count: number;
  dataset: Uint16Array;
  row: Uint32Array;
  /** 1 where the image is a point on the maps. */
  drawn: Uint8Array;
  /** Width and height of each picture on its tile; 0 where there is none. */
  sizes: Uint8Array;
  /** Number of an image's group, such as its clip, in `groups`; -1 for none; null where images count one by one. */
  group: Int32Array | null;
  groups: Group[];
  /** Number of an image's kind; -1 for none. */
  kind: Int32Array;
  /** Per reading, a bit for every level that lists the image against any dataset. */
  listed: Partial<Record<Reading, Uint32Array>>;
  name: (image: number) => string;
  uri: (image: number) => string;
}

/** Set before anything is drawn. */
export let images: Images;

export const loadImages = async (): Promise<void> => {
  const data = await loadData<ImagesData>("images");
  const dataset = decodeArray(data.dataset, Uint16Array);
  images = {
    count: dataset.length,
    dataset,
    row: decodeArray(data.row, Uint32Array),
    drawn: decodeArray(data.drawn, Uint8Array),
    sizes: decodeArray(data.sizes, Uint8Array),
    group: data.group === null ? null : decodeArray(data.group, Int32Array),
    groups: data.groups.map(([name, count]) => ({ name, images: count })),
    kind: decodeArray(data.kind, Int32Array),
    listed: Object.fromEntries(
      Object.entries(data.listed).map(([reading, bits]) => [reading, decodeArray(bits, Uint32Array)])),
    name: (image) => data.names[image],
    uri: (image) => data.prefixes[dataset[image]] + data.names[image],
  };
};

export const groupOf = (image: number): Group | null => {
  const number = images.group?.[image] ?? -1;
  return number < 0 ? null : images.groups[number];
};

/** The end of a group's name, which often is a path. */
export const groupName = (group: Group): string => group.name.split("/").filter(Boolean).slice(-2).join("/");

let pictured: Set<number> | null = null;

/** Whether any image of a dataset has a picture; vectors may have come without. */
export const hasPictures = (dataset: number): boolean => {
  pictured ??= new Set(images.dataset.filter((_, image) => images.sizes[2 * image] > 0));
  return pictured.has(dataset);
};

/** What counts as one in a dataset, in the plural where there are several. */
export const unit = (dataset: number, count: number): string => (
  count === 1 ? facts.datasets[dataset].unit : `${facts.datasets[dataset].unit}s`);

export const rowUnits = (dataset: number): string => `${facts.datasets[dataset].rowUnit}s`;

/** The images for which `holds` is true. */
export const imagesWhere = (holds: (image: number) => boolean): number[] => {
  const found = [];
  for (let image = 0; image < images.count; image++) if (holds(image)) found.push(image);
  return found;
};

/** The pairs whose query is an image's dataset. */
export const pairsOfQuery = (image: number): number[] => (
  facts.pairs.flatMap(([query], pair) => (query === images.dataset[image] ? [pair] : [])));

let indices: Int32Array | undefined;

/** The number of an image among those of its dataset. */
export const indexInDataset = (image: number): number => {
  if (!indices) {
    const counts = facts.datasets.map(() => 0);
    indices = Int32Array.from(images.dataset, (dataset) => counts[dataset]++);
  }
  return indices[image];
};
