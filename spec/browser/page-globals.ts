/** What functions that run inside a page use of it. The specs themselves are compiled without a browser's types. */
export interface PageGlobals {
  readonly document: {
    readonly documentElement: { readonly scrollWidth: number };
    getElementById(id: string): { readonly textContent: string } | null;
  };
  readonly innerWidth: number;
  readonly localStorage: { setItem(key: string, value: string): void };
  readonly PerformanceObserver: new (
    take: (list: { getEntries(): readonly unknown[] }) => void,
  ) => { observe(options: { type: string; buffered: boolean }): void };
  requestAnimationFrame(run: (now: number) => void): void;
}
