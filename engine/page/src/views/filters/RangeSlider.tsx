// A slider with two handles, along the axis of a histogram.
import noUiSlider from "nouislider";
import type { API } from "nouislider";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Stop } from "./bins.ts";

/** Presses of an arrow key from one end to the other, between two stops. */
const KEY_STEPS = 50;

interface RangeSliderProps {
  label: string;
  stops: Stop[];
  /** 0 for none. */
  step: number;
  low: number;
  high: number;
  format: (value: number) => string;
  /** Called with the end that is moved, at most once per frame. */
  onMove: (end: { low: number } | { high: number }) => void;
}

export const RangeSlider = ({ label, stops, step, low, high, format, onMove }: RangeSliderProps): JSX.Element => {
  const element = useRef<HTMLDivElement>(null);
  const slider = useRef<API | null>(null);
  const latest = useRef(onMove);
  latest.current = onMove;
  useEffect(() => {
    const parts = stops.map(({ value, percent, isWhole }, at): [string, number | [number, number]] => {
      const own = isWhole ? Math.abs((stops.at(at + 1)?.value ?? value) - value) : step;
      return [`${percent}%`, own ? [value, own] : value];
    });
    const own = noUiSlider.create(element.current!, {
      start: [low, high], connect: true, range: { ...Object.fromEntries(parts.slice(1, -1)), min: parts[0][1], max: parts[parts.length - 1][1] }, keyboardDefaultStep: KEY_STEPS, keyboardPageMultiplier: 5, ariaFormat: { to: format, from: Number },
      handleAttributes: [{ "aria-label": `${label}, from` }, { "aria-label": `${label}, to` }],
    });
    let frame = 0;
    own.on("slide", (_values, handle, places) => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => latest.current(handle === 0 ? { low: places[0] } : { high: places[1] }));
    });
    slider.current = own;
    return () => {
      cancelAnimationFrame(frame);
      own.destroy();
    };
  }, []);
  useEffect(() => {
    const [from, to] = slider.current!.get(true) as number[];
    if (from !== low || to !== high) slider.current!.set([low, high], false);
  }, [low, high]);
  return <div ref={element} class="range-slider" />;
};
