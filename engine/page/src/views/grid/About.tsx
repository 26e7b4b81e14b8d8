// What the grid's pictures are, in a title and a note.
import type { JSX } from "preact";
import { basisSentence, readingSuffix, tableValue } from "../../data/numbers.ts";
import { datasetName, facts } from "../../data/facts.ts";
import { imagesWhere, rowUnits, unit } from "../../data/images.ts";
import { formatCount, formatImages, formatPercent } from "../../format.ts";
import { isRanking, sort } from "../../state/grid.ts";
import { like } from "../../state/like.ts";
import { level, pair, reading, scope, selection } from "../../state/state.ts";
import { Tag } from "../Picture.tsx";
import { Word } from "../Word.tsx";

const levelName = (): string => facts.levels[level.value!.number].name;
const pairName = (): string => facts.pairs[pair.value].map(datasetName).join("-vs-");
const isAside = (): boolean => reading.value === "style-aside";

interface AboutProps {
  title: JSX.Element;
  note: JSX.Element | string;
}

const Text = ({ title, note }: AboutProps): JSX.Element => (
  <>
    <p id="grid-what">{title}</p>
    <p id="grid-note" class="quiet">{note}</p>
  </>);

const Place = (): JSX.Element => <>{` at ${levelName()}${readingSuffix(reading.value)}`}</>;

const RankingText = (): JSX.Element => {
  const [query, reference] = facts.pairs[pair.value];
  const limit = facts.limits[pair.value];
  const why = limit ? `${limit}. Here is the ranking.` : basisSentence(level.value!.number, pair.value);
  const more = isAside() ? ` More of it: manifests/${levelName()}.${pairName()}.style-aside.csv` : "";
  return (
    <Text
      title={<>Ranking of <Tag dataset={query} /> against <Tag dataset={reference} /><Place /></>}
      note={<bdi>{`${why} None of these is sure: they stand out most, and as many would where nothing differs.${more}`}</bdi>}
    />);
};

const listNote = (): string => {
  const list = level.value!.lists[pair.value];
  const at = level.value!.number;
  const value = (name: string): number | null => tableValue(at, pair.value, name, reading.value);
  const [query, reference] = facts.pairs[pair.value];
  if (!list.total) return `No ${datasetName(query)} image is listed as an outlier against ${datasetName(reference)} at this level.`;
  const all = value("groups");
  const groups = all === null || all === value("images") ? null : value("outlier_groups");
  const shown = list.entries.length < list.total ? `${formatCount(list.entries.length)} of ${formatCount(list.total)}` : formatCount(list.total);
  const isOne = list.total === 1;
  const counted = groups === null ? `${shown} ${datasetName(query)} ${isOne ? facts.datasets[query].rowUnit : rowUnits(query)}`
    : `${formatCount(groups)} ${datasetName(query)} ${unit(query, groups)}, ${shown} ${rowUnits(query)} in all,`;
  const few = facts.limits[pair.value] ? `${facts.limits[pair.value]}. ` : "";
  const basis = isAside() ? `${basisSentence(at, pair.value)} ` : "";
  const isSuggested = isAside() && facts.styleAside[at][pair.value].basis === "suggested";
  const what = isSuggested ? `whose content ${datasetName(reference)} seems to lack` : `that ${isOne ? "is" : "are"} outside ${datasetName(reference)} or under-represented in it`;
  const file = `manifests/${levelName()}.${pairName()}${isAside() ? ".style-aside" : ""}${groups === null ? "" : ".groups"}.csv`;
  return `${few}${basis}${counted} ${what}. The whole list: ${file}`;
};

const ListText = (): JSX.Element => {
  const [query, reference] = facts.pairs[pair.value];
  return (
    <Text
      title={<>Worst <Word id="outlier">outliers</Word> of <Tag dataset={query} /> against <Tag dataset={reference} /><Place /></>}
      note={<bdi>{listNote()}</bdi>}
    />);
};

// The images of the kind that is selected: those that the level lists, then the others.
const KindText = ({ kind: number }: { kind: number }): JSX.Element => {
  const kind = facts.kinds[number];
  const [query, reference] = facts.pairs[kind.pair];
  const all = imagesWhere((image) => selection.value.images.has(image));
  const listed = new Set(level.value!.lists[kind.pair].entries.map(({ image }) => image));
  const count = all.filter((image) => listed.has(image)).length;
  return (
    <Text
      title={<>{`${kind.id}, `}<bdi>{kind.name}</bdi>: <Tag dataset={query} /> against <Tag dataset={reference} /><Place /></>}
      note={`${formatCount(count)} of the ${formatCount(all.length)} images of this kind on this page are listed at this level. All of them: manifests/kinds.csv`}
    />);
};

const LikeText = (): JSX.Element => {
  const found = like.value!;
  const { name } = facts.levels[found.level];
  return (
    <Text
      title={<>{"Like "}<bdi>{found.of}</bdi>{` at ${name}${readingSuffix(found.reading)}`}</>}
      note={(
        <>
          {`The nearest images of each dataset among all that are on this page. They are found by shortened vectors, which find ${formatPercent(found.recall)} of an image's ten nearest.`}
          {found.level === level.value!.number && found.reading === reading.value ? "" : ` Ranks and scores are those at ${levelName()}${readingSuffix(reading.value)}.`}
        </>)}
    />);
};

const SelectedText = (): JSX.Element => (
  <Text
    title={selection.value.images.size ? <>Selected: <bdi>{selection.value.label}</bdi></> : <>Nothing is selected</>}
    note={selection.value.images.size ? `Ranks and scores are those at ${levelName()}${readingSuffix(reading.value)}.`
      : "Tick pictures, draw around points on the map, search, or click a bar: what is selected is shown here."}
  />);

const AllText = (): JSX.Element => (
  <Text
    title={<>All images on this page<Place /></>}
    note={facts.placed > facts.drawn
      ? `The page shows the best-ranked outliers and a random sample of ${formatImages(facts.placed)}.`
      : sort.value === "rank" ? "What is listed comes first, then what stands out most." : ""}
  />);

export const About = (): JSX.Element | null => {
  const own = level.value;
  if (!own) return null;
  const { kind, images: chosen } = selection.value;
  if (scope.value === "all") return <AllText />;
  if (scope.value === "selected") {
    if (kind !== null && chosen.size) return <KindText kind={kind} />;
    return like.value ? <LikeText /> : <SelectedText />;
  }
  if (!own.lists.length) return <Text title={<>Worst outliers</>} note="A single dataset has nothing to be compared with." />;
  return isRanking.value ? <RankingText /> : <ListText />;
};
