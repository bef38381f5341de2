import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { KithError } from '../errors.js';

// sockaddr_un.sun_path has 108 bytes on Linux and 104 on macOS, its final NUL included.
const LONGEST = 103;
// As PostgreSQL names it, so that `psql -h <folder>/run` works too.
const NAME = '.s.PGSQL.5432';

const userId = (): number => process.getuid?.() ?? 0;

/** Makes a folder that only its owner can enter; refuses one that somebody else made. */
function makePrivateFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  if (!found.isDirectory() || (process.getuid !== undefined && found.uid !== userId()))
    throw new KithError('embedded-locked', { folder, owner: `of another user (${found.uid})` });
  if ((found.mode & 0o077) !== 0) chmodSync(folder, 0o700);
}

/**
 * Where the owner of the embedded database in `folder` listens: in the folder itself, or, where that path is too long
 * for a socket, in a folder of the system's temporary one. Only the owner's user can enter either.
 */
export function embeddedSocketPath(folder: string): string {
  const own = join(resolve(folder), 'run');
  if (Buffer.byteLength(join(own, NAME)) <= LONGEST) {
    makePrivateFolder(own);
    return join(own, NAME);
  }
  const digest = createHash('sha256').update(resolve(folder)).digest('hex').slice(0, 16);
  const short = join(tmpdir(), `kith-${userId()}-${digest}`);
  makePrivateFolder(short);
  return join(short, NAME);
}
