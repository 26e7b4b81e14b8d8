// A share as a small bar from 0 to 1, with its interval.
import type { JSX } from "preact";

interface IntervalBarProps {
  value: number;
  low: number | null;
  high: number | null;
  /** Drawn as a dot, without a bar to it. */
  isDot?: boolean;
  /** Too few to say anything. */
  isPale?: boolean;
}

const percent = (share: number): string => `${100 * Math.min(1, Math.max(0, share))}%`;

/** What it shows must stand beside it as text. */
export const IntervalBar = ({ value, low, high, isDot = false, isPale = false }: IntervalBarProps): JSX.Element => (
  <span class={`interval-bar${isDot ? " dots" : ""}${isPale ? " pale" : ""}`} aria-hidden="true">
    {isDot ? null : <span class="interval-fill" style={{ width: percent(value) }} />}
    {low === null || high === null ? null : <span class="interval-range" style={{ left: percent(low), width: percent(high - low) }} />}
    {isDot ? <span class="interval-dot" style={{ left: percent(value) }} /> : null}
  </span>);
