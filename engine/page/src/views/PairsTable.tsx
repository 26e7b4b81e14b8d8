// Three or more datasets: a row per ordered pair, which chooses what the page shows.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Reading } from "../data/facts.ts";
import { datasetName, facts } from "../data/facts.ts";
import { isBeyondNoise, shareListed, tableValue, unlikeInterval } from "../data/numbers.ts";
import { formatCount, formatPercent } from "../format.ts";
import { levelNumber, pair, reading, show } from "../state/state.ts";
import { FirstPictures } from "./LeadCards.tsx";
import { Tag } from "./Picture.tsx";
import type { Sort } from "./SortHead.tsx";
import { SortHead, compareIn } from "./SortHead.tsx";

const COLUMNS = [
  ["as-is", "listed as it is", "as-is"],
  ["style-aside", "listed style aside", "style-aside"],
  ["unlike", "share not like the reference", "share-outside"],
  ["noise", "differs beyond noise", "beyond-noise"],
  ["kinds", "kinds found", "kind"],
] as const;

const kindCount = (own: number): number => facts.kinds.filter((kind) => kind.pair === own).length;

/** What a column sorts a pair by. */
const sortValue = (own: number, by: string): number | null => {
  const { asIs, styleAside } = facts.openings[own];
  switch (by) {
    case "as-is": return tableValue(asIs, own, "outlier_share", "as-is");
    case "style-aside": return styleAside === null ? null : tableValue(styleAside, own, "outlier_share", "style-aside");
    case "unlike": return tableValue(asIs, own, "share_outside", "as-is");
    case "noise": return { true: 1, false: 0, null: null }[String(isBeyondNoise(asIs, own, "as-is")) as "true" | "false" | "null"];
    case "kinds": return kindCount(own);
    default: return own;
  }
};

// A share that opens its level in its reading, where that is listed.
const Listed = ({ own, ofReading, level }: { own: number; ofReading: Reading; level: number | null }): JSX.Element => {
  if (level === null) return <>–</>;
  const { name } = facts.levels[level];
  const share = shareListed(level, own, ofReading);
  const text = <><strong>{share}</strong> <span class="quiet">at {name}</span></>;
  if (!facts.readings.includes(ofReading)) return text;
  const isShown = pair.value === own && reading.value === ofReading && levelNumber.value === level;
  return (
    <button
      type="button" class="figure-cell" aria-pressed={isShown} data-figure={`${own} ${ofReading}`}
      onClick={() => show({ pair: own, level, reading: ofReading })}
    >{text}</button>);
};

const Unlike = ({ own }: { own: number }): JSX.Element => {
  const { asIs } = facts.openings[own];
  const share = tableValue(asIs, own, "share_outside", "as-is");
  const interval = unlikeInterval(asIs, own, "as-is");
  if (share === null) return <>–</>;
  return <>{formatPercent(share)}{interval ? <> <span class="quiet">{interval}</span></> : null}</>;
};

const noiseText = (own: number): string => {
  const isBeyond = isBeyondNoise(facts.openings[own].asIs, own, "as-is");
  if (isBeyond === null) return "–";
  return isBeyond ? "yes" : "no";
};

const Row = ({ own }: { own: number }): JSX.Element => {
  const [query, reference] = facts.pairs[own];
  const { asIs, styleAside } = facts.openings[own];
  const [alert] = facts.heads[own];
  const cells = [
    <Listed key="as-is" own={own} ofReading="as-is" level={asIs} />,
    <Listed key="style-aside" own={own} ofReading="style-aside" level={styleAside} />,
    <Unlike key="unlike" own={own} />, noiseText(own), formatCount(kindCount(own)),
  ];
  return (
    <tr
      role="row" class={own === pair.value ? "current" : undefined} data-pair={own}
      onClick={({ target }) => {
        if (!(target as Element).closest("button")) show({ pair: own });
      }}
    >
      <th scope="row" role="rowheader">
        <button type="button" class="choose-pair" aria-pressed={own === pair.value} onClick={() => show({ pair: own })}>
          <Tag dataset={query} /><span class="quiet">against</span><Tag dataset={reference} />
        </button>
        {alert ? <p class="alert"><bdi>{alert}</bdi></p> : null}
      </th>
      {cells.map((cell, column) => (
        <td key={COLUMNS[column][0]} role="cell"><span class="label quiet" aria-hidden="true">{COLUMNS[column][1]}</span><span>{cell}</span></td>))}
    </tr>);
};

/** All ordered pairs; a row shows its pair everywhere on the page. */
export const PairsTable = (): JSX.Element => {
  const [sort, setSort] = useState<Sort>({ by: "pair", isDescending: false });
  const order = facts.pairs.map((_, own) => own).sort((a, b) => compareIn(sort, sortValue(a, sort.by), sortValue(b, sort.by)) || a - b);
  const [query, reference] = facts.pairs[pair.value].map(datasetName);
  const box = useRef<HTMLDivElement>(null);
  const shown = pair.value;
  // The row of the pair that is shown is in sight; the page stays where it is.
  useEffect(() => {
    const row = box.current?.querySelector<HTMLElement>("tr.current");
    if (!box.current || !row) return;
    const [outer, inner] = [box.current.getBoundingClientRect(), row.getBoundingClientRect()];
    const head = box.current.querySelector("thead")!.getBoundingClientRect().height;
    if (inner.top < outer.top + head) box.current.scrollTop -= outer.top + head - inner.top;
    else if (inner.bottom > outer.bottom) box.current.scrollTop += inner.bottom - outer.bottom;
  }, [shown]);
  return (
    <>
      <div ref={box} class="scroller pairs-box" role="region" aria-label="Pairs of datasets" tabIndex={0}>
        <table id="pairs-table" role="table">
          <thead role="rowgroup">
            <tr role="row">
              <SortHead by="pair" label="pair" word="pair" sort={sort} onSort={setSort} />
              {COLUMNS.map(([by, label, word]) => (
                <SortHead key={by} by={by} label={label} word={word} sort={sort} onSort={setSort} isNumber />))}
            </tr>
          </thead>
          <tbody role="rowgroup">{order.map((own) => <Row key={own} own={own} />)}</tbody>
        </table>
      </div>
      <p class="visually-hidden" aria-live="polite">Shown: {query} against {reference}</p>
      <FirstPictures pair={pair.value} />
    </>);
};
