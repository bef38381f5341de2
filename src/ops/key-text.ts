import { createHash, randomBytes } from 'node:crypto';

/** A key as its owner holds it: `kith_<id>_<secret>`, so that scanners for leaked secrets can tell it. */
export interface KeyText {
  readonly id: string;
  readonly secret: string;
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const KEY = /^kith_(?<id>[a-z2-7]{10})_(?<secret>[A-Za-z0-9_-]{43})$/;

const newId = (): string => [...randomBytes(10)].map((byte) => ALPHABET[byte % 32]).join('');

/** A new key: 50 random bits to find it by, 256 to prove it by. */
export function makeKey(): KeyText {
  return { id: newId(), secret: randomBytes(32).toString('base64url') };
}

export function printKey({ id, secret }: KeyText): string {
  return `kith_${id}_${secret}`;
}

/** The parts of a presented key; null when it cannot be one. */
export function parseKey(text: string): KeyText | null {
  const groups = KEY.exec(text.trim())?.groups;
  return groups === undefined ? null : { id: groups.id ?? '', secret: groups.secret ?? '' };
}

export function keyDigest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
