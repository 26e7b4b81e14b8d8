// The filter of a column of texts.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { ColumnValues } from "../../data/columns.ts";
import { MISSING, OTHER } from "../../data/columns.ts";
import type { TextColumn } from "../../data/facts.ts";
import { formatCount, shorten } from "../../format.ts";
import type { ColumnFilter } from "../../state/filters.ts";
import { columnValues, filters, setColumnFilter, wantColumn } from "../../state/filters.ts";
import { Card } from "./Card.tsx";
import { countPlaces, largestShare, selectPlaces, useCounts } from "./counts.ts";
import { Row, Rows } from "./Row.tsx";

const ROWS = 10;
const MATCHES = 50;

const codesOf = (filter: ColumnFilter | undefined): ReadonlySet<number> => (filter?.kind === "texts" ? filter.codes : new Set());

interface ValuesProps {
  head: TextColumn;
  values: ColumnValues;
  isNear: boolean;
}

const Values = ({ head, values, isNear }: ValuesProps): JSX.Element => {
  const [find, setFind] = useState("");
  const { name, texts } = head;
  const filter = `column:${name}`;
  const checked = codesOf(filters.value.columns.get(name));
  // Rare and missing texts stand behind the others.
  const placeOf = (code: number): number => (code === MISSING ? texts.length + 1 : code === OTHER ? texts.length : code);
  const counts = useCounts(isNear, () => countPlaces(filter, texts.length + 2, (image, count) => count(placeOf(values[image]))));
  const wanted = find.trim().toLowerCase();
  const found = wanted === "" ? null : [...texts.keys()].filter((code) => texts[code].toLowerCase().includes(wanted));
  const usual = [...texts.keys()].filter((code) => code < ROWS || checked.has(code));
  const codes = found?.slice(0, MATCHES) ?? [...usual, ...(head.other ? [OTHER] : []), ...(head.missing ? [MISSING] : [])];
  const full = largestShare(counts, codes.map(placeOf));
  const check = (code: number, isChecked: boolean): void => {
    const changed = new Set(codesOf(filters.peek().columns.get(name)));
    if (isChecked) changed.add(code);
    else changed.delete(code);
    setColumnFilter(name, changed.size ? { kind: "texts", codes: changed } : null);
  };
  return (
    <>
      {texts.length > ROWS && (
        <input
          type="search" class="filter-find" placeholder={`Find among ${formatCount(texts.length)}`} aria-label={`Find a value of ${shorten(name)}`}
          autocomplete="off" spellcheck={false} value={find} onInput={(event) => setFind(event.currentTarget.value)}
        />)}
      <Rows>
        {codes.map((code) => {
          const text = code === MISSING ? "missing" : code === OTHER ? "rare values" : texts[code].trim() || "(empty)";
          return (
            <Row
              key={code} text={text} counts={counts} place={placeOf(code)} full={full}
              isChecked={checked.has(code)} isOut={checked.size > 0 && !checked.has(code)} onCheck={(isChecked) => check(code, isChecked)}
              onSelect={(event) => selectPlaces(filter, `${shorten(name)}: ${shorten(text)}`, event, (image) => values[image] === code)}
            >{text === texts[code] ? undefined : <em>{text}</em>}</Row>);
        })}
      </Rows>
      {found?.length === 0 && <p class="quiet filter-note">No value has this text.</p>}
      {found && found.length > MATCHES && <p class="quiet filter-note">The first {MATCHES} of {formatCount(found.length)}.</p>}
    </>);
};

export const TextCard = ({ head }: { head: TextColumn }): JSX.Element => (
  <Card title={head.name} filters={[`column:${head.name}`]} onSeen={() => wantColumn(head.name)}>
    {(isNear) => {
      const values = columnValues.value.get(head.name);
      return values ? <Values head={head} values={values} isNear={isNear} /> : <p class="filter-wait" />;
    }}
  </Card>);
