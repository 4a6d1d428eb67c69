/** Positions in the write-ahead log of PostgreSQL: `16/B374D848`, two halves of a 64-bit number. */

export function parseLsn(text: string): bigint {
  const [high = '', low = ''] = text.split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

/** Padded with zeros, so that texts sort in the order of the positions. */
export function lsnText(lsn: bigint): string {
  const hex = lsn.toString(16).toUpperCase().padStart(16, '0');
  return `${hex.slice(0, 8)}/${hex.slice(8)}`;
}
