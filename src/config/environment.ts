import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { KithError } from '../errors.js';

/** Variables by name, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

function readDotEnv(path: string): Environment {
  try {
    return parseEnv(readFileSync(path, 'utf8')) as Environment;
  } catch (error) {
    if (isMissing(error)) return {};
    throw new KithError('config-env-file', { path, why: error instanceof Error ? error.message : String(error) });
  }
}

let read: Environment | undefined;

/** The process's variables over those of `.env` in the working folder. The one place where Kith reads `process.env`. */
export function environment(): Environment {
  read ??= Object.freeze({ ...readDotEnv('.env'), ...process.env });
  return read;
}

/** Whether unforeseen faults may show where they came from. Asks for nothing that could itself be wrong. */
export const isDebugging = (): boolean => /^(debug|trace)$/.test(process.env.KITH_LOG_LEVEL ?? '');
