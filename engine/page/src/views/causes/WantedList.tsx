// Values that are wanted more or less: today's histogram of a parameter against the suggested one.
import type { JSX } from "preact";
import type { WantedColumn, WantedValue } from "../../data/causes.ts";
import { facts } from "../../data/facts.ts";
import { readingSuffix } from "../../data/numbers.ts";
import { counted, formatCount, formatPercent, formatShort, shorten } from "../../format.ts";
import { Word } from "../Word.tsx";
import { ValueName } from "./ValueName.tsx";

const ratioText = ({ ratio, enough }: WantedValue): string => {
  if (!enough) return "too few to say";
  if (ratio === null) return "none today";
  return ratio === 0 ? "none" : `${formatShort(ratio)} ×`;
};

const ratioClass = ({ ratio_low: low, ratio_high: high, enough }: WantedValue): string => {
  if (!enough || low === null || high === null) return "ratio";
  if (low > 1) return "ratio more";
  return high < 1 ? "ratio less" : "ratio";
};

const Bars = ({ value, full }: { value: WantedValue; full: number }): JSX.Element => {
  const width = (share: number): string => `${(100 * share) / full}%`;
  return (
    <span class={value.enough ? "wanted-bars" : "wanted-bars pale"} aria-hidden="true">
      <span class="wanted-today" style={{ width: width(value.today) }} /><span class="wanted-asked" style={{ width: width(value.wanted) }} />
    </span>);
};

interface ColumnProps {
  column: WantedColumn;
  pair: number;
}

const Table = ({ column, pair }: ColumnProps): JSX.Element => {
  const [, reference] = facts.pairs[pair];
  const full = Math.max(1e-12, ...column.values.flatMap(({ today, wanted }) => [today, wanted]));
  return (
    <div
      class="scroller value-box" role="region" aria-label={`Values of ${shorten(column.column)}, today and wanted`} tabIndex={0}
    >
      <table class="values wanted-values">
        <thead>
          <tr>
            <th scope="col">value</th>
            <th scope="col">share, today and wanted</th>
            <th scope="col" class="value">ratio</th><th scope="col" class="value">today → wanted</th><th scope="col" class="value">images</th>
          </tr>
        </thead>
        <tbody>
          {column.values.map((value, at) => (
            <tr key={at} class={value.enough ? undefined : "few"}>
              <th scope="row"><ValueName column={column} value={value} dataset={reference} /></th>
              <td class="text wide"><Bars value={value} full={full} /></td>
              <td>
                <span class={ratioClass(value)}>{ratioText(value)}</span>
                {value.enough && value.ratio_low !== null && value.ratio_high !== null
                  ? <span class="quiet"> {formatShort(value.ratio_low)} to {formatShort(value.ratio_high)}</span> : null}
              </td>
              <td>{formatPercent(value.today)} → {formatPercent(value.wanted)}</td>
              <td>{formatCount(value.images)}</td>
            </tr>))}
        </tbody>
      </table>
      {column.left ? <p class="quiet none-found">{counted(column.left, "more value")} in metrics.json.</p> : null}
    </div>);
};

const Item = ({ column, pair }: ColumnProps): JSX.Element => {
  const where = column.level === null ? "" : `at ${facts.levels[column.level].name}${readingSuffix(column.reading)}`;
  const sure = column.p === null ? "too few to say" : `${column.named ? "sure" : "within chance"}, p ${formatShort(column.p)}`;
  const [query, reference] = facts.pairs[pair];
  return (
    <li
      class={column.named ? "cause named" : "cause"} data-wanted={column.column}
      style={{ "--today": `var(--dataset-${reference})`, "--asked": `var(--dataset-${query})` }}
    >
      <div class="cause-head">
        <h3><bdi class="class-text">{column.column}</bdi></h3>
        <span class="quiet cause-about">{[sure, where].filter(Boolean).join(" · ")}</span>
        {column.values.length ? <span class="quiet wanted-keys"><span class="wanted-key today">today</span><span class="wanted-key asked">wanted</span></span> : null}
      </div>
      {column.sentence ? <p class="wanted-sentence"><bdi>{column.sentence}</bdi></p> : null}
      {column.note ? <p class="quiet cause-note"><bdi>{column.note}</bdi></p> : null}
      {column.values.length ? <Table column={column} pair={pair} /> : null}
    </li>);
};

/** Those that are named lead; the others are folded. */
export const WantedList = ({ columns, pair }: { columns: readonly WantedColumn[]; pair: number }): JSX.Element => {
  const [named, others] = [columns.filter((column) => column.named), columns.filter((column) => !column.named)];
  return (
    <>
      {named.length ? <ul class="causes">{named.map((column) => <Item key={column.column} column={column} pair={pair} />)}</ul>
        : <p class="none-found">No column has values that are <Word id="wanted">wanted</Word> more than they are there today, beyond chance.</p>}
      {others.length ? (
        <details class="folded">
          <summary>{counted(others.length, "column")} within chance</summary>
          <ul class="causes">{others.map((column) => <Item key={column.column} column={column} pair={pair} />)}</ul>
        </details>) : null}
    </>);
};
