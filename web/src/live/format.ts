/** Numbers and times as the page writes them. */
export const NONE = '–';

const integer = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const two = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const four = new Intl.NumberFormat('en', { minimumFractionDigits: 4, maximumFractionDigits: 4 });
const one = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const signed = new Intl.NumberFormat('en', {
  minimumFractionDigits: 2,
  maximumFractionDigits: 2,
  signDisplay: 'exceptZero',
});
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

type Maybe = number | undefined;

function write(value: Maybe, format: (value: number) => string): string {
  return value === undefined ? NONE : format(value).replace('-', '−');
}

export const count = (value: Maybe) => write(value, (n) => integer.format(n));
export const decimal = (value: Maybe) => write(value, (n) => one.format(n));
export const amount = (value: Maybe) =>
  write(value, (n) => (Math.abs(n) < 1 && n !== 0 ? four : two).format(n));
export const signedAmount = (value: Maybe) => write(value, (n) => signed.format(n));
export const percent = (value: Maybe) => write(value, (n) => `${one.format(n)}%`);
/** Takes a fraction: 0.2 is 20 %. */
export const percentOf = (fraction: Maybe) => percent(fraction === undefined ? undefined : fraction * 100);
export const signedPercent = (value: Maybe) => write(value, (n) => `${signed.format(n)}%`);
export const megabytes = (bytes: Maybe) => write(bytes, (n) => `${integer.format(n / 2 ** 20)} MB`);
export const milliseconds = (ms: Maybe) => write(ms, (n) => `${one.format(n)} ms`);
export const timeOfDay = (ms: number) => clock.format(ms);

/** `3 messages`, `1 message`. */
export function messages(n: number): string {
  return `${count(n)} ${n === 1 ? 'message' : 'messages'}`;
}

/** The time since then, in seconds, minutes or hours. */
export function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 2) return 'now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return `${Math.floor(seconds / 3600)} h ago`;
}

/** `up`, `down` or nothing: a class name for a number with a direction. */
export function direction(value: Maybe): 'up' | 'down' | '' {
  if (value === undefined || value === 0) return '';
  return value > 0 ? 'up' : 'down';
}
