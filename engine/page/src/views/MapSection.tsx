// The map, its legend and its tools.
import { effect, signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { facts } from "../data/facts.ts";
import { images } from "../data/images.ts";
import { formatCount, formatImages, formatPercent } from "../format.ts";
import type { Axis } from "../map/camera.ts";
import { DEFAULT_CAMERA, cameraFromText, cameraToText, lookAlong } from "../map/camera.ts";
import { controlMap } from "../map/controls.ts";
import type { Place } from "../map/polygon.ts";
import type { MapTheme } from "../map/renderer.ts";
import { MapRenderer } from "../map/renderer.ts";
import { isMotionReduced } from "../motion.ts";
import { coloring } from "../state/coloring.ts";
import { pointStates, pointsShown } from "../state/look.ts";
import { camera, fail, level, levelNumber, pin, reading, select, selection, theme } from "../state/state.ts";
import type { Theme } from "../theme.ts";
import { showTheme } from "../theme.ts";
import { ColorChoice, ColorKey, Legend } from "./Legend.tsx";
import { Search } from "./Search.tsx";
import { SelectionBar } from "./SelectionBar.tsx";
import { Word } from "./Word.tsx";
import { Area, drawing } from "./map/Area.tsx";
import { Hover, hovered } from "./map/Hover.tsx";
import { savePicture } from "./map/save.ts";

/** The map; null until it is drawn, and where the browser cannot draw it. */
export const renderer = signal<MapRenderer | null>(null);

/** Why there is no map; null where there is one. */
const message = signal<string | null>(null);
const hint = signal<string | null>(null);

const HINT_TIME = 2200;
/** After so many milliseconds without a move, the camera is where the user wants it. */
const CAMERA_PAUSE = 200;

const mapTheme = (shown: Theme): MapTheme => {
  // The colors are the style sheet's, which goes by the theme that is shown.
  showTheme(shown);
  const style = getComputedStyle(document.documentElement);
  const hex = (name: string): string => style.getPropertyValue(name).trim();
  return {
    ground: hex("--surface"), grid: hex("--grid"), outlier: hex("--mark"), selected: hex("--selection"), neighbor: hex("--text"), pinned: hex("--text"),
  };
};

const datasetShapes = (): Uint8Array => Uint8Array.from(images.dataset);

// Draws whatever changes; returns how to stop.
const follow = (own: MapRenderer): (() => void) => {
  let isFirst = true;
  const stops = [
    effect(() => {
      if (!level.value) return;
      own.setPoints(level.value.points, !isFirst && !isMotionReduced());
      isFirst = false;
    }),
    effect(() => {
      const { rgb } = coloring.value;
      const color = new Uint8Array(4 * images.count).fill(255);
      for (let image = 0; image < images.count; image++) color.set(rgb.subarray(3 * image, 3 * image + 3), 4 * image);
      own.setLook({ color });
    }),
    effect(() => own.setLook({ state: pointStates.value })),
    effect(() => { own.theme = mapTheme(theme.value); }),
    effect(() => {
      if (camera.value !== cameraToText(own.camera)) own.camera = cameraFromText(camera.value);
    }),
  ];
  return () => stops.forEach((stop) => stop());
};

const startMap = (canvas: HTMLCanvasElement): (() => void) => {
  let own: MapRenderer;
  try {
    own = new MapRenderer(canvas, {
      onContext: (isThere) => { message.value = isThere ? null : "The browser has released the 3-D map's graphics memory. Reload the page to see the map again."; },
    });
  } catch (error) {
    message.value = error instanceof Error ? error.message : String(error);
    return () => undefined;
  }
  own.setLook({ shape: datasetShapes() });
  let [pause, fade] = [0, 0];
  const stopControls = controlMap(canvas, own, {
    onHover: (image, place) => {
      const box = canvas.getBoundingClientRect();
      hovered.value = image === null ? null : { image, x: box.left + place.x, y: box.top + place.y };
    },
    onPin: (image, event) => {
      hovered.value = null;
      if (image === null) return;
      if (event.shiftKey) select([image], images.name(image), selection.value.images.has(image) ? "remove" : "add");
      else pin(image);
    },
    onCamera: () => {
      hovered.value = null;
      clearTimeout(pause);
      pause = window.setTimeout(() => { camera.value = cameraToText(own.camera); }, CAMERA_PAUSE);
    },
    onWheelIgnored: () => {
      hint.value = "To zoom, click the map first, or hold Ctrl";
      clearTimeout(fade);
      fade = window.setTimeout(() => { hint.value = null; }, HINT_TIME);
    },
  });
  const stopFollowing = follow(own);
  renderer.value = own;
  return () => {
    stopFollowing();
    stopControls();
    own.destroy();
    renderer.value = null;
  };
};

const Canvas = (): JSX.Element => {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => startMap(canvas.current!), []);
  const label = `3-D map of ${formatImages(pointsShown.value)} at ${facts.levels[levelNumber.value].name}. Shift and the arrow keys turn it, plus and minus zoom. The grid below shows the same images and needs no mouse.`;
  const onRegion = (region: Place[], event: PointerEvent): void => {
    const found = renderer.value?.imagesIn(region) ?? [];
    if (found.length) select(found, "a region of the map", event.altKey ? "remove" : event.shiftKey ? "add" : "replace");
  };
  return (
    <div class="canvas">
      <canvas ref={canvas} id="map" role="application" aria-label={label} hidden={message.value !== null} />
      <Area onRegion={onRegion} />
      <p id="map-hint" class={hint.value === null ? "" : "shown"} aria-hidden="true">{hint.value}</p>
      {message.value === null ? null : <p id="map-message" role="status">{message.value}</p>}
    </div>);
};

const VIEWS: { label: string; title: string; axis: Axis | null }[] = [
  { label: "3-D", title: "In perspective (key P)", axis: null },
  { label: "X", title: "Flat, along the first axis (key X)", axis: "x" },
  { label: "Y", title: "Flat, along the second axis (key Y)", axis: "y" },
  { label: "Z", title: "Flat, from above (key Z)", axis: "z" },
];

const Tools = (): JSX.Element => {
  const own = renderer.value;
  const draw = (how: "lasso" | "box"): void => { drawing.value = drawing.value === how ? null : how; };
  const save = (kind: "png" | "svg"): void => { if (own) savePicture(own, kind).catch(fail); };
  const look = (axis: Axis | null): void => { camera.value = axis === null ? "" : cameraToText(lookAlong(axis)); };
  const isViewed = (axis: Axis | null): boolean => (axis === null ? !camera.value.endsWith("flat") : camera.value === cameraToText(lookAlong(axis)));
  return (
    <div class="tools">
      <ColorChoice />
      <Search />
      {own === null ? null : (
        <>
          <span class="joined" role="group" aria-label="Select a region">
            <button type="button" id="lasso" class="plain" aria-pressed={drawing.value === "lasso"} onClick={() => draw("lasso")}>Lasso</button>
            <button type="button" id="select-area" class="plain" aria-pressed={drawing.value === "box"} onClick={() => draw("box")}>Box</button>
          </span>
          <span class="joined" role="group" aria-label="View">
            {VIEWS.map(({ label, title, axis }) => (
              <button key={label} type="button" class="plain" data-view={axis ?? "3d"} title={title} aria-pressed={isViewed(axis)} onClick={() => look(axis)}>{label}</button>))}
            <button type="button" id="reset" class="plain" title="The view that the page begins with (key 0)" onClick={() => { own.camera = DEFAULT_CAMERA; camera.value = ""; }}>Reset</button>
          </span>
          <span class="joined" role="group" aria-label="Save picture">
            <button type="button" id="save" class="plain" title="Save the map as a picture, with title and legend" onClick={() => save("png")}>Save PNG</button>
            <button type="button" id="save-svg" class="plain" title="Save the map as vectors, with title and legend" onClick={() => save("svg")}>SVG</button>
          </span>
        </>)}
    </div>);
};

const Note = (): JSX.Element => {
  const { trustworthiness, neighbor_recall: recall } = facts.layouts[levelNumber.value];
  const { images: pictures, wanted, bytes } = facts.tiles;
  const outliers = facts.outliersDrawn < facts.outliers
    ? ` ${formatCount(facts.outliersDrawn)} of ${formatCount(facts.outliers)} listed outliers are drawn, the best-ranked ones first.` : " All listed outliers are drawn.";
  return (
    <p id="map-note" class="quiet">
      {facts.drawn === facts.placed
        ? `Drawn: all ${formatImages(facts.placed)}. The map's axes have no unit; nearby points are similar images.`
        : `Drawn: ${formatCount(facts.drawn)} of ${formatImages(facts.placed)}.${outliers} The others are a random sample, the same on every level.`}
      {reading.value === "style-aside" ? " The map is of the images as they are; style aside changes what is marked on it." : ""}
      {" "}Where many images lie, points are stronger in color.
      {trustworthiness === undefined ? null : <> <Word id="trustworthiness">Trustworthiness</Word> of this map: {trustworthiness.toFixed(2)} of 1.</>}
      {recall === undefined ? null : <> <Word id="neighbor-recall">{formatPercent(recall)} of an image's nearest neighbors</Word> are also its nearest neighbors on the map.</>}
      {wanted ? ` Thumbnails: ${pictures === wanted ? "" : `${formatCount(pictures)} of `}${formatCount(wanted)}, ${(bytes / 1e6).toFixed(1)} MB.` : " Without thumbnails."}
    </p>);
};

export const MapSection = (): JSX.Element => (
  <section class="plot" aria-labelledby="map-title">
    <h2 id="map-title" class="visually-hidden">Map</h2>
    <div class="plot-head">
      <Legend />
      <Tools />
    </div>
    <ColorKey />
    <Canvas />
    <SelectionBar />
    <Note />
    <Hover />
  </section>);
