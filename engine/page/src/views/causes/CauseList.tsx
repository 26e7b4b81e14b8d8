// Columns as causes, the strongest first; one that is open shows the gap by value.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import type { Cause } from "../../data/causes.ts";
import { facts } from "../../data/facts.ts";
import { readingSuffix } from "../../data/numbers.ts";
import { counted, formatCount, formatPercent, formatShort, formatValue, shorten } from "../../format.ts";
import { openColumn } from "../../state/causes.ts";
import { IntervalBar } from "../IntervalBar.tsx";
import { Word } from "../Word.tsx";
import { ValueName } from "./ValueName.tsx";

/** So many that are not named are shown at first. */
const UNNAMED = 5;
const isWhole = signal(false);

const sureText = ({ named, p, values }: Cause): string => {
  if (named) return p === null ? "sure" : `sure, p ${formatShort(p)}`;
  if (!values.length || p === null) return "too few to say";
  return `within chance, p ${formatShort(p)}`;
};

const Values = ({ cause, query }: { cause: Cause; query: number }): JSX.Element => (
    <div class="scroller value-box" role="region" aria-label={`The gap by value of ${shorten(cause.column)}`} tabIndex={0}>
      <table class="values">
        <thead>
          <tr>
            <th scope="col">value</th><th scope="col">gap, 0 to 100%</th><th scope="col" class="value">gap</th>
            <th scope="col" class="value">listed</th><th scope="col" class="value">images</th>
          </tr>
        </thead>
        <tbody>
          {cause.values.map((value, at) => (
            <tr key={at} class={value.enough ? undefined : "few"}>
              <th scope="row"><ValueName column={cause} value={value} dataset={query} /></th>
              <td class="text wide">{value.gap === null ? null : <IntervalBar value={value.gap} low={value.gap_low} high={value.gap_high} isDot isPale={!value.enough} />}</td>
              <td>
                {value.enough ? <strong>{formatValue(value.gap, "percent")}</strong> : <span class="quiet">too few to say</span>}
                {value.gap_low === null || value.gap_high === null ? null : <span class="quiet"> {formatPercent(value.gap_low)} to {formatPercent(value.gap_high)}</span>}
              </td>
              <td>{formatValue(value.share_listed, "percent")}</td>
              <td>{formatCount(value.images)}{value.groups === value.images ? null : <span class="quiet"> in {formatCount(value.groups)}</span>}</td>
            </tr>))}
        </tbody>
      </table>
      {cause.left ? <p class="quiet none-found">{counted(cause.left, "more value")} in metrics.json.</p> : null}
    </div>);

const Item = ({ cause, query, isOpen }: { cause: Cause; query: number; isOpen: boolean }): JSX.Element => {
  const where = cause.level === null ? "" : `at ${facts.levels[cause.level].name}${readingSuffix(cause.reading)}`;
  return (
    <li class={cause.named ? "cause named" : "cause"} data-cause={cause.column}>
      <div class="cause-head">
        <h3>
          {cause.values.length ? (
            <button
              type="button" class="cause-open" aria-expanded={isOpen}
              onClick={() => { openColumn.value = isOpen ? "" : cause.column; }}
            ><bdi class="class-text">{cause.column}</bdi></button>) : <bdi class="class-text">{cause.column}</bdi>}
        </h3>
        <span class="cause-effect"><Word id="column-effect">effect</Word> <strong>{formatPercent(cause.effect)}</strong></span>
        <span class="bar" aria-hidden="true" style={{ "--share": Math.min(1, Math.max(0, cause.effect)), "--color": cause.named ? "var(--text)" : "var(--quiet)" }} />
        <span class="quiet cause-about">{[sureText(cause), where].filter(Boolean).join(" · ")}</span>
      </div>
      {cause.note ? <p class="quiet cause-note"><bdi>{cause.note}</bdi></p> : null}
      {isOpen && cause.values.length ? <Values cause={cause} query={query} /> : null}
    </li>);
};

/** `query` is the dataset whose columns they are. */
export const CauseList = ({ causes, query }: { causes: readonly Cause[]; query: number }): JSX.Element => {
  const opened = openColumn.value ?? causes.find(({ named }) => named)?.column ?? null;
  const isShown = (cause: Cause, place: number): boolean => cause.named || isWhole.value || place < UNNAMED || cause.column === opened;
  const named = causes.filter((cause) => cause.named);
  const others = causes.filter((cause) => !cause.named);
  const shown = [...named, ...others.filter(isShown)];
  return (
    <>
      <p id="causes-found">
        {named.length ? <><strong>{counted(named.length, "column")}</strong> of {formatCount(causes.length)} {named.length === 1 ? "goes" : "go"} with the gap beyond chance.</>
          : `None of ${counted(causes.length, "column")} goes with the gap beyond chance.`}
      </p>
      <ul class="causes">{shown.map((cause) => <Item key={cause.column} cause={cause} query={query} isOpen={cause.column === opened} />)}</ul>
      {shown.length < causes.length ? (
        <p class="buttons"><button type="button" class="plain" onClick={() => { isWhole.value = true; }}>Show {formatCount(causes.length - shown.length)} more</button></p>) : null}
    </>);
};
