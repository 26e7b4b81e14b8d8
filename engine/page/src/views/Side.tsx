// What stands beside the map: the pair in a few words, and the pinned image.
//
// Pinning never moves the map: the side scrolls by itself. On a telephone the pinned image is a sheet that comes up from
// below, and beside the grid it follows in a corner, so that one sees it without leaving the pictures.
import { computed, signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { scrollBehavior } from "../motion.ts";
import { pin, pinned } from "../state/state.ts";
import { PairSummary } from "./PairSummary.tsx";
import { altText } from "./Picture.tsx";
import { PinnedCard } from "./PinnedCard.tsx";

const narrow = matchMedia("(max-width: 700px)");
const isNarrow = signal(narrow.matches);
narrow.addEventListener("change", ({ matches }) => {
  isNarrow.value = matches;
});

const isSideSeen = signal(true);
const isGridSeen = signal(false);

/** Beside the map, in a corner over the grid, or as a sheet from below. */
const place = computed((): "side" | "corner" | "sheet" => {
  if (isNarrow.value) return "sheet";
  return isGridSeen.value && !isSideSeen.value ? "corner" : "side";
});

/** Follows whether the side and the grid are in the window. */
const watchPlaces = (): (() => void) => {
  const observer = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) (target.id === "side" ? isSideSeen : isGridSeen).value = isIntersecting;
  }, { rootMargin: "-120px 0px" });
  for (const id of ["side", "grid"]) {
    const element = document.getElementById(id);
    if (element) observer.observe(element);
  }
  return () => observer.disconnect();
};

/** Where the map was tapped last, in the window. */
let tapped: number | null = null;

/** Scrolls so that what was tapped is above the sheet. */
const uncover = (sheet: HTMLElement): void => {
  const covered = tapped === null ? 0 : tapped - (sheet.getBoundingClientRect().top - 40);
  tapped = null;
  if (covered > 0) scrollBy({ top: covered, behavior: scrollBehavior() });
};

const Handle = ({ sheet }: { sheet: { current: HTMLElement | null } }): JSX.Element => {
  const start = useRef<number | null>(null);
  const move = (event: PointerEvent): number => Math.max(0, event.clientY - (start.current ?? event.clientY));
  const end = (event: PointerEvent): void => {
    const isFar = move(event) > 80;
    start.current = null;
    sheet.current?.style.removeProperty("transform");
    if (isFar) pin(null);
  };
  return (
    <div
      class="sheet-handle" onPointerDown={(event) => {
        if (event.target instanceof Element && event.target.closest("button")) return;
        start.current = event.clientY;
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        if (start.current !== null) sheet.current?.style.setProperty("transform", `translateY(${move(event)}px)`);
      }}
      onPointerUp={end} onPointerCancel={end}
    >
      <span class="grip" aria-hidden="true" />
      <button type="button" id="close-sheet" class="plain" aria-label="Close" onClick={() => pin(null)}>✕</button>
    </div>);
};

const Pinned = (): JSX.Element => {
  const box = useRef<HTMLElement>(null);
  const [image, where] = [pinned.value, place.value];
  const isSheet = where === "sheet" && image !== null;
  // The focus goes into the sheet, and back to where it was once the sheet is closed.
  const before = useRef<Element | null>(null);
  const isFirst = useRef(true);
  useEffect(() => {
    const sheet = box.current;
    sheet?.scrollTo({ top: 0 });
    if (isFirst.current) {
      isFirst.current = false;
      return;
    }
    if (isSheet && sheet) {
      if (!sheet.contains(document.activeElement)) before.current = document.activeElement;
      sheet.focus({ preventScroll: true });
      uncover(sheet);
    } else if (before.current instanceof HTMLElement) {
      if (before.current.isConnected) before.current.focus({ preventScroll: true });
      before.current = null;
    }
  }, [isSheet, image]);
  return (
    <section
      ref={box} id="pinned" class={[image === null ? "" : "filled", image === null ? "" : where].filter(Boolean).join(" ")}
      aria-label="Pinned image" tabIndex={isSheet ? -1 : undefined}
    >
      {isSheet ? <Handle sheet={box} /> : null}
      {image === null
        ? <p class="hint quiet">Click a point of the map, or a picture below, to pin its image here, beside the nearest images of the other dataset.</p>
        : <PinnedCard image={image} />}
    </section>);
};

const Announcement = (): JSX.Element => (
  <p class="visually-hidden" role="status">{pinned.value === null ? "" : `Pinned: ${altText(pinned.value)}`}</p>);

export const Side = (): JSX.Element => {
  useEffect(watchPlaces, []);
  useEffect(() => {
    const remember = (event: PointerEvent): void => {
      tapped = event.target instanceof Element && event.target.closest(".canvas") ? event.clientY : null;
    };
    document.addEventListener("pointerdown", remember, true);
    return () => document.removeEventListener("pointerdown", remember, true);
  }, []);
  return (
    <aside id="side" aria-label="Summary of this level">
      <PairSummary />
      <Pinned />
      <Announcement />
    </aside>);
};
