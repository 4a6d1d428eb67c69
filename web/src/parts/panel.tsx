/** The parts that all views are built of. */
import type { ComponentChildren } from 'preact';
import { sourceText } from '../live/words.js';
import { usePage } from '../use-page.js';

interface PanelProps {
  readonly title: string;
  readonly id: string;
  /** Shown to the right of the title. */
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
  readonly class?: string;
}

export function Panel({ title, id, aside, children, class: extra = '' }: PanelProps) {
  return (
    <section class={`panel ${extra}`} aria-labelledby={`${id}-heading`} id={id}>
      <header class="panel-head">
        <h2 id={`${id}-heading`}>{title}</h2>
        {aside !== undefined && <div class="aside">{aside}</div>}
      </header>
      {children}
    </section>
  );
}

/** The source of the data, as labelled by its publisher. */
export function Source({ source }: { readonly source: string | undefined }) {
  return <p class="source">{source === undefined ? ' ' : `Data: ${sourceText(source)}.`}</p>;
}

/** The text for a view with nothing to show: nothing yet, or nothing ever. */
export function Nothing({ stream, hint }: { readonly stream: string; readonly hint: string }) {
  const page = usePage();
  page.version;
  const presence = page.presence.get(stream) ?? 'waiting';
  const [title, text] = {
    waiting: ['Waiting for the hub', 'This page connects by itself and fills in as soon as the hub answers.'],
    reading: [`No ${stream} messages yet`, hint],
    absent: [
      `No stream “${stream}” to read`,
      'This hub has no stream of this name, or it needs a token. One can be entered in the connection panel above.',
    ],
    refused: [`The hub refuses “${stream}”`, page.refusals.get(stream) ?? ''],
  }[presence];
  return (
    <div class="nothing">
      <p class="nothing-title">{title}</p>
      <p>{text}</p>
    </div>
  );
}

/** One figure with its name. */
export function Figure(props: {
  readonly name: string;
  readonly value: string;
  readonly below?: string;
  readonly tone?: string;
}) {
  return (
    <div class="figure">
      <dt>{props.name}</dt>
      <dd class={`figure-value ${props.tone ?? ''}`}>{props.value}</dd>
      <dd class="figure-below">{props.below ?? ' '}</dd>
    </div>
  );
}

/** A choice between a few options. */
export function Chips<Value extends string>(props: {
  readonly label: string;
  readonly values: readonly (readonly [Value, string])[];
  readonly value: Value;
  readonly onChange: (value: Value) => void;
}) {
  return (
    <fieldset class="chips">
      <legend class="hidden">{props.label}</legend>
      {props.values.map(([value, text]) => (
        <button
          type="button"
          key={value}
          class="chip"
          aria-pressed={value === props.value}
          onClick={() => props.onChange(value)}
        >
          {text}
        </button>
      ))}
    </fieldset>
  );
}

/** Content that may be longer than its panel. It takes the focus, so that keys scroll it. */
export function Scroll({
  label,
  children,
}: {
  readonly label: string;
  readonly children: ComponentChildren;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the only way to scroll it without a pointer
    <section class="scroll" aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}
