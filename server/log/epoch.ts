import { randomInt } from 'node:crypto';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const LENGTH = 6;

/** A new epoch: six random letters and digits, 57 billion possibilities. */
export function newEpoch(): string {
  let number = randomInt(ALPHABET.length ** LENGTH);
  let epoch = '';
  while (epoch.length < LENGTH) {
    epoch += ALPHABET[number % ALPHABET.length];
    number = Math.floor(number / ALPHABET.length);
  }
  return epoch;
}
