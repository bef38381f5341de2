import { userInfo } from 'node:os';
import type { Author } from '../gallery/domain.js';

/** Who gives this command: the operating system's name of the user, kept in the audit table. */
export function author(why?: string): Author {
  let who = 'unknown';
  try {
    who = userInfo().username;
  } catch {
    // A user without an entry in the password file, as in a container, has no name.
    who = `uid ${process.getuid?.() ?? '?'}`;
  }
  return why === undefined ? { who } : { who, why };
}
