// The two numbers of each of two datasets: listed as it is, and style aside.
import type { ComponentChildren, JSX } from "preact";
import type { Reading } from "../data/facts.ts";
import { bothWays, datasetName, facts } from "../data/facts.ts";
import { basisSentence, readingSuffix, shareListed, shareUnlike } from "../data/numbers.ts";
import { levelNumber, pair, reading, show } from "../state/state.ts";
import { PinButton } from "./PinButton.tsx";
import { Tag } from "./Picture.tsx";

interface FigureProps {
  pair: number;
  reading: Reading;
  level: number;
  label: string;
  children?: ComponentChildren;
}

// A number that opens what it is the number of, where that is listed.
const Figure = ({ pair: own, reading: ofReading, level, label, children }: FigureProps): JSX.Element => {
  const isShown = pair.value === own && reading.value === ofReading && levelNumber.value === level;
  const parts = (
    <>
      <strong class="big">{shareListed(level, own, ofReading)}</strong><span>{label}</span>
      <span class="quiet">at {facts.levels[level].name}</span>{children}
    </>);
  if (!facts.readings.includes(ofReading)) return <div class="figure">{parts}</div>;
  return (
    <button
      type="button" class="figure" aria-pressed={isShown} data-figure={`${own} ${ofReading}`}
      onClick={() => show({ pair: own, level, reading: ofReading })}
    >{parts}</button>);
};

/** The first images of what a pair lists, in a report without kinds. */
export const FirstPictures = ({ pair: own }: { pair: number }): JSX.Element | null => {
  const { pictures, isRanking, reading: ofReading, level } = facts.openings[own];
  if (!pictures.length || facts.kinds.length) return null;
  const [query, reference] = facts.pairs[own].map(datasetName);
  const where = `${facts.levels[level].name}${readingSuffix(ofReading)}`;
  return (
    <div class="first-pictures">
      <p class="quiet caption">{isRanking ? `First of the ranking at ${where}; none is sure:` : `First of the list at ${where}:`}</p>
      <div class="pictures" role="group" aria-label={`First images of ${query} against ${reference}`}>
        {pictures.map((image) => <PinButton key={image} image={image} box={88} />)}
      </div>
    </div>);
};

const Card = ({ pair: own }: { pair: number }): JSX.Element => {
  const [query, reference] = facts.pairs[own];
  const { asIs, styleAside } = facts.openings[own];
  const [alert, sentence] = facts.heads[own];
  const unlike = shareUnlike(asIs, own, "as-is");
  return (
    <li class="lead-card">
      <p class="lead-title"><Tag dataset={query} /><span> images that </span><Tag dataset={reference} /><span> lacks</span></p>
      {alert ? <p class="alert"><bdi>{alert}</bdi></p> : null}
      <div class="figures">
        <Figure pair={own} reading="as-is" level={asIs} label="as it is">
          {unlike ? <span class="quiet">share not like the reference: {unlike}</span> : null}
        </Figure>
        {styleAside === null ? null : (
          <Figure pair={own} reading="style-aside" level={styleAside} label="with each set's overall look taken out">
            <span class="quiet">{basisSentence(styleAside, own)}</span>
          </Figure>)}
      </div>
      {sentence ? <p class="sentence"><bdi>{sentence}</bdi></p> : null}
      <FirstPictures pair={own} />
    </li>);
};

/** A card for each way round of a pair. */
export const LeadCards = (): JSX.Element => (
  <ul id="lead-pairs">{bothWays(pair.value).map((own) => <Card key={own} pair={own} />)}</ul>);
