import { isIP } from 'node:net';
import type { Config } from '../config/schema.js';
import { KithError } from '../errors.js';
import type { App } from './app.js';

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

/**
 * Without a key the service is for this machine only: fails closed. Throws `host-without-key`.
 * `hasKeys` is asked only for a host that others reach.
 */
export async function assertMayListen(config: Config, hasKeys: () => Promise<boolean>): Promise<void> {
  if (isLoopback(config.host) || (await hasKeys())) return;
  throw new KithError('host-without-key', { host: config.host });
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException => error instanceof Error && 'code' in error;

/** Binds the port; answers `http://host:port`. Throws `port-busy` or `port-forbidden`. */
export async function listen(app: App, { host, port }: Config): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const options = { cause: error };
    switch (error.code) {
      case 'EADDRINUSE':
        throw new KithError('port-busy', { host, port }, options);
      case 'EACCES':
      case 'EADDRNOTAVAIL':
      case 'ENOTFOUND':
        throw new KithError('port-forbidden', { host, port, why: error.code }, options);
      default:
        throw error;
    }
  }
}
