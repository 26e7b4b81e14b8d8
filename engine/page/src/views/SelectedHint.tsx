// What a click far below the grid has selected, and the way to it.
import type { JSX } from "preact";
import { formatImages } from "../format.ts";
import { selection } from "../state/state.ts";

export const SelectedHint = (): JSX.Element => {
  const { images, label } = selection.value;
  return (
    <span class="selected-hint" role="status">
      {images.size ? <><strong>{formatImages(images.size)} selected</strong>: <bdi class="class-text">{label}</bdi>. <a href="#grid">See them</a></> : null}
    </span>);
};
