import { type DatastoreRow, personOf, ROW_FLAWS, rowFlaw } from '../datastore/row.js';
import type { SkippedRow, SkipReason } from './report.js';
import { KeyHash, SeenKeys, sumVector, type VectorSums } from './seen-keys.js';

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

type SoundRow = Pick<GoodRow, 'identity' | 'embedding' | 'wholePhoto'> & { readonly folder: string };

/** A row that does not, and what is wrong with it. */
export interface BadRow {
  readonly skipped: true;
  readonly row: DatastoreRow;
  readonly report: SkippedRow;
}

/** `persons.name` is varchar(255); an indexed text must stay below a third of a page. */
const PERSON_CHARACTERS = 255;
const PATH_BYTES = 2000;
/** Most paths hold none of these; of those that do, most hold them in pairs. */
const MAY_NOT_BE_TEXT = /[\0\ud800-\udfff]/;
const NOT_TEXT = /\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** What keeps a path from being stored: characters that are no text to PostgreSQL, or too many of them. */
export function whyNotStorable(identity: string, person: string): string | null {
  if (MAY_NOT_BE_TEXT.test(identity) && NOT_TEXT.test(identity))
    return 'the path holds a NUL or bytes that are not UTF-8';
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
  /** Folders of good rows. */
  readonly #folders = new Map<string, string>();
  readonly skipped: SkippedRow[] = [];
  rows = 0;
  wholePhoto = 0;
  /** Rows per dimension, of the rows that have a vector. */
  readonly dimensions = new Map<number, number>();
  #expected: number | null;
  readonly #images: SeenKeys;
  readonly #faces: SeenKeys;
  readonly #image = new KeyHash();
  readonly #face = new KeyHash();
  readonly #sums: VectorSums = { squares: 0, sum: 0, sums: 0 };

  /** Without a dimension, that of the first row with a vector is expected. `rows`: about how many will come. */
  constructor(dimensions: number | null, rows = 0) {
    this.#expected = dimensions;
    this.#images = new SeenKeys(rows);
    this.#faces = new SeenKeys(rows);
  }

  /** What was expected; null when no row had a vector. */
  get expected(): number | null {
    return this.#expected;
  }

  /** Persons that the good rows make: folders whose names are the same letters are one. */
  get persons(): ReadonlySet<string> {
    return new Set(this.#folders.values());
  }

  get good(): number {
    return this.rows - this.skipped.length;
  }

  /** `wholePhoto`: its box is the whole photo. */
  check(row: DatastoreRow, wholePhoto = false): GoodRow | BadRow {
    this.rows++;
    const { identity, embedding } = row;
    if (embedding !== null) {
      this.#expected ??= embedding.length;
      this.dimensions.set(embedding.length, (this.dimensions.get(embedding.length) ?? 0) + 1);
    }
    const person = identity === null ? null : personOf(identity);
    if (identity === null || person === null || embedding === null || !this.#isSound(embedding))
      return this.#skipFlawed(row);
    const unstorable = whyNotStorable(identity, person);
    if (unstorable !== null) return this.#skip(row, 'not-storable', unstorable);
    return this.#number(row, { identity, embedding, folder: person, wholePhoto });
  }

  /** Leaves the vector's sums for {@link #number}. */
  #isSound(embedding: Float32Array): boolean {
    if (embedding.length !== this.#expected) return false;
    const { squares } = sumVector(embedding, this.#sums);
    return squares > 0 && Number.isFinite(squares);
  }

  #number(row: DatastoreRow, good: SoundRow): GoodRow | BadRow {
    const { identity, embedding, folder, wholePhoto } = good;
    const { box } = row;
    const face = this.#face.reset().text(identity).number(this.#sums.sum).number(this.#sums.sums);
    if (box !== null) face.number(box.x).number(box.y).number(box.width).number(box.height);
    const earlier = this.#faces.first(face, row.row);
    if (earlier !== null) return this.#skip(row, 'duplicate', `the same image, vector and box as row ${earlier}`);
    if (wholePhoto) this.wholePhoto++;
    const faceNumber = this.#images.count(this.#image.reset().text(identity));
    return { skipped: false, row, identity, embedding, person: this.#personOf(folder), faceNumber, wholePhoto };
  }

  #personOf(folder: string): string {
    const known = this.#folders.get(folder);
    if (known !== undefined) return known;
    const person = folder.normalize('NFC');
    this.#folders.set(folder, person);
    return person;
  }

  #skip(row: DatastoreRow, reason: SkipReason, detail: string): BadRow {
    const report = { row: row.row, identity: row.identity, reason, detail };
    this.skipped.push(report);
    return { skipped: true, row, report };
  }

  #skipFlawed(row: DatastoreRow): BadRow {
    const flaw = rowFlaw(row, this.#expected ?? 0);
    if (flaw === null) throw new TypeError(`row ${row.row} was taken for a flawed one`);
    const given = row.embedding?.length ?? 0;
    const words =
      flaw === 'dimension' ? `the embedding has ${given} numbers, most rows have ${this.#expected}` : ROW_FLAWS[flaw];
    return this.#skip(row, flaw, words);
  }
}

/** The dimension of most rows; the smaller one of two that are equally frequent; null when no row has a vector. */
export function commonDimension(counts: ReadonlyMap<number, number>): number | null {
  let best: readonly [dimension: number, rows: number] | null = null;
  for (const [dimension, rows] of counts)
    if (best === null || rows > best[1] || (rows === best[1] && dimension < best[0])) best = [dimension, rows];
  return best === null ? null : best[0];
}
