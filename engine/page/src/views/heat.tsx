// Heat maps over pictures, their switch and their legend.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { facts } from "../data/facts.ts";
import type { HeatMaps } from "../data/heat.ts";
import { heatColor, hottest, hottestPlace, loadHeatMaps, squareSeen } from "../data/heat.ts";
import { images } from "../data/images.ts";
import { formatShort } from "../format.ts";
import { fail } from "../state/state.ts";
import { Tag } from "./Picture.tsx";
import { Word } from "./Word.tsx";

/** The heat maps; null until one is wanted. */
export const heatMaps = signal<HeatMaps | null>(null);

const whenLoaded = (then: () => void): void => {
  loadHeatMaps().then((maps) => {
    heatMaps.value = maps;
    then();
  }).catch(fail);
};

/** What a heat map shows: against a pair's reference, at a level, with the strongest color for `full`. */
export interface Heat {
  pair: number;
  level: number;
  full: number;
}

/** A heat map of some pictures; the hottest place of all has the strongest color. */
const heatOf = (maps: HeatMaps, own: readonly number[], pair: number, level: number): Heat => (
  { pair, level, full: hottest(maps, own, pair, level) });

interface HeatCanvasProps {
  image: number;
  heat: Heat;
  /** Width and height of the picture below, in any unit. */
  size?: readonly [number, number];
}

/** An image's heat map, to be put over its picture; nothing where it has none. */
export const HeatCanvas = ({ image, heat: { pair, level, full }, size }: HeatCanvasProps): JSX.Element | null => {
  const canvas = useRef<HTMLCanvasElement>(null);
  const maps = heatMaps.value;
  const map = maps?.map(image, pair, level) ?? null;
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!map || !context) return;
    const pixels = context.createImageData(map.side, map.side);
    map.parts.forEach((part, place) => pixels.data.set(heatColor((part * map.top) / 255, full), 4 * place));
    context.putImageData(pixels, 0, 0);
  }, [maps, image, pair, level, full]);
  const [width, height] = size ?? [images.sizes[2 * image], images.sizes[2 * image + 1]];
  if (!map || !width) return null;
  const [left, top, across, down] = squareSeen(width, height);
  return (
    <canvas
      ref={canvas} class="heat" width={map.side} height={map.side} role="img"
      aria-label={`Heat map of ${images.name(image)} at ${facts.levels[level].name}, hottest at the ${hottestPlace(map)}`}
      style={{ left: `${left}%`, top: `${top}%`, width: `${across}%`, height: `${down}%` }}
    />);
};

interface HeatSwitchProps {
  label: string;
  /** The level that is shown; null while none is. */
  shown: number | null;
  /** The level that points best, which is shown first; null where that is not known yet. */
  opens: number | null;
  choose: (level: number | null) => void;
}

const HeatSwitch = ({ label, shown, opens, choose }: HeatSwitchProps): JSX.Element => (
  <div class="heat-switch" role="group" aria-label={label}>
    <button
      type="button" class="plain" data-heat={label} aria-pressed={shown !== null}
      onClick={() => (shown === null ? whenLoaded(() => choose(opens)) : choose(null))}
    >Where?</button>
    {shown === null ? null : facts.heatMaps!.levels.map((level) => (
      <button
        key={level} type="button" class="plain" data-heat-level={level} aria-pressed={level === shown}
        title={level === opens ? "Points best" : undefined} onClick={() => choose(level)}
      >{facts.levels[level].name}{level === opens ? " ★" : ""}</button>))}
  </div>);

/** What the colors mean, how far to trust them, and why some of the pictures have none. */
const HeatLegend = ({ heat: { pair, level, full }, pictures }: { heat: Heat; pictures: readonly number[] }): JSX.Element => {
  const { levels, pointing } = facts.heatMaps!;
  const maps = heatMaps.value!;
  const without = pictures.find((image) => image >= 0 && maps.opens(image, pair) === null);
  return (
    <div class="heat-legend quiet">
      <p>
        Usual in <Tag dataset={facts.pairs[pair][1]} /><span class="heat-ramp" aria-hidden="true" />
        {formatShort(full)} times as unlike as 1 in 100 of its places
      </p>
      <p>
        <Word id="heat-map">Unlike, not wrong.</Word> {facts.levels[level].name} points at pasted test squares with{" "}
        <Word id="auc">AUC</Word> {pointing[pair].at(levels.indexOf(level))?.toFixed(2) ?? "–"} (0.5 is chance, 1 is exact).
      </p>
      {without === undefined ? null : <p>Its other pictures have no heat map: <bdi>{maps.reason(without, [pair])}</bdi>.</p>}
    </div>);
};

// ---- of a kind

/** The level at which a kind's heat maps are shown, by its number. */
const ofKinds = signal<ReadonlyMap<number, number>>(new Map());

/** The heat of a kind's pictures; null while it is switched off. */
export const kindHeat = (number: number): Heat | null => {
  const level = ofKinds.value.get(number);
  if (level === undefined || !heatMaps.value) return null;
  const { pictures, pair } = facts.kinds[number];
  return heatOf(heatMaps.value, pictures.map(([image]) => image), pair, level);
};

/** The switch of a kind's heat maps, and their legend while they are shown. */
export const KindHeat = ({ number }: { number: number }): JSX.Element | null => {
  if (!facts.heatMaps) return null;
  const kind = facts.kinds[number];
  const { level: opens, reason } = facts.heatMaps.kinds[number];
  if (opens === null) return <p class="quiet caption">No heat maps: <bdi>{reason}</bdi></p>;
  const heat = kindHeat(number);
  const choose = (level: number | null): void => {
    const levels = new Map(ofKinds.value);
    if (level === null) levels.delete(number);
    else levels.set(number, level);
    ofKinds.value = levels;
  };
  return (
    <>
      <HeatSwitch label={`Where in the pictures of ${kind.id}`} shown={heat?.level ?? null} opens={opens} choose={choose} />
      {heat ? <HeatLegend heat={heat} pictures={kind.pictures.map(([image]) => image)} /> : null}
    </>);
};

// ---- of the pinned image

/** The level at which the pinned image's heat map is shown: null while it is off, "opens" for the one that points best. */
const ofPinned = signal<number | "opens" | null>(null);

const pinnedHeat = (image: number, pairs: readonly number[]): Heat | null => {
  const maps = heatMaps.value;
  const pair = maps ? pairs.find((own) => maps.opens(image, own) !== null) : undefined;
  if (ofPinned.value === null || !maps || pair === undefined) return null;
  return heatOf(maps, [image], pair, ofPinned.value === "opens" ? maps.opens(image, pair)! : ofPinned.value);
};

interface PinnedProps {
  image: number;
  /** Pairs whose query has the image; the first with a heat map is shown. */
  pairs: readonly number[];
}

/** The pinned image's heat map while it is switched on, to be put over its picture. */
export const HeatOver = ({ image, pairs, size }: PinnedProps & { size?: readonly [number, number] }): JSX.Element | null => {
  const heat = pinnedHeat(image, pairs);
  return heat ? <HeatCanvas image={image} heat={heat} {...(size ? { size } : {})} /> : null;
};

/** The switch of the pinned image's heat map, and the legend or the reason why there is none. */
export const PinnedHeat = ({ image, pairs }: PinnedProps): JSX.Element | null => {
  if (!facts.heatMaps?.levels.length || !pairs.length) return null;
  const heat = pinnedHeat(image, pairs);
  const isOn = ofPinned.value !== null && heatMaps.value !== null;
  const label = "Where in the pinned image";
  const choose = (level: number | null): void => { ofPinned.value = level; };
  if (heat) {
    return (
      <>
        <HeatSwitch label={label} shown={heat.level} opens={heatMaps.value!.opens(image, heat.pair)} choose={choose} />
        <HeatLegend heat={heat} pictures={[]} />
      </>);
  }
  return (
    <div class="heat-switch" role="group" aria-label={label}>
      <button
        type="button" class="plain" data-heat={label} aria-pressed={isOn}
        onClick={() => whenLoaded(() => { ofPinned.value = isOn ? null : "opens"; })}
      >Where?</button>
      {isOn ? <p class="quiet">No heat map: <bdi>{heatMaps.value!.reason(image, pairs)}</bdi></p> : null}
    </div>);
};
