// The first screen: what is missing, of which kinds, and how much.
import type { JSX } from "preact";
import { Fragment } from "preact";
import { facts } from "../data/facts.ts";
import { fdrText } from "../data/numbers.ts";
import { formatCount } from "../format.ts";
import { Kinds } from "./Kinds.tsx";
import { LeadCards } from "./LeadCards.tsx";
import { Notes, Warnings } from "./Notes.tsx";
import { PairsTable } from "./PairsTable.tsx";
import { Tag } from "./Picture.tsx";
import { Word } from "./Word.tsx";

const Title = (): JSX.Element => {
  const isMany = facts.datasets.length > 2;
  return (
    <h1 id="title" class={isMany ? "many" : undefined}>
      {facts.datasets.map((_, dataset) => (
        <Fragment key={dataset}>{dataset === 1 && !isMany ? <span class="joint"> vs </span> : null}<Tag dataset={dataset} /></Fragment>))}
    </h1>);
};

const Counts = (): JSX.Element => (
  <p id="counts" class="quiet">
    {facts.datasets.map(({ name, count, rejected }, dataset) => (
      <span key={name}>
        {dataset ? " · " : null}<bdi>{name}</bdi>: read {count}{rejected ? `, ${formatCount(rejected)} rejected` : ""}
      </span>))}
    {facts.fdr === null ? null : <> · outliers at a <Word id="false-discovery-rate">false discovery rate</Word> of {fdrText()}</>}
  </p>);

export const Lead = (): JSX.Element => {
  const isMany = facts.datasets.length > 2;
  return (
    <section class="lead" aria-labelledby="title">
      <Title />
      {isMany ? <PairsTable /> : null}
      <Kinds />
      {isMany ? null : <LeadCards />}
      <Warnings />
      <Notes />
      <Counts />
    </section>);
};
