// Values by level, from fine to coarse, with their intervals and noise floors.
import { scaleLinear, scalePoint } from "d3-scale";
import type { ComponentChildren, JSX } from "preact";
import type { Cell, Format } from "../data/facts.ts";
import { facts } from "../data/facts.ts";
import { formatPercent, formatShort } from "../format.ts";
import { levelNumber, show } from "../state/state.ts";
import { Chart, SIZE } from "./Chart.tsx";

export interface Line {
  /** Whose values these are; null where the chart has one line for all. */
  name: string | null;
  color: string;
  /** Per level. */
  cells: readonly (Cell | null)[];
  /** Drawn with dashes and hollow dots, such as that of a selection. */
  isDashed?: boolean;
}

interface LineChartProps {
  id: string;
  /** The title, and the same as a text. */
  label: ComponentChildren;
  title: string;
  help: ComponentChildren;
  format: Format;
  lines: readonly Line[];
  color?: string;
}

const formatAs = (value: number, format: Format): string => (format === "percent" ? formatPercent(value) : formatShort(value));

/** A value with its interval, and how it stands against noise. */
const describe = ([value, low, high, , isBeyondNoise, p]: Cell, format: Format): string => {
  if (value === null) return "–";
  const interval = low === null || high === null ? "" : ` (${formatAs(low, format)} to ${formatAs(high, format)})`;
  const noise = isBeyondNoise === null ? "" : isBeyondNoise ? ", beyond noise" : ", within noise";
  return `${formatAs(value, format)}${interval}${noise}${p === null ? "" : `, p ${formatShort(p)}`}`;
};

/** The widest that a letter of a level's name is, in units of the drawing. */
const LETTER = 6.4;
/** A share axis is at least so long, so that its marks are whole percents. */
const LEAST_SHARE = 0.02;

const verticalScale = (lines: readonly Line[], format: Format): ReturnType<typeof scaleLinear<number, number>> => {
  const values = lines.flatMap(({ cells }) => cells.flatMap((cell) => cell?.slice(0, 4) ?? [])).filter((value) => typeof value === "number");
  const [low, high] = [Math.min(0, ...values), Math.max(format === "percent" ? LEAST_SHARE : 0, ...values)];
  const scale = scaleLinear<number, number>().domain(low === high ? [0, 1] : [low, high]).nice(3);
  if (format === "percent") scale.domain([scale.domain()[0], Math.min(1, scale.domain()[1])]);
  return scale.range([SIZE.height - SIZE.bottom, SIZE.top]).clamp(true);
};

/** A line per dataset over the levels; a click on a level shows it. */
export const LineChart = ({ id, label, title, help, format, lines, color }: LineChartProps): JSX.Element => {
  const levels = facts.levels.map((_, level) => level);
  const x = scalePoint<number>().domain(levels).range([SIZE.left + 10, SIZE.width - SIZE.right - 8]);
  const at = (level: number): number => x(level) ?? 0;
  const y = verticalScale(lines, format);
  const ticks = y.ticks(3).filter((tick) => format !== "percent" || Math.abs(100 * tick - Math.round(100 * tick)) < 1e-6);
  const step = x.step() || SIZE.width - SIZE.left - SIZE.right;
  const every = Math.ceil((Math.max(...facts.levels.map(({ name }) => name.length)) * LETTER + 4) / step);
  const current = levelNumber.value;
  const polyline = (cells: Line["cells"], field: 0 | 3): string => cells.flatMap((cell, level) => {
    const value = cell?.[field] ?? null;
    return value === null ? [] : [`${at(level)},${y(value)}`];
  }).join(" ");
  // Intervals of two lines stand side by side.
  const shift = (line: number): number => (line - (lines.length - 1) / 2) * Math.min(4, step / lines.length);
  const stops = facts.levels.map(({ name }, level) => {
    const told = lines.flatMap((line) => {
      const cell = line.cells[level];
      return cell ? [{ line, text: describe(cell, format) }] : [];
    });
    return {
      from: Math.max(SIZE.left, at(level) - step / 2), to: Math.min(SIZE.width, at(level) + step / 2),
      name: `${title}, ${name}: ${told.map(({ line, text }) => (line.name === null ? text : `${line.name} ${text}`)).join("; ")}`,
      choose: () => show({ level }),
      readout: (
        <>
          <bdi class="readout-place">{name}</bdi>
          {told.map(({ line, text }, place) => (
            <span key={place} class="readout-value" style={{ "--color": line.color }}>
              <span class={line.isDashed ? "line-mark dashed" : "line-mark"} aria-hidden="true" />
              {line.name === null ? null : <><bdi>{line.name}</bdi> </>}{text}
            </span>))}
        </>),
    };
  });
  return (
    <Chart id={id} label={label} help={help} description={`${title} by level`} stops={stops} resting={current} {...(color ? { color } : {})}>
      {ticks.map((tick) => (
        <g key={tick}>
          <line x1={SIZE.left} x2={SIZE.width - SIZE.right} y1={y(tick)} y2={y(tick)} class="rule" />
          <text x={SIZE.left - 6} y={y(tick) + 4} class="tick" text-anchor="end">{formatAs(tick, format)}</text>
        </g>))}
      {facts.levels.map(({ name }, level) => (level % every ? null : (
        <text key={name} x={at(level)} y={SIZE.height - 6} class={level === current ? "tick current" : "tick"} text-anchor="middle">{name}</text>)))}
      <line x1={at(current)} x2={at(current)} y1={SIZE.top} y2={SIZE.height - SIZE.bottom} class="current" />
      {lines.map((line, number) => (
        <g key={number} style={{ "--color": line.color }}>
          <polyline points={polyline(line.cells, 3)} class="floor" />
          {line.cells.map((cell, level) => {
            const [low, high] = [cell?.[1] ?? null, cell?.[2] ?? null];
            if (low === null || high === null) return null;
            const place = at(level) + shift(number);
            return <line key={level} x1={place} x2={place} y1={y(low)} y2={y(high)} class="interval" />;
          })}
          <polyline points={polyline(line.cells, 0)} class={line.isDashed ? "line dashed" : "line"} />
          {line.cells.map((cell, level) => {
            const value = cell?.[0] ?? null;
            if (value === null) return null;
            return <circle key={level} cx={at(level)} cy={y(value)} r={level === current ? 4 : 3} class={line.isDashed ? "dot hollow" : "dot"} />;
          })}
        </g>))}
    </Chart>);
};
