// The numbers of every level: charts, and the table.
import type { JSX } from "preact";
import { bothWays, datasetName, facts } from "../data/facts.ts";
import type { Cell } from "../data/facts.ts";
import { readingSuffix } from "../data/numbers.ts";
import { pair, reading } from "../state/state.ts";
import { KindCharts, ListedOfShown, Measures } from "./LevelCharts.tsx";
import { NumbersTable } from "./NumbersTable.tsx";
import { Tag } from "./Picture.tsx";
import { OutlierScores, OutsideScores } from "./ScoreCharts.tsx";
import { Word } from "./Word.tsx";

const Note = (): JSX.Element => {
  const charts = facts.charts[reading.value] ?? [];
  const has = (holds: (cell: Cell) => boolean): boolean => (
    charts.some(({ rows }) => rows.some((row) => row.some((cell) => cell && holds(cell)))));
  return (
    <p id="charts-note" class="quiet">
      {bothWays(pair.value).map((own) => (
        <span key={own}><Tag dataset={facts.pairs[own][0]} /> against <bdi>{datasetName(facts.pairs[own][1])}</bdi>. </span>))}
      {has(([, low]) => low !== null) ? <>Vertical lines: 95% <Word id="interval">intervals</Word>. </> : null}
      {has(([, , , floor]) => floor !== null)
        ? <>Dashed lines: the <Word id="noise-floor">noise floor</Word>, which is what two alike datasets would have. </> : null}
      Point at a chart for its values; a click shows the level.
    </p>);
};

export const Numbers = (): JSX.Element => (
  <section aria-labelledby="numbers-title">
    <h2 id="numbers-title">Numbers by level{readingSuffix(reading.value)}</h2>
    <Note />
    <div id="charts">
      <KindCharts />
      <ListedOfShown />
      <OutlierScores />
      <OutsideScores />
      <Measures />
    </div>
    {facts.pairs.length ? <NumbersTable /> : null}
  </section>);
