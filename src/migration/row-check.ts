import { type DatastoreRow, isWholePhoto, personOf, ROW_FLAWS, rowFlaw } from '../datastore/row.js';
import type { SkippedRow, SkipReason } from './report.js';
import { KeyHash, SeenKeys } from './seen-keys.js';

/** A row that becomes a face. */
export interface GoodRow {
  readonly skipped: false;
  readonly row: DatastoreRow;
  readonly identity: string;
  readonly embedding: Float32Array;
  readonly person: string;
  /** The row's place among the faces of its image, from 1, in the order of the rows. */
  readonly faceNumber: number;
  readonly wholePhoto: boolean;
}

/** A row that does not, and what is wrong with it. */
export interface BadRow {
  readonly skipped: true;
  readonly row: DatastoreRow;
  readonly report: SkippedRow;
}

/** `persons.name` is varchar(255); an indexed text must stay below a third of a page. */
const PERSON_CHARACTERS = 255;
const PATH_BYTES = 2000;
const NOT_TEXT = /\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** What keeps a path from being stored: characters that are no text to PostgreSQL, or too many of them. */
export function whyNotStorable(identity: string, person: string): string | null {
  if (NOT_TEXT.test(identity)) return 'the path holds a NUL or bytes that are not UTF-8';
  if (identity.length * 3 > PATH_BYTES && Buffer.byteLength(identity) > PATH_BYTES)
    return `the path is ${Buffer.byteLength(identity)} bytes long, at most ${PATH_BYTES} can be indexed`;
  if (person.length > PERSON_CHARACTERS)
    return `the person's name is ${person.length} characters long, at most ${PERSON_CHARACTERS} are kept`;
  return null;
}

/**
 * Goes through the rows of one datastore, once, in order: names the bad ones, numbers the faces of an image.
 * Holds 32 bytes a row, not the rows.
 */
export class RowCheck {
  readonly persons = new Set<string>();
  readonly skipped: SkippedRow[] = [];
  rows = 0;
  wholePhoto = 0;
  /** Rows per dimension, of the rows that have a vector. */
  readonly dimensions = new Map<number, number>();
  readonly #expected: number;
  readonly #images = new SeenKeys();
  readonly #faces = new SeenKeys();
  readonly #key = new KeyHash();

  constructor(dimensions: number) {
    this.#expected = dimensions;
  }

  get good(): number {
    return this.rows - this.skipped.length;
  }

  check(row: DatastoreRow): GoodRow | BadRow {
    this.rows++;
    const { identity, embedding } = row;
    if (embedding !== null) this.dimensions.set(embedding.length, (this.dimensions.get(embedding.length) ?? 0) + 1);
    const flaw = rowFlaw(row, this.#expected);
    if (flaw !== null) return this.#skip(row, flaw, this.#flawInWords(row, flaw));
    if (identity === null || embedding === null) throw new TypeError('a row without flaw has an image and a vector');
    const person = personOf(identity) ?? '';
    const unstorable = whyNotStorable(identity, person);
    if (unstorable !== null) return this.#skip(row, 'not-storable', unstorable);
    return this.#number(row, identity, embedding, person.normalize('NFC'));
  }

  #number(row: DatastoreRow, identity: string, embedding: Float32Array, person: string): GoodRow | BadRow {
    const image = this.#key.reset().text(identity).words();
    this.#key.floats(embedding);
    const { box } = row;
    if (box !== null) this.#key.number(box.x).number(box.y).number(box.width).number(box.height);
    const earlier = this.#faces.first(this.#key.words(), row.row);
    if (earlier !== null) return this.#skip(row, 'duplicate', `the same image, vector and box as row ${earlier}`);
    const wholePhoto = isWholePhoto(row.box) !== false;
    if (wholePhoto) this.wholePhoto++;
    this.persons.add(person);
    return { skipped: false, row, identity, embedding, person, faceNumber: this.#images.count(image), wholePhoto };
  }

  #skip(row: DatastoreRow, reason: SkipReason, detail: string): BadRow {
    const report = { row: row.row, identity: row.identity, reason, detail };
    this.skipped.push(report);
    return { skipped: true, row, report };
  }

  #flawInWords(row: DatastoreRow, flaw: keyof typeof ROW_FLAWS): string {
    if (flaw !== 'dimension') return ROW_FLAWS[flaw];
    return `the embedding has ${row.embedding?.length ?? 0} numbers, most rows have ${this.#expected}`;
  }
}

/** The dimension of most rows; the smaller one of two that are equally frequent; null when no row has a vector. */
export function commonDimension(counts: ReadonlyMap<number, number>): number | null {
  let best: readonly [dimension: number, rows: number] | null = null;
  for (const [dimension, rows] of counts)
    if (best === null || rows > best[1] || (rows === best[1] && dimension < best[0])) best = [dimension, rows];
  return best === null ? null : best[0];
}
