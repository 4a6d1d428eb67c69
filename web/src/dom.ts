/** The element of an id that index.html has. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html has no #${id}`);
  return found;
}

/** The first element of a selector that index.html has. */
export function within<T extends Element = HTMLElement>(parent: ParentNode, selector: string): T {
  const found = parent.querySelector<T>(selector);
  if (found === null) throw new Error(`index.html has no ${selector} here`);
  return found;
}

/** A new element. Text is only ever set as text: messages may hold anything. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = '',
  text = '',
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  if (text !== '') made.textContent = text;
  return made;
}

/** Sets a text where it differs, so that nothing is laid out again for nothing. */
export function setText(node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** The same for the class. */
export function setClass(node: Element, className: string): void {
  if (node.className !== className) node.className = className;
}
