import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EmbeddingSpace } from '../embedding/space.js';
import type { Cutover } from './cutover-record.js';
import { replaceFile } from './file-replace.js';
import { isRecord, type JsonRecord } from './json-record.js';
import { isMode, type Mode } from './mode.js';

/** What is remembered of a domain for a start without the database, or without its datastore. */
export interface RememberedDomain {
  /** The domain's own mode; null when it had none. */
  readonly own: Mode | null;
  readonly migrated: boolean;
  readonly space: EmbeddingSpace | null;
  readonly threshold: number | null;
  readonly margin: number | null;
  /** Its datastore, seen at this path. One that vanished must not turn the default mode from dual to pgvector. */
  readonly datastore: string | null;
  /** The cutover in force: its watch goes on while the database is down. */
  readonly cutover: Cutover | null;
}

export type RememberedDomains = Readonly<Record<string, RememberedDomain>>;

const numberOrNull = (value: unknown): number | null => (typeof value === 'number' ? value : null);

function readDomain(value: unknown): RememberedDomain | null {
  if (!isRecord(value)) return null;
  return {
    own: isMode(value.own) ? value.own : null,
    migrated: value.migrated === true,
    space: isRecord(value.space) ? readSpace(value.space) : null,
    threshold: numberOrNull(value.threshold),
    margin: numberOrNull(value.margin),
    datastore: typeof value.datastore === 'string' ? value.datastore : null,
    cutover: isRecord(value.cutover) ? readCutover(value.cutover) : null,
  };
}

function readCutover(value: JsonRecord): Cutover | null {
  const { id, domain, state, startedAt, watchUntil, who, why, forced, maxErrorRate, maxEmptyRate } = value;
  if (typeof id !== 'string' || typeof domain !== 'string' || typeof startedAt !== 'string') return null;
  if (typeof watchUntil !== 'string' || typeof maxErrorRate !== 'number' || typeof maxEmptyRate !== 'number')
    return null;
  return {
    id,
    domain,
    state: state === 'watching' ? 'watching' : 'settled',
    startedAt: new Date(startedAt),
    watchUntil: new Date(watchUntil),
    who: String(who),
    why: String(why),
    forced: forced === true,
    maxErrorRate,
    maxEmptyRate,
  };
}

const METRICS = ['cosine', 'euclidean', 'euclidean_l2', 'angular'] as const;

function readSpace(value: JsonRecord): EmbeddingSpace | null {
  const metric = METRICS.find((known) => known === value.metric);
  if (typeof value.model !== 'string' || typeof value.dimensions !== 'number' || metric === undefined) return null;
  const text = (part: unknown): string | null => (typeof part === 'string' ? part : null);
  return {
    model: value.model,
    detector: text(value.detector),
    aligned: typeof value.aligned === 'boolean' ? value.aligned : null,
    normalization: text(value.normalization),
    expand: numberOrNull(value.expand),
    dimensions: value.dimensions,
    metric,
    channelOrder: value.channelOrder === 'bgr' || value.channelOrder === 'rgb' ? value.channelOrder : null,
    weightsSha256: text(value.weightsSha256),
    producer: text(value.producer),
  };
}

/** `last-known-modes.json` in KITH_DATA: what a start without the database needs of each domain. */
export class ModeMemory {
  readonly #path: string;
  #written = '';

  constructor(folder: string) {
    this.#path = join(folder, 'last-known-modes.json');
  }

  /** A file that is missing or damaged reads as nothing known. */
  async read(): Promise<RememberedDomains> {
    try {
      const value: unknown = JSON.parse(await readFile(this.#path, 'utf8'));
      if (!isRecord(value)) return {};
      const known = Object.entries(value).map(([domain, entry]) => [domain, readDomain(entry)] as const);
      return Object.fromEntries(known.flatMap(([domain, entry]) => (entry === null ? [] : [[domain, entry]])));
    } catch {
      return {};
    }
  }

  async write(domains: RememberedDomains): Promise<void> {
    const text = `${JSON.stringify(domains, null, 2)}\n`;
    if (text === this.#written) return;
    await replaceFile(this.#path, text);
    this.#written = text;
  }
}
