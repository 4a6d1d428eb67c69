/**
 * Reads fields of a message's data. Whoever may publish to a stream may send any JSON, so every field is checked: one
 * that is missing or of another type is undefined, and shown as a dash.
 */
const MAX_TEXT = 300;

export function numberOf(data: unknown, field: string): number | undefined {
  const value = fieldOf(data, field);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

export function textOf(data: unknown, field: string): string | undefined {
  const value = fieldOf(data, field);
  return typeof value === 'string' && value !== '' ? value.slice(0, MAX_TEXT) : undefined;
}

export function fieldOf(data: unknown, field: string): unknown {
  return typeof data === 'object' && data !== null && Object.hasOwn(data, field)
    ? (data as Record<string, unknown>)[field]
    : undefined;
}
