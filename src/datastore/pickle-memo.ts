import type { Encoding } from './pickle-text.js';
import type { Value } from './pickle-value.js';

const PAGE = 1 << 16;
/** More than a terabyte of DeepFace rows would need; a hostile file reaches it with one byte per entry. */
const MOST_ENTRIES = 1 << 24;
/** Small objects kept as they are: dtypes, globals, single bytes. A real file has a handful. */
const MOST_KEPT = 1 << 16;

/** What an entry of the memo refers to. */
export type Memory =
  | { readonly kind: 'kept'; readonly value: Value }
  | { readonly kind: 'text'; readonly encoding: Encoding; readonly offset: number; readonly length: number }
  | { readonly kind: 'dropped' }
  | { readonly kind: 'absent' };

const ABSENT = 0;
const DROPPED = 1;
const KEPT = 2;
const TEXT = 4; // plus the encoding

const absent: Memory = Object.freeze({ kind: 'absent' });
const dropped: Memory = Object.freeze({ kind: 'dropped' });

/** 9 bytes an entry: kind and high offset bits, low offset bits or index, length. */
interface Page {
  readonly kind: Uint8Array;
  readonly high: Uint8Array;
  readonly low: Uint32Array;
  readonly length: Uint32Array;
}

/**
 * A pickle's memo that does not hold what it remembers. CPython's pickler memoizes every object, so keeping them all
 * would keep the whole datastore. Almost none is referred to again: dict keys, a path that has several faces, numpy's
 * reconstructors. So a text or bytes object is remembered by its place in the file and read again when asked for, small
 * constants are kept, and of rows and vectors only the fact is noted (`dropped`); see `PickleMachine` for what happens
 * when one of those is asked for after all.
 */
export class PickleMemo {
  #pages: Page[] = [];
  #kept: Value[] = [];
  /** Number of ids that were set: the id of the next MEMOIZE. */
  count = 0;

  /** False when the id is beyond what any datastore has. */
  static admits(id: number): boolean {
    return id < MOST_ENTRIES;
  }

  /** Keeps the value itself; false when too many are kept already. */
  keep(id: number, value: Value): boolean {
    if (this.#kept.length >= MOST_KEPT) return false;
    this.#set(id, KEPT, this.#kept.push(value) - 1, 0);
    return true;
  }

  rememberText(id: number, encoding: Encoding, offset: number, length: number): void {
    this.#set(id, TEXT + encoding, offset, length);
  }

  drop(id: number): void {
    this.#set(id, DROPPED, 0, 0);
  }

  recall(id: number): Memory {
    const page = this.#pages[Math.floor(id / PAGE)];
    if (page === undefined) return absent;
    const slot = id % PAGE;
    const kind = page.kind[slot]!;
    switch (kind) {
      case ABSENT:
        return absent;
      case DROPPED:
        return dropped;
      case KEPT:
        return { kind: 'kept', value: this.#kept[page.low[slot]!]! };
      default: {
        const offset = page.high[slot]! * 2 ** 32 + page.low[slot]!;
        return { kind: 'text', encoding: (kind - TEXT) as Encoding, offset, length: page.length[slot]! };
      }
    }
  }

  #set(id: number, kind: number, place: number, length: number): void {
    const number = Math.floor(id / PAGE);
    this.#pages[number] ??= {
      kind: new Uint8Array(PAGE),
      high: new Uint8Array(PAGE),
      low: new Uint32Array(PAGE),
      length: new Uint32Array(PAGE),
    };
    const page = this.#pages[number]!;
    const slot = id % PAGE;
    if (page.kind[slot] === ABSENT) this.count++;
    page.kind[slot] = kind;
    page.low[slot] = place % 2 ** 32;
    page.high[slot] = Math.floor(place / 2 ** 32);
    page.length[slot] = length;
  }
}
