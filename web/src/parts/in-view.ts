/** Knows which elements are in view, or nearly so: the others need not be painted. */
const watched = new WeakMap<Element, (isInView: boolean) => void>();

const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) watched.get(target)?.(isIntersecting);
  },
  { rootMargin: '150px' },
);

/** @returns a function that stops watching. */
export function watchInView(element: Element, tell: (isInView: boolean) => void): () => void {
  watched.set(element, tell);
  observer.observe(element);
  return () => {
    observer.unobserve(element);
    watched.delete(element);
  };
}
