import { type FaultCode, KithError } from '../errors.js';
import type { NativeFlag } from './native-work.js';

/** What a worker is started with. */
export interface WorkerStart {
  readonly settings: unknown;
  readonly native: NativeFlag;
}

/** What a pool sends to its workers. */
export type ToWorker =
  | { readonly kind: 'job'; readonly id: number; readonly job: unknown }
  | { readonly kind: 'close' };

/** What a worker answers: `ready` once, then one `done` or `failed` for each job. */
export type FromWorker =
  | { readonly kind: 'ready'; readonly about: unknown }
  | { readonly kind: 'done'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly id: number | null; readonly error: SentError };

/** An error's plain parts: a class does not survive the way between threads. */
export type SentError =
  | { readonly fault: { readonly code: FaultCode; readonly message: string; readonly hint?: string } }
  | { readonly reason: string };

export function sendError(error: unknown): SentError {
  if (error instanceof KithError) return { fault: error.toJSON() };
  return { reason: error instanceof Error ? error.message : String(error) };
}

/** A catalogued fault of the worker comes back as itself, anything else as `inference-worker`. */
export function receiveError(sent: SentError): KithError {
  return 'fault' in sent
    ? KithError.revive(sent.fault)
    : new KithError('inference-worker', { reason: sent.reason.split('\n', 1)[0]!.slice(0, 200) });
}
