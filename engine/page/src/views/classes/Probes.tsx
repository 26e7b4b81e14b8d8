// Whether it trains: what linear probes say of the shown pair.
import type { JSX } from "preact";
import { bothWays, datasetName, facts } from "../../data/facts.ts";
import type { Probe } from "../../data/facts.ts";
import { READING_TEXTS } from "../../data/numbers.ts";
import { capitalized, formatCount, formatPercent, formatShort } from "../../format.ts";
import { levelNumber, pair, show } from "../../state/state.ts";
import { Word } from "../Word.tsx";

const shareText = ({ share, shareLow, shareHigh }: Probe): JSX.Element => {
  if (share === null) return <>–</>;
  return <><strong>{formatPercent(share)}</strong>{shareLow === null || shareHigh === null ? null : <span class="quiet"> ({formatPercent(shareLow)} to {formatPercent(shareHigh)})</span>}</>;
};

const Levels = (): JSX.Element | null => {
  const [own, kinds] = [facts.probes[pair.value]?.levels ?? [], facts.readings];
  const probes = own.flatMap((of, level) => kinds.flatMap((reading) => {
    const probe = of[reading];
    return probe ? [{ level, reading, probe }] : [];
  }));
  if (!probes.length) return null;
  const [query, reference] = facts.pairs[pair.value].map(datasetName);
  const notes = [...new Set(probes.map(({ probe }) => probe.note).filter(Boolean))];
  return (
    <details class="probe-levels">
      <summary>Every level</summary>
      <div class="scroller" role="region" aria-label={`Probes that were trained on ${reference} and tested on ${query}`} tabIndex={0}>
        <table id="probes">
          <thead>
            <tr>
              <th scope="col"><Word id="level">level</Word></th>
              <th scope="col" class="value"><Word id="probe">accuracy</Word></th>
              <th scope="col" class="value"><Word id="ceiling">ceiling</Word></th>
              <th scope="col" class="value">share of the ceiling</th>
              <th scope="col" class="value">by chance</th>
              <th scope="col" class="value">errors ranked, <Word id="auc">AUC</Word></th>
              <th scope="col" class="value">images trained on, tested</th>
            </tr>
          </thead>
          <tbody>
            {probes.map(({ level, reading, probe }) => (
              <tr key={`${level} ${reading}`} class={level === levelNumber.value ? "current" : undefined}>
                <th scope="row">
                  <button type="button" class="link" onClick={() => show({ level, reading })}>{facts.levels[level].name}</button>
                  {facts.readings.length > 1 ? <span class="quiet"> {READING_TEXTS[reading][0].toLowerCase()}</span> : null}
                </th>
                <td>{formatPercent(probe.accuracy)}</td>
                <td>{formatPercent(probe.ceiling)}</td>
                <td>{shareText(probe)}</td>
                <td>{formatPercent(probe.chance)}</td>
                <td>{probe.errorsAuc === null ? "–" : formatShort(probe.errorsAuc)}</td>
                <td>{formatCount(probe.trained)}, {formatCount(probe.tested)}</td>
              </tr>))}
          </tbody>
        </table>
      </div>
      {notes.map((note) => <p key={note} class="quiet"><bdi>{capitalized(note)}</bdi>.</p>)}
    </details>);
};

/** What probes say, in a sentence per direction; the shown one first. */
export const Probes = (): JSX.Element => {
  const ways = bothWays(pair.value).sort((a, b) => Number(b === pair.value) - Number(a === pair.value));
  return (
    <div class="probes">
      {ways.map((own) => {
        const probes = facts.probes[own];
        if (!probes) return null;
        return (
          <p key={own} class={own === pair.value && probes.level !== null ? "probe-sentence" : "quiet probe-other"}>
            <bdi>{capitalized(probes.sentence)}</bdi>{probes.level === null ? null : <span class="quiet"> at {facts.levels[probes.level].name}</span>}
          </p>);
      })}
      <p class="quiet">
        This is a <Word id="probe">linear probe</Word> on the network's frozen vectors, and no full training. What training on the tested
        dataset itself reaches is the <Word id="ceiling">ceiling</Word>.
      </p>
      <Levels />
    </div>);
};
