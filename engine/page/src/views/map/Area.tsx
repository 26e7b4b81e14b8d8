// Selects the images in a region of the map: a lasso, or a box.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Place } from "../../map/polygon.ts";
import { boxBetween } from "../../map/polygon.ts";

/** How a region is drawn; null while none is. */
export const drawing = signal<"lasso" | "box" | null>(null);

interface AreaProps {
  /** Gets the region in pixels of the map, and the event that ended it. */
  onRegion: (region: Place[], event: PointerEvent) => void;
}

/** Lies over the map while a region is drawn. */
export const Area = ({ onRegion }: AreaProps): JSX.Element | null => {
  const [region, setRegion] = useState<Place[]>([]);
  const how = drawing.value;
  const stop = (): void => {
    setRegion([]);
    drawing.value = null;
  };
  useEffect(() => {
    if (!how) return;
    const cancel = (event: KeyboardEvent): void => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      stop();
    };
    document.addEventListener("keydown", cancel, true);
    return () => document.removeEventListener("keydown", cancel, true);
  }, [how]);
  if (!how) return null;
  const place = (event: PointerEvent & { currentTarget: Element }): Place => {
    const box = event.currentTarget.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  return (
    <div
      id="area"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        setRegion([place(event)]);
      }}
      onPointerMove={(event) => {
        if (!region.length) return;
        setRegion(how === "box" ? boxBetween(region[0], place(event)) : [...region, place(event)]);
      }}
      onPointerUp={(event) => {
        if (region.length > 2) onRegion(region, event);
        stop();
      }}
    >
      <svg aria-hidden="true"><polygon points={region.map(({ x, y }) => `${x},${y}`).join(" ")} /></svg>
      <p>{how === "box" ? "Drag a box" : "Draw a line"} around points to select them: with Shift to add to the selection, with Alt to take away. Escape cancels.</p>
    </div>);
};
