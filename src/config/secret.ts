import { readFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { KithError } from '../errors.js';

/** A text that no log, inspection, template or JSON prints; only {@link Secret.reveal} gives it. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

/** A file's text without the line end that editors leave. @throws `secret-file` */
export async function readSecretFile(file: string): Promise<Secret> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new KithError('secret-file', { file, why: cause.code ?? 'it cannot be read' }, { cause });
  });
  const secret = text.replace(/\r?\n$/, '');
  if (secret === '') throw new KithError('secret-file', { file, why: 'it is empty' });
  return new Secret(secret);
}
