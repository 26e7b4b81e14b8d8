// The pair that is shown at the level, both ways, in a few words.
import type { JSX } from "preact";
import { bothWays, datasetName, facts } from "../data/facts.ts";
import { rowUnits, unit } from "../data/images.ts";
import { basisSentence, isBeyondNoise, shareListed, shareUnlike, tableValue } from "../data/numbers.ts";
import { formatCount, formatPercent } from "../format.ts";
import { levelNumber, pair, reading, show } from "../state/state.ts";
import { Tag } from "./Picture.tsx";
import { Word } from "./Word.tsx";

const isAside = (): boolean => reading.value === "style-aside";
const number = (own: number, name: string): number => tableValue(levelNumber.value, own, name, reading.value) ?? 0;

const isListed = (own: number): boolean => (
  !isAside() || facts.styleAside[levelNumber.value][own].basis === "calibrated" || number(own, "outliers") > 0);

/** How many images, and groups where those count, are listed against the reference, and for which reasons. */
const Listed = ({ own }: { own: number }): JSX.Element | null => {
  if (!isListed(own)) return null;
  const [dataset, reference] = facts.pairs[own];
  const groups = tableValue(levelNumber.value, own, "groups", reading.value);
  const inGroups = groups === null || groups === number(own, "images") ? ""
    : `, ${formatCount(number(own, "outlier_groups"))} of ${formatCount(groups)} ${unit(dataset, groups)}`;
  const [outside, under] = [number(own, "outside"), number(own, "under_represented")];
  const of = datasetName(reference);
  return (
    <p>
      {`${formatCount(number(own, "outliers"))} of ${formatCount(number(own, "images"))} `}<bdi>{datasetName(dataset)}</bdi>
      {` ${rowUnits(dataset)}${inGroups} (${formatPercent(number(own, "outlier_share"))})${inGroups && ","} are `}{isAside() ? "listed" : <Word id="outlier">outliers</Word>}
      {outside ? <>{`: ${formatCount(outside)} `}<Word id="outside">outside</Word> <bdi>{of}</bdi></> : null}
      {under ? <>{`${outside ? "," : ":"} ${formatCount(under)} `}<Word id="under-represented">under-represented</Word> in <bdi>{of}</bdi></> : null}.
    </p>);
};

const Unlike = ({ own }: { own: number }): JSX.Element | null => {
  const unlike = shareUnlike(levelNumber.value, own, reading.value);
  const beyond = isBeyondNoise(levelNumber.value, own, reading.value);
  if (!unlike && beyond === null) return null;
  const remains = isAside() && facts.styleAside[levelNumber.value][own].basis !== "calibrated" ? ", with what remains of the look" : "";
  return (
    <p class="quiet">
      {unlike ? <><Word id="share-outside">Share not like the reference</Word>{`: ${unlike}${remains}.`}</> : null}
      {beyond === null ? null : <>{` As a whole the two differ ${beyond ? "beyond" : "within"} `}<Word id="beyond-noise">noise</Word>.</>}
    </p>);
};

const Summary = ({ own, most }: { own: number; most: number }): JSX.Element => {
  const [query, reference] = facts.pairs[own];
  return (
    <div class={own === pair.value ? "pair shown" : "pair"}>
      <button
        type="button" class="pair-head" aria-pressed={own === pair.value}
        title={`Show what ${datasetName(reference)} lacks`} onClick={() => show({ pair: own })}
      >
        <Tag dataset={query} /><span class="quiet">vs</span><Tag dataset={reference} />
        <span class="number">{shareListed(levelNumber.value, own, reading.value)}</span>
      </button>
      <span class="bar" aria-hidden="true" style={{ "--color": `var(--dataset-${query})`, "--share": number(own, "outlier_share") / most }} />
      <Listed own={own} />
      {isAside() ? <p>{basisSentence(levelNumber.value, own)}</p> : null}
      <Unlike own={own} />
    </div>);
};

export const PairSummary = (): JSX.Element | null => {
  if (!facts.pairs.length) return null;
  const ways = bothWays(pair.value);
  const most = Math.max(0.001, ...ways.map((own) => number(own, "outlier_share")));
  const suffix = isAside() ? <Word id="style-aside">style aside</Word> : <Word id="as-is">as it is</Word>;
  return (
    <section id="pairs-box" aria-labelledby="pairs-title">
      <h2 id="pairs-title">At {facts.levels[levelNumber.value].name}{facts.readings.length < 2 ? null : <>, {suffix}</>}</h2>
      <div id="pairs">{ways.map((own) => <Summary key={own} own={own} most={most} />)}</div>
    </section>);
};
