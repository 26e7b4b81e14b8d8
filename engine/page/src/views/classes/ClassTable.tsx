// The table of classes: sorted by any column, found by name; a click selects the images of a class.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { csvText, download } from "../../csv.ts";
import type { ClassRow, Classes } from "../../data/classes.ts";
import { countOnPage } from "../../data/classes.ts";
import { datasetName, facts } from "../../data/facts.ts";
import { formatCount, formatPercent, shorten } from "../../format.ts";
import type { ClassKey } from "../../state/classes.ts";
import { classFind, classSort, shownClasses } from "../../state/classes.ts";
import { levelNumber, pair, reading, selectClass, selection } from "../../state/state.ts";
import { IntervalBar } from "../IntervalBar.tsx";
import { SelectedHint } from "../SelectedHint.tsx";
import { Swatch } from "../Picture.tsx";
import { SortHead } from "../SortHead.tsx";

/** So many rows at first, and so many more with each click. */
const ROWS = 200;

const percent = (share: number | null): string => (share === null ? "–" : formatPercent(share));

const interval = ({ gapLow, gapHigh }: ClassRow): string => (
  gapLow === null || gapHigh === null ? "" : `${formatPercent(gapLow)} to ${formatPercent(gapHigh)}`);

const noise = ({ images, beyond }: ClassRow): string => {
  if (beyond !== null) return beyond ? "yes" : "no";
  return images ? "too few" : "–";
};

// The dataset that alone has the class; null where both have it.
const onlyIn = ({ images, referenceImages }: ClassRow): number | null => {
  const [query, reference] = facts.pairs[pair.value];
  if (!referenceImages) return query;
  return images ? null : reference;
};

const Gap = ({ row }: { row: ClassRow }): JSX.Element => {
  if (row.gap === null) return <>–</>;
  return (
    <span class="gap-cell">
      <span><strong>{formatPercent(row.gap)}</strong> <span class="quiet">{interval(row)}</span></span>
      <IntervalBar value={row.gap} low={row.gapLow} high={row.gapHigh} isPale={row.beyond !== true} />
    </span>);
};

const Count = ({ images, groups, unit }: { images: number; groups: number; unit: string }): JSX.Element => (
  <>{formatCount(images)}{groups === images ? null : <span class="quiet"> ({formatCount(groups)} {groups === 1 ? unit : `${unit}s`})</span>}</>);

interface Column {
  by: ClassKey;
  label: string;
  word: string;
  cell: (row: ClassRow) => JSX.Element | string;
}

const columnsOf = (rows: readonly ClassRow[]): Column[] => {
  const [query, reference] = facts.pairs[pair.value];
  const [unit, referenceUnit] = [query, reference].map((dataset) => facts.datasets[dataset].unit);
  const hasProbe = rows.some(({ accuracy }) => accuracy !== null);
  return [
    { by: "gap", label: "gap", word: "class-gap", cell: (row) => <Gap row={row} /> },
    { by: "noise", label: "beyond noise", word: "beyond-noise", cell: noise },
    { by: "images", label: `in ${datasetName(query)}`, word: "images", cell: ({ images, groups }) => <Count images={images} groups={groups} unit={unit} /> },
    {
      by: "reference", label: `in ${datasetName(reference)}`, word: "reference-images",
      cell: ({ referenceImages, referenceGroups }) => <Count images={referenceImages} groups={referenceGroups} unit={referenceUnit} />,
    },
    { by: "listed", label: "share listed", word: "outlier-share", cell: ({ shareListed }) => percent(shareListed) },
    {
      by: "nearest", label: "nearest class", word: "nearest-class",
      cell: ({ nearest, nearestShare }) => (nearest === null ? "–" : <><bdi class="class-text">{shorten(nearest)}</bdi> <span class="quiet">{percent(nearestShare)}</span></>),
    },
    ...(hasProbe ? [
      { by: "accuracy", label: "probe", word: "probe", cell: ({ accuracy }) => percent(accuracy) },
      { by: "ceiling", label: "of the ceiling", word: "ceiling", cell: ({ shareOfCeiling }) => percent(shareOfCeiling) },
    ] satisfies Column[] : []),
  ];
};

const Row = ({ row, columns, onPage }: { row: ClassRow; columns: Column[]; onPage: number }): JSX.Element => {
  const isSelected = selection.value.className === row.name;
  const only = onlyIn(row);
  return (
    <tr
      role="row" class={isSelected ? "current" : undefined} data-class={row.name}
      onClick={({ target }) => {
        if (onPage && !(target as Element).closest("button")) selectClass(row.name);
      }}
    >
      <th scope="row" role="rowheader">
        <button
          type="button" class="choose-class" aria-pressed={isSelected} disabled={!onPage} onClick={() => selectClass(row.name)}
          title={onPage ? `Select its ${formatCount(onPage)} on this page` : "None of its images is on this page"}
        ><bdi class="class-text">{row.name}</bdi></button>
        {only === null ? null : <span class="only-in"><Swatch dataset={only} /> only in <bdi>{datasetName(only)}</bdi></span>}
      </th>
      {columns.map(({ by, label, cell }) => (
        <td key={by} role="cell" class={by === "nearest" ? "text" : undefined}><span class="label quiet" aria-hidden="true">{label}</span><span>{cell(row)}</span></td>))}
    </tr>);
};

const number = (value: number | null): string => (value === null ? "" : String(Number(value.toPrecision(6))));

const saveCsv = (rows: readonly ClassRow[]): void => {
  const [query, reference] = facts.pairs[pair.value].map(datasetName);
  const { name } = facts.levels[levelNumber.value];
  const head = [
    "query", "reference", "reading", "level", "class", "images", "groups", "reference_images", "reference_groups", "share_listed", "gap",
    "gap_low", "gap_high", "beyond_noise", "nearest_class", "nearest_share", "probe_accuracy", "probe_share_of_ceiling",
  ];
  const lines = rows.map((row) => [
    query, reference, reading.value, name, row.name, ...[row.images, row.groups, row.referenceImages, row.referenceGroups].map(String),
    ...[row.shareListed, row.gap, row.gapLow, row.gapHigh].map(number), row.beyond === null ? "" : String(row.beyond),
    row.nearest ?? "", ...[row.nearestShare, row.accuracy, row.shareOfCeiling].map(number),
  ]);
  download(`gapscope-classes-${name}-${reading.value}.csv`, csvText([head, ...lines]), "text/csv");
};

interface ClassTableProps {
  classes: Classes;
  /** All classes of the pair, in any order. */
  rows: readonly ClassRow[];
  /** Whether the rows are of the level that was shown before. */
  isStale: boolean;
}

export const ClassTable = ({ classes, rows, isStale }: ClassTableProps): JSX.Element => {
  const [limit, setLimit] = useState(ROWS);
  const [find, sort] = [classFind.value, classSort.value];
  useEffect(() => setLimit(ROWS), [find, sort, pair.value]);
  const shown = shownClasses(rows, find, sort);
  const onPage = countOnPage(classes);
  const numberOf = new Map(classes.names.map((name, at) => [name, at]));
  const columns = columnsOf(rows);
  const onSort = ({ by, isDescending }: { by: string; isDescending: boolean }): void => {
    classSort.value = { by: by as ClassKey, isDescending };
  };
  return (
    <div class={isStale ? "stale" : undefined}>
      <p class="table-tools">
        <input
          type="search" id="find-class" class="filter-find" placeholder="Find a class" aria-label="Find a class by a part of its name" autocomplete="off" spellcheck={false}
          value={find} onInput={(event) => { classFind.value = event.currentTarget.value; }}
        />
        <label class="sort-choice quiet">Sort by{" "}
          <select
            value={sort.by} onChange={(event) => {
              const by = event.currentTarget.value as ClassKey;
              onSort({ by, isDescending: by !== "name" && by !== "nearest" });
            }}
          >
            <option value="name">class</option>
            {columns.map(({ by, label }) => <option key={by} value={by}>{shorten(label)}</option>)}
          </select>
        </label>
        <span id="classes-shown" class="quiet" role="status">
          {shown.length > limit ? `Showing ${formatCount(limit)} of ${formatCount(shown.length)}`
            : shown.length === rows.length ? `${formatCount(shown.length)} in all` : `${formatCount(shown.length)} of ${formatCount(rows.length)}`}
        </span>
        <SelectedHint />
      </p>
      <div class="scroller class-box" role="region" aria-label="Table of classes" tabIndex={0}>
        <table id="class-table" role="table">
          <thead role="rowgroup">
            <tr role="row">
              <SortHead by="name" label="class" word="class" sort={sort} onSort={onSort} />
              {columns.map(({ by, label, word }) => (
                <SortHead key={by} by={by} label={shorten(label, 40)} word={word} sort={sort} onSort={onSort} isNumber={by !== "nearest"} />))}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {shown.slice(0, limit).map((row) => <Row key={row.name} row={row} columns={columns} onPage={onPage[numberOf.get(row.name)!]} />)}
          </tbody>
        </table>
        {shown.length ? null : <p class="none-found quiet">No class has this in its name.</p>}
      </div>
      <p class="buttons">
        {shown.length > limit ? <button type="button" id="more-classes" class="plain" onClick={() => setLimit(limit + ROWS)}>Show {formatCount(Math.min(ROWS, shown.length - limit))} more</button> : null}
        <button type="button" id="save-classes" class="plain" onClick={() => saveCsv(shown)}>Save CSV</button>
      </p>
    </div>);
};
