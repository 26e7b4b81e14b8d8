// The files of the images, those that could not be read, and what the run was made of.
import type { JSX } from "preact";
import { facts } from "../data/facts.ts";
import { formatCount, formatImages } from "../format.ts";
import { Confounders } from "./Confounders.tsx";
import { Tag } from "./Picture.tsx";
import { Word } from "./Word.tsx";

const RejectsNote = (): JSX.Element => {
  const { counts, rows } = facts.rejects;
  const total = facts.datasets.reduce((sum, { rejected }) => sum + rejected, 0);
  if (!total) return <p id="rejects-note" class="quiet">Every listed image was read.</p>;
  return (
    <p id="rejects-note" class="quiet">
      {formatImages(total)} could not be read and {total === 1 ? "is" : "are"} excluded from all numbers above:{" "}
      {counts.map(([dataset, status, count], at) => (
        <span key={`${dataset} ${status}`}>{at ? ", " : null}{formatCount(count)} {status} in <bdi>{facts.datasets[dataset].name}</bdi></span>))}.
      {rows.length < total ? ` The first ${formatCount(rows.length)} are listed here; the index in the run's folder has them all.` : null}
    </p>);
};

const Rejects = (): JSX.Element => (
  <section aria-labelledby="rejects-title">
    <h2 id="rejects-title"><Word id="rejected">Rejected</Word> images</h2>
    <RejectsNote />
    {facts.rejects.rows.length ? (
      <div id="rejects-box" class="scroller" role="region" aria-label="Table of rejected images" tabIndex={0}>
        <table id="rejects">
          <thead><tr>{["dataset", "status", "image", "reason"].map((name) => <th key={name} scope="col">{name}</th>)}</tr></thead>
          <tbody>
            {facts.rejects.rows.map(([dataset, uri, status, error], at) => (
              <tr key={at}>
                <td><Tag dataset={dataset} /></td><td>{status}</td>
                <td class="file"><bdi>{uri}</bdi></td><td class="reason"><bdi>{error}</bdi></td>
              </tr>))}
          </tbody>
        </table>
      </div>) : null}
  </section>);

const Provenance = (): JSX.Element => (
  <section aria-labelledby="provenance-title">
    <h2 id="provenance-title">Provenance</h2>
    <div id="provenance">
      {facts.provenance.filter(([, lines]) => lines.length).map(([title, lines]) => (
        <section key={title}>
          <h3>{title}</h3>
          <dl>{lines.map(([label, text], at) => <div key={at}><dt>{label.replaceAll("_", " ")}</dt><dd><bdi>{text}</bdi></dd></div>)}</dl>
        </section>))}
    </div>
  </section>);

export const Files = (): JSX.Element => (
  <>
    <Confounders />
    <Rejects />
    <Provenance />
  </>);
