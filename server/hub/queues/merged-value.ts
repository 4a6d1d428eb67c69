type Fields = Readonly<Record<string, unknown>>;

/**
 * The newest state of a key whose publisher sends only what has changed: each object's top-level fields are laid over
 * those before. Anything that is not an object replaces whatever there was, and is replaced by whatever follows.
 */
export class MergedValue {
  #text: string;
  /** The fields of {@link text}; made when a second object comes. */
  #fields: Fields | undefined;

  /** @param text JSON */
  constructor(text: string) {
    this.#text = text;
  }

  /** JSON. */
  get text(): string {
    return this.#text;
  }

  /** @param text JSON */
  add(text: string): void {
    const newer = fieldsOf(text);
    const older = newer && (this.#fields ?? fieldsOf(this.#text));
    // A spread copies a field named `__proto__` like any other.
    this.#fields = older === undefined ? newer : { ...older, ...newer };
    this.#text = older === undefined ? text : JSON.stringify(this.#fields);
  }
}

/** The fields of a JSON object; undefined for any other value. */
function fieldsOf(text: string): Fields | undefined {
  return /^\s*\{/.test(text) ? (JSON.parse(text) as Fields) : undefined;
}
