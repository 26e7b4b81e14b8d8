// Every number of every level and pair, sorted by any column, and as CSV.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { csvText, download } from "../csv.ts";
import type { NumbersTable as Table } from "../data/facts.ts";
import { datasetName, facts } from "../data/facts.ts";
import { cellOf, unlikeInterval } from "../data/numbers.ts";
import { formatValue } from "../format.ts";
import { levelNumber, reading } from "../state/state.ts";
import { Tag } from "./Picture.tsx";
import type { Sort } from "./SortHead.tsx";
import { SortHead, compareIn } from "./SortHead.tsx";

interface Row {
  level: number;
  pair: number;
  values: (number | null)[];
}

const wordOf = (name: string): string => name.replaceAll("_", "-");

const rowsIn = ({ columns, rows }: Table, sort: Sort): Row[] => {
  const all = rows.flatMap((pairs, level) => pairs.map((values, pair): Row => ({ level, pair, values })));
  const column = columns.findIndex(([name]) => name === sort.by);
  const valueOf = (row: Row): number | null => {
    if (sort.by === "level") return row.level;
    return column < 0 ? row.pair : row.values[column];
  };
  return all.sort((a, b) => compareIn(sort, valueOf(a), valueOf(b)) || a.level - b.level || a.pair - b.pair);
};

/** Rows of the same level that stand together, which its name heads. */
const byLevel = (rows: Row[]): Row[][] => rows.reduce<Row[][]>((groups, row) => {
  const last = groups.at(-1);
  if (last?.[0].level === row.level) last.push(row);
  else groups.push([row]);
  return groups;
}, []);

const text = (value: number | null): string => (value === null ? "" : String(value));

const saveCsv = ({ columns }: Table, rows: Row[]): void => {
  const head = ["level", "query", "reference", ...columns.map(([name]) => name), "share_outside_low", "share_outside_high"];
  const lines = rows.map(({ level, pair, values }) => {
    const [, low, high] = cellOf("share_outside", level, pair, reading.value) ?? [null, null, null];
    return [facts.levels[level].name, ...facts.pairs[pair].map(datasetName), ...values.map(text), text(low), text(high)];
  });
  download(`gapscope-numbers-${reading.value}.csv`, csvText([head, ...lines]), "text/csv");
};

/** The table of numbers in the reading that is shown. */
export const NumbersTable = (): JSX.Element | null => {
  const [sort, setSort] = useState<Sort>({ by: "level", isDescending: false });
  const table = facts.numbers[reading.value];
  if (!table) return null;
  const rows = rowsIn(table, sort);
  return (
    <>
      <div class="scroller" role="region" aria-label="Table of numbers" tabIndex={0}>
        <table id="numbers">
          <thead>
            <tr>
              <SortHead by="level" label="level" word="level" sort={sort} onSort={setSort} />
              <SortHead by="pair" label="pair" word="pair" sort={sort} onSort={setSort} />
              {table.columns.map(([name, label]) => (
                <SortHead key={name} by={name} label={label} word={wordOf(name)} sort={sort} onSort={setSort} isNumber />))}
            </tr>
          </thead>
          {byLevel(rows).map((group) => (
            <tbody key={`${group[0].level} ${group[0].pair}`} class={group[0].level === levelNumber.value ? "current" : undefined}>
              {group.map(({ level, pair, values }, place) => (
                <tr key={pair}>
                  {place ? null : <th scope="rowgroup" rowSpan={group.length}><bdi>{facts.levels[level].name}</bdi></th>}
                  <th scope="row" class="pair-cell">
                    <Tag dataset={facts.pairs[pair][0]} /><span class="quiet"> vs </span><Tag dataset={facts.pairs[pair][1]} />
                  </th>
                  {values.map((value, column) => {
                    const [name, , format] = table.columns[column];
                    const interval = name === "share_outside" && value !== null ? unlikeInterval(level, pair, reading.value) : "";
                    return <td key={name}>{formatValue(value, format)}{interval ? <span class="quiet"> ({interval})</span> : null}</td>;
                  })}
                </tr>))}
            </tbody>))}
        </table>
      </div>
      <p class="buttons">
        <button type="button" id="save-numbers" class="plain" onClick={() => saveCsv(table, rows)}>Save CSV</button>
      </p>
    </>);
};
