import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, checkServerIdentity, type PeerCertificate } from 'node:tls';
import { KithError } from '../errors.js';
import type { DatabaseUrl } from './database-url.js';

type TlsSettings = Pick<DatabaseUrl, 'host' | 'sslMode' | 'sslRootCert' | 'sslCert' | 'sslKey'>;

const pem = (file: string): Promise<Buffer> =>
  readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new KithError('tls-file', { file, why: cause.code ?? 'it cannot be read' }, { cause });
  });

/** The authority that signs the server's certificate: the named file, libpq's usual place, or Node's own list. */
async function rootCertificate(named: string | null): Promise<Buffer | undefined> {
  if (named === 'system') return undefined;
  const usual = join(homedir(), '.postgresql', 'root.crt');
  if (named === null) return existsSync(usual) ? pem(usual) : undefined;
  return pem(named);
}

/**
 * TLS settings for the driver, with libpq's meaning of `sslmode`: `require` encrypts and checks nothing (unless a root
 * certificate is named), `verify-ca` checks who signed, `verify-full` also that the certificate is the host's.
 * @throws `tls-file`
 */
export async function databaseTls(settings: TlsSettings): Promise<false | ConnectionOptions> {
  const { host, sslMode } = settings;
  if (sslMode === null || sslMode === 'disable') return false;
  const checked = sslMode !== 'require' || settings.sslRootCert !== null;
  const ca = checked ? await rootCertificate(settings.sslRootCert) : undefined;
  const cert = settings.sslCert === null ? undefined : await pem(settings.sslCert);
  const options: ConnectionOptions = {
    rejectUnauthorized: checked,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    // The driver starts TLS on an open socket, where Node no longer knows the host: bind it here.
    checkServerIdentity: (_name: string, certificate: PeerCertificate) =>
      sslMode === 'verify-full' ? checkServerIdentity(host, certificate) : undefined,
  };
  if (settings.sslKey !== null)
    Object.defineProperty(options, 'key', { value: await pem(settings.sslKey), enumerable: false });
  return options;
}
