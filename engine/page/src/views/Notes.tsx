// What to look at before the numbers are believed.
import type { JSX } from "preact";
import { facts } from "../data/facts.ts";
import { formatCount } from "../format.ts";
import { comparedFiles } from "./Confounders.tsx";

const MAX_WARNINGS = 3;

/** Odd pictures, and files that differ more than what they show. */
export const Warnings = (): JSX.Element | null => {
  const pairs = comparedFiles().filter((pair) => facts.confounders[pair]!.warning);
  if (!facts.warnings.length && !pairs.length) return null;
  return (
    <div id="confounder-warning" role="note">
      {facts.warnings.map((text, at) => <p key={at}><strong>Look at the pictures first: </strong><bdi>{text}</bdi>.</p>)}
      {pairs.slice(0, MAX_WARNINGS).map((pair) => (
        <p key={pair}>
          <strong>Look at the files first: </strong><bdi>{facts.confounders[pair]!.warning}</bdi>.{" "}
          <a href="#confounders">See how they differ.</a>
        </p>))}
      {pairs.length > MAX_WARNINGS ? <p>The files of {formatCount(pairs.length - MAX_WARNINGS)} more pairs of datasets differ as much.</p> : null}
    </div>);
};

// Both directions of a pair have the same limit where both sides are as large.
const isRepeated = (pair: number): boolean => facts.pairs.slice(0, pair).some(([query, reference], other) => (
  query === facts.pairs[pair][1] && reference === facts.pairs[pair][0] && facts.limits[other] !== null
  && facts.datasets[query].groups === facts.datasets[reference].groups));

/** What counts as one, and where that is too little to be sure of anything. */
export const Notes = (): JSX.Element | null => {
  const limits = facts.limits.flatMap((text, pair) => (text && !isRepeated(pair) ? [text] : []));
  if (!limits.length && !facts.groupNotes.length) return null;
  return (
    <ul id="notes" class="quiet">
      {limits.map((text, at) => <li key={at}><bdi>{text}</bdi>. <a href="#grid">See the ranking.</a></li>)}
      {facts.groupNotes.map((text, at) => <li key={`group ${at}`}><bdi>{text}</bdi></li>)}
    </ul>);
};
