// All about the pinned image: its picture, how it stands, what is nearest to it, and its columns.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { facts } from "../data/facts.ts";
import { images } from "../data/images.ts";
import type { Entry } from "../data/levels.ts";
import { REASON_TEXTS } from "../data/levels.ts";
import { formatCount, formatShort } from "../format.ts";
import { valueText, wantColumn } from "../state/filters.ts";
import { moreLike } from "../state/like.ts";
import { tick } from "../state/grid.ts";
import { entryOf, pairsByQ, scoreAgainst } from "../state/standing.ts";
import { level, markKind, neighbors, pin, selection } from "../state/state.ts";
import { GroupLine } from "./GroupLine.tsx";
import { HeatOver, PinnedHeat } from "./heat.tsx";
import { altText, Boxed, fullImage, Tag } from "./Picture.tsx";
import { Word } from "./Word.tsx";

const PICTURE = 224;
/** With more values than this on the page, columns are loaded only when their table is opened. */
const MANY_VALUES = 1_000_000;

/** How an outlier list has an image. */
const OutlierStatus = ({ entry }: { entry: Entry }): JSX.Element => (
  <p class="status">
    <strong>Outlier</strong> against <Tag dataset={facts.pairs[entry.pair][1]} />
    <span class="quiet"> <Word id="rank">rank</Word> {formatCount(entry.rank)} · <Word id="q">q</Word> {formatShort(entry.q)} · {REASON_TEXTS[entry.reason]}</span>
  </p>);

const ScoreLine = ({ pair, image }: { pair: number; image: number }): JSX.Element | null => {
  const score = level.value ? scoreAgainst(level.value, pair, image) : NaN;
  if (!Number.isFinite(score)) return null;
  return <p class="quiet"><Word id="outlier-score">Outlier score</Word> against <Tag dataset={facts.pairs[pair][1]} />: {formatShort(score)}</p>;
};

const Nearest = ({ pair, image }: { pair: number; image: number }): JSX.Element => {
  const [, reference] = facts.pairs[pair];
  const entry = entryOf(level.value!, pair, image);
  const nearest = neighbors.value?.nearest(pair, image);
  return (
    <div class="nearest">
      {entry ? <OutlierStatus entry={entry} /> : <p class="status quiet">Not listed as an outlier against <Tag dataset={reference} /></p>}
      <ScoreLine pair={pair} image={image} />
      <p class="quiet">Nearest images in <Tag dataset={reference} /> and their <Word id="nearest-distance">distances</Word>:</p>
      {nearest?.length === 0 ? <p class="quiet">None of its nearest images is on this page.</p> : null}
      <div class="neighbors">
        {nearest?.map((neighbor) => (
          <button
            key={neighbor.image} type="button" class="neighbor" title={images.name(neighbor.image)}
            onClick={() => pin(neighbor.image)}
          >
            <span class="visually-hidden">Pin </span><Boxed image={neighbor.image} box={64} eager />
            <span class="quiet"><span class="visually-hidden">, at distance </span>{formatShort(neighbor.distance)}</span>
          </button>))}
      </div>
    </div>);
};

// The full image if the page is served, otherwise its thumbnail.
const LargePicture = ({ image, pairs }: { image: number; pairs: readonly number[] }): JSX.Element => {
  const [natural, setNatural] = useState<[number, number] | null>(null);
  const url = fullImage(image);
  const heat = <HeatOver image={image} pairs={pairs} {...(natural ? { size: natural } : {})} />;
  return (
    <>
      {natural ? null : <Boxed image={image} box={PICTURE} eager>{heat}</Boxed>}
      {url === null
        ? null
        : (
          <span class="box" hidden={!natural}>
            <a class="with-heat" href={url} target="_blank" rel="noopener" title="Open the image in a new tab">
              <img
                class="full" src={url} alt={altText(image)}
                onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) => setNatural([naturalWidth, naturalHeight])}
              />
              {heat}
            </a>
          </span>)}
    </>);
};

const KindLine = ({ image }: { image: number }): JSX.Element | null => {
  const number = images.kind[image];
  if (number < 0) return null;
  const { id, name } = facts.kinds[number];
  return <p class="quiet"><Word id="kind">Kind</Word> {id}, <button type="button" class="link" title="Select its images" onClick={() => markKind(number)}><bdi>{name}</bdi></button></p>;
};

const ClusterLine = ({ image }: { image: number }): JSX.Element => {
  const { number, clusters } = level.value!;
  const { name } = facts.levels[number];
  const cluster = clusters[image];
  return <p class="quiet">{cluster < 0 ? "In no " : "In "}<Word id="cluster">cluster</Word>{cluster < 0 ? "" : ` ${cluster}`} at {name}</p>;
};

const areColumnsOpen = signal<boolean | null>(null);

const Columns = ({ image }: { image: number }): JSX.Element | null => {
  const isOpen = areColumnsOpen.value ?? facts.columns.length * images.count <= MANY_VALUES;
  useEffect(() => {
    if (isOpen) facts.columns.forEach(({ name }) => wantColumn(name));
  }, [isOpen]);
  if (!facts.columns.length) return null;
  return (
    <details
      class="columns" open={isOpen} onToggle={(event) => {
        areColumnsOpen.value = event.currentTarget.open;
      }}
    >
      <summary>Columns</summary>
      <dl>
        {facts.columns.map(({ name }) => (
          <div key={name}>
            <dt title={name}><bdi>{name}</bdi></dt>
            <dd><bdi>{valueText(image, name) ?? "…"}</bdi></dd>
          </div>))}
      </dl>
    </details>);
};

export const PinnedCard = ({ image }: { image: number }): JSX.Element | null => {
  const own = level.value;
  if (!own) return null;
  const isSelected = selection.value.images.has(image);
  const pairs = pairsByQ(own, image);
  return (
    <>
      <div class="pinned-head">
        <Tag dataset={images.dataset[image]} />
        <span class="buttons">
          <button type="button" class="plain" aria-pressed={isSelected} onClick={() => tick([image], !isSelected)}>{isSelected ? "Selected" : "Select"}</button>
          {facts.like ? <button type="button" id="more-like-pinned" class="plain" onClick={() => moreLike([image], images.name(image))}>More like this</button> : null}
          <button type="button" id="unpin" class="plain" onClick={() => pin(null)}>Unpin</button>
        </span>
      </div>
      <LargePicture key={image} image={image} pairs={pairs} />
      <PinnedHeat image={image} pairs={pairs} />
      <p class="file" title={images.uri(image)}><bdi>{images.name(image)}</bdi></p>
      <GroupLine image={image} />
      <KindLine image={image} />
      <ClusterLine image={image} />
      {pairs.map((pair) => <Nearest key={pair} pair={pair} image={image} />)}
      <Columns image={image} />
    </>);
};
