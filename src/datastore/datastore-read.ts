import { KithError } from '../errors.js';
import { type FileState, type OpenedFile, openFile, unreadable, wasWritten } from './datastore-file.js';
import type { Layout } from './datastore-types.js';
import { PickleInput } from './pickle-input.js';
import { PickleMachine, type RowSink } from './pickle-machine.js';
import { DroppedObject } from './pickle-memory.js';
import { run } from './pickle-operations.js';
import { findReferences } from './pickle-references.js';
import type { Value } from './pickle-value.js';
import type { DatastoreRow } from './row.js';
import { recogniseRow } from './row-layout.js';

const BATCH_ROWS = 256;
const BATCH_BYTES = 1 << 20;
/** Numbers in a batch's vectors: a few bytes of a file can refer to many. */
const BATCH_NUMBERS = 1 << 21;

/** What to read and whom to tell. */
export interface Reading {
  readonly path: string;
  /** The state that the file must have; any when left out. */
  readonly state?: FileState;
  /** Which vector of an ensemble. */
  readonly part: number;
  readonly signal?: AbortSignal | undefined;
  /** Told the layout of the first row. */
  readonly onLayout?: (layout: Layout) => void;
}

/** Collects recognised rows into the batch at hand. */
class RowCollector implements RowSink {
  rows: DatastoreRow[] = [];
  #numbers = 0;
  readonly #reading: Reading;
  /** Rows that an earlier pass gave out already. */
  readonly #skip: number;
  #next = 0;

  constructor(reading: Reading, skip: number) {
    this.#reading = reading;
    this.#skip = skip;
  }

  accept(value: Value): boolean {
    const recognised = recogniseRow(value, this.#reading.part);
    if (recognised === null) return false;
    if (this.#next === 0) this.#reading.onLayout?.(recognised.layout);
    if (this.#next >= this.#skip) {
      this.rows.push({ row: this.#next, ...recognised.content });
      this.#numbers += recognised.content.embedding?.length ?? 0;
    }
    this.#next++;
    return true;
  }

  get isFull(): boolean {
    return this.rows.length >= BATCH_ROWS || this.#numbers >= BATCH_NUMBERS;
  }

  take(): readonly DatastoreRow[] {
    const taken = this.rows;
    this.rows = [];
    this.#numbers = 0;
    return taken;
  }
}

/** The rows of a datastore in batches, in one pass, or in three when rows refer to each other's objects. */
export async function* readRows(reading: Reading): AsyncGenerator<readonly DatastoreRow[], void, undefined> {
  await using opened = await openFile(reading.path);
  if (reading.state !== undefined && reading.state.key !== opened.state.key) throw changed(reading);
  let given = 0;
  try {
    for await (const batch of readPass(reading, opened, 0, null)) {
      given += batch.length;
      yield batch;
    }
  } catch (reason) {
    if (isSystemError(reason)) throw unreadable(reading.path, reason);
    if (await wasWritten(opened)) throw changed(reading, reason);
    if (!(reason instanceof DroppedObject)) throw reason;
    const shared = await findReferences(inputOf(reading, opened), reading.signal);
    yield* readPass(reading, opened, given, shared);
  }
}

async function* readPass(
  reading: Reading,
  opened: OpenedFile,
  skip: number,
  shared: ReadonlySet<number> | null,
): AsyncGenerator<readonly DatastoreRow[], void, undefined> {
  const input = inputOf(reading, opened);
  const collector = new RowCollector(reading, skip);
  const machine = new PickleMachine(input, collector, shared);
  while (!machine.stopped) {
    await input.refill(reading.signal);
    while (input.ready && !machine.stopped) {
      const from = input.offset;
      run(machine, () => collector.isFull || input.offset - from >= BATCH_BYTES);
      if (collector.rows.length > 0) yield collector.take();
    }
  }
  const bytes = input.size - input.offset;
  if (bytes > 0) throw new KithError('datastore-trailing-bytes', { path: reading.path, bytes, offset: input.offset });
  if (await wasWritten(opened)) throw changed(reading);
}

const inputOf = (reading: Reading, { file, state }: OpenedFile): PickleInput =>
  new PickleInput(file, reading.path, state.bytes);

const changed = ({ path }: Reading, cause?: unknown): KithError =>
  new KithError('datastore-changed', { path }, { cause });

const isSystemError = (reason: unknown): boolean => reason instanceof Error && 'syscall' in reason;
