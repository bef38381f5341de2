import { KithError } from '../errors.js';
import type { PickleInput } from './pickle-input.js';
import { SHARED_LIMIT_MB } from './pickle-memory.js';
import { Op } from './pickle-opcodes.js';

/** Distinct ids that a survey holds at most: keeping what they stand for would take more than the limit. */
const MOST_REFERENCES = 1_000_000;

/** The memo ids that a pickle refers to anywhere, found without building anything. */
export async function findReferences(input: PickleInput, signal?: AbortSignal): Promise<ReadonlySet<number>> {
  const ids = new Set<number>();
  for (let op = 0; op !== Op.STOP; ) {
    await input.refill(signal);
    while (input.ready && op !== Op.STOP) {
      op = input.next();
      const id = referenceOf(input, op);
      if (id !== null) ids.add(id);
      if (ids.size > MOST_REFERENCES)
        throw new KithError('datastore-shared-objects', { path: input.path, limit: SHARED_LIMIT_MB });
    }
  }
  return ids;
}

function referenceOf(input: PickleInput, op: number): number | null {
  const { bytes, view, argument, length } = input;
  switch (op) {
    case Op.BINGET:
      return bytes[argument]!;
    case Op.LONG_BINGET:
      return view.getUint32(argument, true);
    case Op.GET:
      return Number(bytes.toString('latin1', argument, argument + length));
    default:
      return null;
  }
}
