/** Lets the keyboard into a part that scrolls, for as long as there is something to scroll. */
export function watchScroller(part: HTMLElement): void {
  const update = () => {
    const overflows = part.scrollHeight > part.clientHeight + 1 || part.scrollWidth > part.clientWidth + 1;
    if (overflows) part.tabIndex = 0;
    else part.removeAttribute('tabindex');
  };
  const observer = new ResizeObserver(update);
  observer.observe(part);
  for (const child of part.children) observer.observe(child);
  new MutationObserver(update).observe(part, { childList: true });
}
