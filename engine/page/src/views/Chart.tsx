// The frame of a chart: its title, and places along it whose values are read on hover and on focus.
import type { ComponentChildren, JSX } from "preact";
import { useRef, useState } from "preact/hooks";

/** Of the drawing, in its own units; `left` to `bottom` are the margins around what is plotted. */
export const SIZE = { width: 300, height: 150, left: 42, right: 12, top: 10, bottom: 24 } as const;

/** A place along a chart, such as a level or a bar. */
export interface Stop {
  /** Its left and right edge in the drawing. */
  from: number;
  to: number;
  /** What is read of it, as a text. */
  name: string;
  /** What is read of it, as it is shown below the chart. */
  readout: ComponentChildren;
  /** What a click does; nothing where it does nothing. */
  choose?: () => void;
}

interface ChartProps {
  id: string;
  label: ComponentChildren;
  help: ComponentChildren;
  /** What the drawing is of, for those who do not see it. */
  description: string;
  stops: readonly Stop[];
  /** The stop that is read while none is pointed at; null for none. */
  resting: number | null;
  /** What stands below the chart while no stop is read. */
  hint?: string;
  /** Of what the whole chart is, such as of a kind. */
  color?: string;
  /** What is plotted, as elements of an SVG drawing. */
  children: ComponentChildren;
}

const STEPS: Partial<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

/** A figure with a drawing. The arrow keys go from stop to stop; Enter and a click choose one. */
export const Chart = ({ id, label, help, description, stops, resting, hint, color, children }: ChartProps): JSX.Element => {
  const drawing = useRef<SVGSVGElement>(null);
  const [pointed, setPointed] = useState<number | null>(null);
  const [focused, setFocused] = useState<number | null>(null);
  const [entry, setEntry] = useState<number | null>(null);
  const inside = (stop: number): number => Math.min(stops.length - 1, Math.max(0, stop));
  const read = [pointed, focused, resting].find((stop) => stop !== null && stop < stops.length) ?? null;
  const tabStop = inside(entry ?? resting ?? 0);
  const move = (event: KeyboardEvent): void => {
    const step = STEPS[event.key];
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      stops[focused ?? tabStop].choose?.();
    } else if (step !== undefined) {
      event.preventDefault();
      drawing.current?.querySelectorAll<SVGRectElement>(".stop")[inside(tabStop + step)]?.focus();
    }
  };
  return (
    <figure data-chart={id} class={color ? "chart kind-figure" : "chart"} style={color ? { "--color": color } : undefined}>
      <figcaption><strong>{label}</strong><span class="quiet">{help}</span></figcaption>
      <svg
        ref={drawing} viewBox={`0 0 ${SIZE.width} ${SIZE.height}`} role="group" aria-label={description} data-arrows
        onKeyDown={move} onPointerLeave={() => setPointed(null)}
      >
        <g aria-hidden="true">{children}</g>
        {stops.map(({ from, to, name, choose }, stop) => (
          <rect
            key={stop} class={stop === pointed ? "stop pointed" : "stop"} x={from} width={Math.max(0, to - from)} y={SIZE.top - 4}
            height={SIZE.height - SIZE.top + 4} role={choose ? "button" : "img"} aria-label={name} tabIndex={stop === tabStop ? 0 : -1}
            onPointerEnter={() => setPointed(stop)} onClick={choose}
            onFocus={() => {
              setFocused(stop);
              setEntry(stop);
            }}
            onBlur={() => setFocused(null)}
          />))}
      </svg>
      <div class="readout">{read === null ? <span class="quiet">{hint}</span> : stops[read].readout}</div>
    </figure>);
};
