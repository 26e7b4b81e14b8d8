// A card per kind of image that is missing or differs, the worst first.
import { signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { bothWays, datasetName, facts } from "../data/facts.ts";
import type { Kind } from "../data/facts.ts";
import { formatShort } from "../format.ts";
import { pair, selectKind, selectedKind } from "../state/state.ts";
import { Actions } from "./Actions.tsx";
import { ExportCommand } from "./ExportCommand.tsx";
import type { Heat } from "./heat.tsx";
import { HeatCanvas, KindHeat, heatMaps, kindHeat } from "./heat.tsx";
import { PinButton } from "./PinButton.tsx";
import { Swatch, Tag } from "./Picture.tsx";
import { Word } from "./Word.tsx";

const AT_FIRST = 3;
const COLUMNS = 6;
/** The pairs whose kinds are all shown. */
const shownAll = signal<ReadonlySet<number>>(new Set());

/** Of the typical pictures and of the diverse ones about as many as fit; with heat maps, those that have one. */
const chosenPictures = (kind: Kind, heat: Heat | null): Kind["pictures"] => {
  if (heat) return kind.pictures.filter(([image]) => heatMaps.value?.opens(image, kind.pair) !== null).slice(0, COLUMNS);
  const diverse = kind.pictures.slice(kind.typical);
  const first = kind.pictures.slice(0, Math.min(kind.typical, Math.max(COLUMNS / 2, COLUMNS - diverse.length)));
  return [...first, ...diverse.slice(0, COLUMNS - first.length)];
};

const KindPicture = ({ image, caption, over }: { image: number; caption?: string | null; over?: ComponentChildren }): JSX.Element => (
  <span class="kind-picture">
    {image < 0 ? <span class="box empty">–</span> : <PinButton image={image} box={96} over={over} />}
    {caption ? <span class="quiet">{caption}</span> : null}
  </span>);

const Strip = ({ number }: { number: number }): JSX.Element => {
  const kind = facts.kinds[number];
  const heat = kindHeat(number);
  const pictures = chosenPictures(kind, heat);
  return (
    <>
      <div class="kind-pictures" role="group" aria-label={`Pictures of ${kind.name}`}>
        {pictures.map(([image]) => <KindPicture key={image} image={image} over={heat ? <HeatCanvas image={image} heat={heat} /> : null} />)}
      </div>
      <KindHeat number={number} />
      <p class="quiet caption">
        Nearest in <Tag dataset={facts.pairs[kind.pair][1]} /> at {facts.levels[kind.comparedAt].name}, and{" "}
        <Word id="nearest-distance">how far</Word>; within the kind it is {formatShort(kind.spacing)}:
      </p>
      <div class="kind-pictures counterparts" role="group" aria-label="Their nearest counterparts">
        {pictures.map(([image, counterpart, distance]) => (
          <KindPicture key={image} image={counterpart} caption={distance === null ? null : formatShort(distance)} />))}
      </div>
    </>);
};

const Card = ({ number }: { number: number }): JSX.Element => {
  const kind = facts.kinds[number];
  const isShown = selectedKind.value === number;
  const mirror = kind.mirror === null ? null : facts.kinds[kind.mirror];
  return (
    <li class={isShown ? "kind-card shown" : "kind-card"} data-kind={kind.id}>
      <button type="button" class="kind-head" aria-pressed={isShown} data-kind-head={kind.id} onClick={() => selectKind(number)}>
        <span class="kind-title">
          <Swatch dataset={facts.pairs[kind.pair][0]} /><bdi>{kind.title}</bdi><span class="quiet kind-id">{kind.id}</span>
        </span>
        <strong class={kind.isNamed ? "kind-name" : "kind-name guess"}><bdi>{kind.name}</bdi></strong>
        <span class="quiet">{kind.count} ({kind.share}) · {kind.levels} · {kind.sure}</span>
      </button>
      <Strip number={number} />
      <p class="advice"><bdi>{kind.advice}</bdi></p>
      {mirror === null ? null : (
        <p class="quiet">
          The other side:{" "}
          <button type="button" class="link" onClick={() => selectKind(kind.mirror!)}>
            {mirror.id}, {mirror.count} of <bdi>{datasetName(facts.pairs[mirror.pair][0])}</bdi>, {mirror.levels}, {mirror.sure}
          </button>
        </p>)}
      <ExportCommand what={`--kind ${kind.id}`} of={kind.id} />
    </li>);
};

const Column = ({ pair: own }: { pair: number }): JSX.Element => {
  const [query, reference] = facts.pairs[own];
  // The second side of a kind is told by the card of the first.
  const numbers = facts.kinds.flatMap((kind, number) => (
    kind.pair === own && (kind.mirror === null || kind.mirror > number || number === selectedKind.value) ? [number] : []));
  const isAll = shownAll.value.has(own);
  const shown = isAll ? numbers : numbers.filter((number, place) => place < AT_FIRST || number === selectedKind.value);
  const look = facts.looks[own];
  const toggleAll = (): void => {
    const pairs = new Set(shownAll.value);
    if (!pairs.delete(own)) pairs.add(own);
    shownAll.value = pairs;
  };
  return (
    <section class="kind-column" aria-label={`Kinds of ${datasetName(query)} images against ${datasetName(reference)}`}>
      <p class="kind-sentence"><Tag dataset={query} /><span class="quiet"> against </span><Tag dataset={reference} /></p>
      <p class="sentence"><bdi>{facts.kindSentences[own]}.</bdi></p>
      <Actions pair={own} />
      {look ? <p class="alert"><bdi>{look}.</bdi></p> : null}
      <ol class="kind-cards">
        {shown.map((number) => <Card key={number} number={number} />)}
        {numbers.length ? null : (
          <li class="kind-card none"><p><strong>No <Word id="kind">kind</Word> here.</strong></p><p><bdi>{facts.noKinds[own]}</bdi></p></li>)}
      </ol>
      {numbers.length > shown.length || (isAll && numbers.length > AT_FIRST) ? (
        <button type="button" class="plain" data-more-kinds={own} onClick={toggleAll}>
          {isAll ? "Show the worst only" : `Show ${numbers.length - shown.length} more`}
        </button>) : null}
    </section>);
};

/** The kinds of a pair, both ways round. */
export const Kinds = (): JSX.Element => (
  <div id="kinds">{bothWays(pair.value).map((own) => <Column key={own} pair={own} />)}</div>);
