// A picture that pins its image.
import type { ComponentChildren, JSX } from "preact";
import { images } from "../data/images.ts";
import { scrollBehavior } from "../motion.ts";
import { pin } from "../state/state.ts";
import { Boxed } from "./Picture.tsx";

// Where there is room, the pinned image stands beside the map; elsewhere it comes up from below wherever one is.
const isBesideMap = (): boolean => matchMedia("(min-width: 701px)").matches;

/** Shows the map if not enough of it is in the window; what is seen already does not move. */
const showMap = (): void => {
  const stage = document.querySelector(".stage");
  if (!stage || !isBesideMap()) return;
  const { top } = stage.getBoundingClientRect();
  if (top >= 0 && top < innerHeight / 3) return;
  stage.scrollIntoView({ behavior: scrollBehavior(), block: "start" });
};

interface PinButtonProps {
  image: number;
  /** Longer side of the picture on the page, in pixels. */
  box: number;
  /** What lies over the picture, such as a heat map. */
  over?: ComponentChildren;
}

/** A picture whose click pins its image beside the map. */
export const PinButton = ({ image, box, over }: PinButtonProps): JSX.Element => (
  <button
    type="button" class="neighbor" title={images.name(image)} aria-label={`Pin ${images.name(image)}`}
    onClick={() => {
      pin(image);
      showMap();
    }}
  ><Boxed image={image} box={box}>{over}</Boxed></button>);
