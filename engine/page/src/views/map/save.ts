// Saves the map as a picture, with what one must know to read it.
import { bothWays, datasetName, facts } from "../../data/facts.ts";
import { images } from "../../data/images.ts";
import { download } from "../../csv.ts";
import { formatCount, formatImages } from "../../format.ts";
import type { MapRenderer, VisiblePoint } from "../../map/renderer.ts";
import { shapePath } from "../../map/shapes.ts";
import { STATE } from "../../map/state.ts";
import { coloring, keyTexts } from "../../state/coloring.ts";
import { filtersSet } from "../../state/filters.ts";
import { pointStates } from "../../state/look.ts";
import { pair, reading, selection, levelNumber, colorBy } from "../../state/state.ts";
import { readingSuffix, shareListed, shareUnlike } from "../../data/numbers.ts";
import type { LegendEntry } from "../picture.ts";
import { drawPicture, pngFile, svgElement, svgFile } from "../picture.ts";

/** More points than these are one embedded picture in an SVG, since viewers choke on that many shapes. */
const MOST_SHAPES = 4000;
const SCALE = 2;

const variable = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const legend = (): LegendEntry[] => {
  const counts = facts.datasets.map(() => [0, 0]);
  pointStates.value.forEach((state, image) => {
    if (state & STATE.drawn) counts[images.dataset[image]][state & STATE.outlier ? 1 : 0] += 1;
  });
  return facts.datasets.flatMap(({ name }, dataset) => {
    const mark = { path: shapePath(dataset, 6), color: colorBy.value === "dataset" ? variable(`--dataset-${dataset}`) : variable("--quiet") };
    const [others, outliers] = counts[dataset];
    return [
      { ...mark, isListed: false, text: `${name} ${formatCount(others)}` },
      { ...mark, isListed: true, text: `${name}, outliers ${formatCount(outliers)}` },
    ];
  });
};

const notes = (): string[] => {
  const shown = bothWays(pair.value).map((own) => {
    const [query, reference] = facts.pairs[own].map(datasetName);
    const unlike = shareUnlike(levelNumber.value, own, reading.value);
    return `${query} against ${reference}: listed ${shareListed(levelNumber.value, own, reading.value)}${unlike ? `, not like the reference ${unlike}` : ""}.`;
  });
  const drawn = facts.drawn === facts.placed ? `All ${formatImages(facts.placed)}.` : `${formatCount(facts.drawn)} of ${formatImages(facts.placed)}.`;
  const filtered = filtersSet.value.length ? " Filters are set." : "";
  const selected = selection.value.images.size ? ` Selected: ${formatImages(selection.value.images.size)}, ${selection.value.label}.` : "";
  return [...shown, `${drawn}${filtered}${selected} The axes have no unit: nearby points are similar images.`,
    `gapscope ${facts.version} · run of ${facts.created.slice(0, 10)} · picture of ${new Date().toISOString().slice(0, 10)}`];
};

const drawPoint = (group: SVGGElement, point: VisiblePoint): void => {
  const [red, green, blue, opacity] = point.rgba;
  const mark = { d: shapePath(point.shape, point.radius, point.x, point.y), fill: `rgb(${red},${green},${blue})`, "fill-opacity": (opacity / 255).toFixed(2) };
  const ring = point.state & STATE.pinned ? "--text" : point.state & STATE.selected ? "--selection" : point.state & STATE.outlier ? "--mark" : null;
  group.append(svgElement("path", ring === null ? mark : { ...mark, stroke: variable(ring), "stroke-width": 1.2 }));
};

const subtitle = (): string => {
  const { key } = coloring.value;
  return [
    `Level ${facts.levels[levelNumber.value].name}${readingSuffix(reading.value)}`,
    ...(facts.pairs.length ? [facts.pairs[pair.value].map(datasetName).join(" against ")] : []),
    ...(key.kind === "dataset" ? [] : [`colored by ${key.name}`]),
  ].join("; ");
};

const write = async (renderer: MapRenderer, kind: "png" | "svg"): Promise<Blob | string> => {
  const { width: own, height: high } = renderer.size;
  const drawMap = (group: SVGGElement, width: number, height: number): void => {
    const points = kind === "svg" ? renderer.visiblePoints(width, height) : [];
    if (kind === "svg" && points.length <= MOST_SHAPES) {
      points.forEach((point) => drawPoint(group, point));
      return;
    }
    const picture = renderer.toImage(width, height, SCALE).toDataURL("image/png");
    group.append(svgElement("image", { href: picture, width, height }));
  };
  const picture = drawPicture({
    title: facts.datasets.map(({ name }) => name).join(facts.datasets.length === 2 ? " vs " : ", "),
    subtitle: subtitle(),
    legend: legend(), key: keyTexts.value, notes: notes(), drawMap, aspect: Math.max(own / high, 0.75),
    colors: { ground: variable("--surface"), text: variable("--text"), quiet: variable("--quiet"), ring: variable("--mark") },
  });
  return kind === "png" ? pngFile(picture, SCALE) : svgFile(picture);
};

/** Saves the map as it is seen now, light or dark as the page is. */
export const savePicture = async (renderer: MapRenderer, kind: "png" | "svg"): Promise<void> => {
  const name = `gapscope-${facts.levels[levelNumber.value].name}-${reading.value}.${kind}`;
  download(name, await write(renderer, kind), kind === "png" ? "image/png" : "image/svg+xml");
};
