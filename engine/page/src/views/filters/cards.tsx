// The filters that every report has: datasets, rank and q, levels, kinds.
import { computed } from "@preact/signals";
import type { JSX } from "preact";
import { datasetName, facts } from "../../data/facts.ts";
import { images } from "../../data/images.ts";
import { READING_TEXTS, readingSuffix } from "../../data/numbers.ts";
import { formatCount, formatShort, shorten } from "../../format.ts";
import { filters, setFilters } from "../../state/filters.ts";
import { entriesMarked, levelNumber, listed, reading, reference } from "../../state/state.ts";
import { Tag } from "../Picture.tsx";
import { Word } from "../Word.tsx";
import { Card } from "./Card.tsx";
import { countPlaces, largestShare, selectPlaces } from "./counts.ts";
import { Row, Rows } from "./Row.tsx";

/** Where and against what the outliers are listed that the page marks. */
const Lists = (): JSX.Element => (
  <>
    {facts.levels[levelNumber.value].name}{readingSuffix(reading.value)}
    {facts.datasets.length > 2 && <>, against {reference.value === -1 ? "any dataset" : <bdi>{shorten(datasetName(reference.value))}</bdi>}</>}
  </>);

// ---- datasets

const PARTS = [["all", []], ["listed", [0]], ["not listed", [1]], ["none", [0, 1]]] as const;

export const DatasetsCard = (): JSX.Element => (
  <Card title="Datasets" filters={["datasets"]}>
    {() => {
      const { hidden } = filters.value;
      const counts = countPlaces("datasets", 2, (image, count) => count(Number(listed.value.has(image))));
      return (
        <>
          <p class="filter-note quiet"><Word id="outlier">Listed</Word> at <Lists /></p>
          {facts.datasets.map((_, dataset) => {
            const [others, own] = counts.shown[dataset];
            const shown = { "all": others + own, "listed": own, "not listed": others, "none": null };
            const isHidden = [0, 1].map((part) => hidden.has(2 * dataset + part));
            return (
              <fieldset key={dataset} class="filter-parts">
                <legend><Tag dataset={dataset} /></legend>
                {PARTS.map(([text, off]) => (
                  <label key={text}>
                    <input
                      type="radio" name={`part-${dataset}`} checked={isHidden.every((is, part) => is === off.some((own) => own === part))}
                      onChange={() => setFilters({
                        hidden: new Set([...[...filters.peek().hidden].filter((entry) => entry >> 1 !== dataset), ...off.map((part) => 2 * dataset + part)]),
                      })}
                    />
                    {text} {shown[text] !== null && <span class="quiet">{formatCount(shown[text])}</span>}
                  </label>))}
              </fieldset>);
          })}
        </>);
    }}
  </Card>);

// ---- rank and q

// The ends of what the lists say that the page marks.
const ends = computed(() => {
  const entries = entriesMarked.value;
  const smallest = entries.reduce((least, { q }) => (q > 0 ? Math.min(least, q) : least), 1);
  return { lists: entries.length, smallest, last: entries.reduce((most, { rank }) => Math.max(most, rank), 1) };
});

/** Places of a slider between its ends; one more stands for no limit. */
const STEPS = 200;

interface LimitProps {
  name: "q" | "rank";
  value: number | null;
  from: number;
  to: number;
  onChange: (value: number | null) => void;
}

// A logarithmic slider, since most of what matters lies near its lower end.
const Limit = ({ name, value, from, to, onChange }: LimitProps): JSX.Element => {
  const step = value === null ? STEPS + 1
    : Math.round(STEPS * Math.min(1, Math.max(0, Math.log(Math.max(value, from) / from) / (Math.log(to / from) || 1))));
  const at = (place: number): number => {
    const exact = from * (to / from) ** (place / STEPS);
    if (place === 0 || place === STEPS) return place ? to : from;
    return name === "rank" ? Math.round(exact) : Number(exact.toPrecision(2));
  };
  const text = value === null ? "no limit" : `at most ${name === "rank" ? formatCount(value) : formatShort(value)}`;
  return (
    <div class="limit">
      <div class="limit-slider">
        <span><Word id={name}>{name}</Word> <span class="quiet">{text}</span></span>
        <input
          type="range" min={0} max={STEPS + 1} value={step} aria-label={`Largest ${name}`} aria-valuetext={text}
          onInput={(event) => {
            const place = Number(event.currentTarget.value);
            onChange(place > STEPS ? null : at(place));
          }}
        />
      </div>
      <input
        type="number" min={name === "rank" ? 1 : 0} step={name === "rank" ? 1 : "any"} aria-label={`Largest ${name}, as a number`} placeholder="any"
        value={value === null ? "" : String(value)}
        onChange={(event) => {
          const read = event.currentTarget.valueAsNumber;
          onChange(Number.isFinite(read) && read >= 0 ? read : null);
        }}
      />
    </div>);
};

export const StandingCard = (): JSX.Element => (
  <Card title="Rank and q" filters={["rank", "q"]}>
    {() => {
      const { maxQ, maxRank } = filters.value;
      const { lists, smallest, last } = ends.value;
      return (
        <>
          <p class="filter-note quiet">In the lists at <Lists />. With a limit, only <Word id="outlier">listed</Word> images stay.</p>
          {lists === 0 && maxQ === null && maxRank === null ? <p class="filter-note">Nothing is listed here.</p> : (
            <>
              <Limit name="rank" value={maxRank} from={1} to={last} onChange={(value) => setFilters({ maxRank: value })} />
              <Limit name="q" value={maxQ} from={smallest} to={1} onChange={(value) => setFilters({ maxQ: value })} />
            </>)}
        </>);
    }}
  </Card>);

// ---- levels

const withOrWithout = <Key,>(set: ReadonlySet<Key> | null, key: Key, isWith: boolean): ReadonlySet<Key> | null => {
  const changed = new Set(set);
  if (isWith) changed.add(key);
  else changed.delete(key);
  return changed.size ? changed : null;
};

export const LevelsCard = (): JSX.Element => (
  <Card title="Listed at" heading={<><Word id="outlier">Listed</Word> at a <Word id="level">level</Word></>} filters={["levels"]}>
    {() => {
      const bits = images.listed[reading.value]!;
      const own = filters.value.levels;
      const counts = countPlaces("levels", facts.levels.length, (image, count) => {
        for (let rest = bits[image], at = 0; rest; rest >>>= 1, at++) if (rest & 1) count(at);
      });
      const full = largestShare(counts, [...facts.levels.keys()]);
      return (
        <>
          <p class="filter-note quiet">{READING_TEXTS[reading.value][0]}, against any dataset, at one of the checked levels</p>
          <Rows>
            {facts.levels.map(({ name, word }, number) => (
              <Row
                key={number} text={word ? `${name} ${word}` : name} counts={counts} place={number} full={full}
                isChecked={own?.has(number) ?? false} isOut={false} onCheck={(isChecked) => setFilters({ levels: withOrWithout(filters.peek().levels, number, isChecked) })}
                onSelect={(event) => selectPlaces("levels", `listed at ${name}`, event, (image) => ((bits[image] >>> number) & 1) === 1)}
              ><strong>{name}</strong> {word}</Row>))}
          </Rows>
        </>);
    }}
  </Card>);

// ---- kinds

export const KindsCard = (): JSX.Element => (
  <Card title="Kinds" heading={<Word id="kind">Kinds</Word>} filters={["kinds"]}>
    {() => {
      const own = filters.value.kinds;
      const counts = countPlaces("kinds", facts.kinds.length + 1, (image, count) => count(images.kind[image] + 1));
      // Most images are of no kind, and would make all other bars short.
      const full = largestShare(counts, facts.kinds.map((_, kind) => kind + 1));
      return (
        <Rows>
          {[...facts.kinds.keys(), -1].map((kind) => {
            const text = kind < 0 ? "of no kind" : `${facts.kinds[kind].id} ${facts.kinds[kind].name}`;
            return (
              <Row
                key={kind} text={text} counts={counts} place={kind + 1} full={full}
                isChecked={own?.has(kind) ?? false} isOut={own ? !own.has(kind) : false}
                onCheck={(isChecked) => setFilters({ kinds: withOrWithout(filters.peek().kinds, kind, isChecked) })}
                onSelect={(event) => selectPlaces("kinds", kind < 0 ? text : `kind ${shorten(text)}`, event, (image) => images.kind[image] === kind)}
              >{kind < 0 ? <em>{text}</em> : undefined}</Row>);
          })}
        </Rows>);
    }}
  </Card>);
