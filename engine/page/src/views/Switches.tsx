// What is compared: the reading and the level, in words, with what each lists.
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Reading } from "../data/facts.ts";
import { bothWays, datasetName, facts } from "../data/facts.ts";
import { images } from "../data/images.ts";
import { READING_TEXTS, contentText, shareListed, tableValue } from "../data/numbers.ts";
import { levelNumber, pair, reading, show } from "../state/state.ts";
import { Swatch, Tag, Thumbnail } from "./Picture.tsx";
import { Word } from "./Word.tsx";

const Readings = (): JSX.Element => (
  <fieldset id="readings">
    <legend class="visually-hidden">Reading: what is compared. The arrow keys change it.</legend>
    {facts.readings.map((own) => (
      <label key={own} class="reading">
        <input
          type="radio" name="reading" value={own} class="visually-hidden" checked={own === reading.value}
          onChange={() => show({ reading: own })}
        />
        <strong>{READING_TEXTS[own][0]}</strong><span class="quiet">{READING_TEXTS[own][1]}</span>
      </label>))}
  </fieldset>);

const PATCH = 88;

// The part of a picture that a level sees at once, at its true size.
const Patch = ({ patch }: { patch: number }): JSX.Element | null => {
  const kind = facts.kinds.find(({ sort }) => sort === "absent") ?? facts.kinds.at(0);
  const image = kind?.pictures.at(0)?.[0] ?? 0;
  const [width, height] = [images.sizes[2 * image], images.sizes[2 * image + 1]];
  if (!width) return null;
  const shown = [patch, Math.min(PATCH, patch)];
  const scale = facts.size / Math.max(width, height);
  return (
    <span
      class="patch" role="img" aria-label={`About ${patch} pixels of a picture, at their true size`}
      style={{ width: `${shown[0]}px`, height: `${shown[1]}px` }}
    >
      <span
        class="patch-whole" aria-hidden="true"
        style={{ marginLeft: `${(shown[0] - width * scale) / 2}px`, marginTop: `${(shown[1] - height * scale) / 2}px` }}
      ><Thumbnail image={image} box={facts.size} eager /></span>
    </span>);
};

const knownReadings = (): Reading[] => (["as-is", "style-aside"] as const).filter((own) => facts.numbers[own]);

const Share = ({ level, pair: own, of }: { level: number; pair: number; of: Reading }): JSX.Element => {
  const text = shareListed(level, own, of);
  return (
    <span class={of === reading.value ? "number current" : "number"}>
      <span class="visually-hidden">{datasetName(facts.pairs[own][0])} outliers, {READING_TEXTS[of][0]}: </span>
      {text === "no list" ? <><span class="visually-hidden">no list</span><span aria-hidden="true" title={text}>–</span></> : text}
    </span>);
};

interface LevelBodyProps {
  level: number;
  /** The largest share that any level lists. */
  maxShare: number;
}

// What a level lists of both datasets, in both readings, and how well it sees content.
const LevelBody = ({ level, maxShare }: LevelBodyProps): JSX.Element => {
  const known = knownReadings();
  const content = contentText(level, pair.value);
  return (
    <span class="level-body">
      {known.length < 2 ? null : (
        <span class="level-row heads quiet" aria-hidden="true">
          <span />{known.map((own) => <span key={own} class="number">{READING_TEXTS[own][0]}</span>)}
        </span>)}
      {bothWays(pair.value).map((own) => {
        const [query, reference] = facts.pairs[own];
        const share = (tableValue(level, own, "outlier_share", reading.value) ?? 0) / maxShare;
        return (
          <span key={own} class="level-row" title={`${datasetName(query)} images that ${datasetName(reference)} lacks`}>
            <span class="bar" aria-hidden="true" style={{ "--color": `var(--dataset-${query})`, "--share": String(share) }} />
            {known.map((of) => <Share key={of} level={level} pair={own} of={of} />)}
          </span>);
      })}
      {content === null ? null : <span class="content quiet">{content}</span>}
    </span>);
};

const Levels = (): JSX.Element => {
  const shares = facts.levels.flatMap((_, level) => (
    bothWays(pair.value).map((own) => tableValue(level, own, "outlier_share", reading.value) ?? 0)));
  const maxShare = Math.max(0.001, ...shares);
  const box = useRef<HTMLFieldSetElement>(null);
  const chosen = levelNumber.value;
  // The arrow keys change the level wherever the focus is; where it is on a level, it goes along.
  useEffect(() => {
    if (box.current?.contains(document.activeElement)) box.current.querySelectorAll<HTMLInputElement>("input")[chosen].focus();
  }, [chosen]);
  return (
    <fieldset ref={box} id="levels" style={{ "--readings": String(knownReadings().length) }}>
      <legend class="visually-hidden">Level of the pyramid, from fine to coarse. The left and right arrow keys change it.</legend>
      {facts.levels.map(({ name, stride, word, patch }, level) => (
        <label key={name} class="level">
          <input
            type="radio" name="level" value={level} class="visually-hidden" checked={level === chosen}
            onChange={() => show({ level })}
          />
          <span class="level-head">
            <bdi class="level-name">{name}</bdi>
            {word ? <span class="level-word">{word}</span> : null}
            {stride ? <span class="quiet">stride {stride}</span> : null}
          </span>
          <span class="level-patch">{patch ? <Patch patch={patch} /> : null}</span>
          {facts.pairs.length ? <LevelBody level={level} maxShare={maxShare} /> : null}
        </label>))}
    </fieldset>);
};

/** What the chosen level and reading are, in a sentence. */
const Chosen = (): JSX.Element => {
  const { name, word, patch, stride } = facts.levels[levelNumber.value];
  return (
    <p id="chosen" class="quiet" aria-live="polite">
      The <Word id="level">level</Word> <bdi>{name}</bdi>
      {word ? <> sees <Word id={word}>{word}</Word></> : null}
      {patch ? `, about ${patch} of the ${facts.size} pixels of a picture's side at once` : null}
      {stride ? <> (<Word id="stride">stride</Word> {stride})</> : null}.
      {facts.readings.length < 2 ? null : reading.value === "as-is"
        ? <> Read <Word id="as-is">as it is</Word>: everything that the images look like counts, the look of the whole set too.</>
        : <> Read <Word id="style-aside">style aside</Word>: what sets the two apart as a whole is taken out, and what is left is compared.</>}
    </p>);
};

const ContentNote = (): JSX.Element | null => {
  const isMeasured = facts.pairs.length > 0 && facts.levels.some((_, level) => contentText(level, pair.value) !== null);
  if (!isMeasured) return null;
  const [query, reference] = facts.pairs[pair.value];
  return (
    <p id="levels-note" class="quiet">
      What a level sees of <Tag dataset={query} /> in <Tag dataset={reference} /> is measured from this run: how well an image's neighbors
      across the datasets agree with its neighbors within its own, as judged by the coarsest other level. That share
      is its <Word id="content">content</Word>.
    </p>);
};

const Key = (): JSX.Element => (
  <p class="scale quiet" aria-hidden="true">
    <span>fine texture</span><span class="keys"><kbd>←</kbd> <kbd>→</kbd> change the level</span><span>whole scene</span>
  </p>);

export const Switches = (): JSX.Element => (
  <section class="compared" aria-label="What is compared">
    <div class="switches">
      {facts.readings.length < 2 ? null : <Readings />}
      <ContentNote />
    </div>
    <Levels />
    {facts.levels.length > 1 ? <Key /> : null}
    <Chosen />
    {facts.pairs.length && facts.datasets.length > 2 ? (
      <p class="quiet legend-line">{bothWays(pair.value).map((own) => (
        <span key={own}><Swatch dataset={facts.pairs[own][0]} /> <bdi>{datasetName(facts.pairs[own][0])}</bdi> that <bdi>{datasetName(facts.pairs[own][1])}</bdi> lacks</span>))}
      </p>) : null}
  </section>);
