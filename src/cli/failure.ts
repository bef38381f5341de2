import { KithError } from '../errors.js';

interface Failure {
  readonly error: KithError;
  /** Where an unforeseen fault came from; printed only when `KITH_LOG_LEVEL` asks for it. */
  readonly stack: string | undefined;
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'code' in error && 'syscall' in error;

function systemFailure(error: NodeJS.ErrnoException): KithError | null {
  const path = error.path ?? '';
  if (path === '') return null;
  const options = { cause: error };
  switch (error.code) {
    case 'ENOENT':
      return new KithError('file-missing', { path }, options);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new KithError('file-forbidden', { path }, options);
    case 'EISDIR':
    case 'ENOTDIR':
      return new KithError('file-kind', { path }, options);
    default:
      return null;
  }
}

/** Any thrown value as a catalogued fault: what the catalogue does not know is `internal`. */
export function toFailure(thrown: unknown): Failure {
  if (thrown instanceof KithError) return { error: thrown, stack: undefined };
  const known = isSystemError(thrown) ? systemFailure(thrown) : null;
  if (known !== null) return { error: known, stack: undefined };
  const what = thrown instanceof Error ? thrown.message.split('\n', 1)[0] || thrown.name : String(thrown);
  return {
    error: new KithError('internal', { what }, { cause: thrown }),
    stack: thrown instanceof Error ? thrown.stack : undefined,
  };
}

/** What stderr says: one JSON document for a machine, a line or three for a person, never a stack trace unasked. */
export function describeFailure(failure: Failure, json: boolean, withStack: boolean): string {
  const { error } = failure;
  const stack = withStack && failure.stack !== undefined ? `${failure.stack}\n` : '';
  if (json) return `${stack}${JSON.stringify({ error })}\n`;
  const hint = error.hint === undefined ? '' : `  ${error.hint}\n`;
  return `${stack}kith: ${error.message}\n${hint}  (${error.code}, docs/errors.md)\n`;
}
