// Differences between the files rather than between what the images show.
import type { JSX } from "preact";
import { datasetName, facts, reversed } from "../data/facts.ts";
import { formatShort } from "../format.ts";
import { Tag } from "./Picture.tsx";
import { Word } from "./Word.tsx";

/** The pairs whose files were compared; both ways round of a pair have the same, so only the first is one of them. */
export const comparedFiles = (): number[] => facts.pairs.flatMap(([query, reference], pair) => {
  const other = reversed(pair);
  const isSecond = query > reference && other >= 0 && facts.confounders[other] !== null;
  return facts.confounders[pair] && !isSecond ? [pair] : [];
});

const Table = ({ pair }: { pair: number }): JSX.Element => {
  const [query, reference] = facts.pairs[pair].map(datasetName);
  return (
    <div class="scroller" role="region" aria-label={`How the files of ${query} and ${reference} differ`} tabIndex={0}>
      <table class="confounders">
        <thead>
          <tr>
            <th scope="col">property</th><th scope="col"><Word id="effect">effect</Word></th>
            <th scope="col"><bdi>{query}</bdi></th><th scope="col"><bdi>{reference}</bdi></th>
          </tr>
        </thead>
        <tbody>
          {facts.confounders[pair]!.rows.map(([name, effect, ofQuery, ofReference, unit]) => (
            <tr key={name}>
              <th scope="row"><bdi>{name}</bdi>{unit ? <span class="quiet">, <bdi>{unit}</bdi></span> : null}</th>
              <td>{effect === null ? "–" : formatShort(effect)}</td>
              <td><bdi>{ofQuery}</bdi></td><td><bdi>{ofReference}</bdi></td>
            </tr>))}
        </tbody>
      </table>
    </div>);
};

/** How the files of each pair differ; nothing where no files were compared. */
export const Confounders = (): JSX.Element | null => {
  const pairs = comparedFiles();
  if (!pairs.length) return null;
  return (
    <section id="confounders" aria-labelledby="confounders-title" tabIndex={-1}>
      <h2 id="confounders-title">How the files differ</h2>
      <p class="quiet">
        If format, size or compression differ this much, the map may show differences between the files rather than between what the images show.
      </p>
      <div id="confounder-pairs">
        {pairs.map((pair) => {
          const { auc, rows } = facts.confounders[pair]!;
          const [query, reference] = facts.pairs[pair];
          return (
            <section key={pair}>
              <p>
                <Tag dataset={query} /> and <Tag dataset={reference} />
                {auc === null ? null : <>: the files alone tell them apart with an <Word id="auc">AUC</Word> of {formatShort(auc)} (0.5 is chance, 1 is perfect).</>}
              </p>
              {rows.length ? <Table pair={pair} /> : null}
            </section>);
        })}
      </div>
    </section>);
};
