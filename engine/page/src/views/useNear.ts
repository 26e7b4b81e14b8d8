// Tells when an element first comes near the window, so that what it shows is loaded and drawn only then.
import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

/** Returns a place for the element, and whether it has been near the window. */
export const useNear = <T extends Element>(): [RefObject<T | null>, boolean] => {
  const element = useRef<T>(null);
  const [isNear, setNear] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver((seen) => {
      if (!seen.some(({ isIntersecting }) => isIntersecting)) return;
      setNear(true);
      observer.disconnect();
    }, { rootMargin: "600px" });
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, []);
  return [element, isNear];
};
