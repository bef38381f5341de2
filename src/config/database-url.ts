import { KithError } from '../errors.js';

/** The percent-encoding that a password needs inside a URL, for the error that asks for it. */
const RESERVED = '"/" as %2F, "=" as %3D, "@" as %40, ":" as %3A, "#" as %23, "?" as %3F, "%" as %25';

const SCHEME = /^postgres(?:ql)?:\/\//;
// Everything between the first ":" after the user and the last "@" is what its writer meant as the password.
const WITH_PASSWORD = /^postgres(?:ql)?:\/\/[^:/@]*:(?<password>.*)@/s;

/** A "%" that starts no percent-encoded byte makes every decoder throw or keep it: both are wrong passwords. */
const isEncoded = (password: string): boolean => !/[/=@:#?[\]\s]|%(?![0-9a-fA-F]{2})/.test(password);

/**
 * Checks a PostgreSQL URL before a driver misreads it. Throws `config-database-url` (another scheme, not a URL) or
 * `config-database-url-encoding` (reserved characters left in the password); neither repeats the URL.
 */
export function checkDatabaseUrl(url: string, variable: string): string {
  if (!SCHEME.test(url)) throw new KithError('config-database-url', { variable });
  const password = WITH_PASSWORD.exec(url)?.groups?.password;
  if (password !== undefined && !isEncoded(password))
    throw new KithError('config-database-url-encoding', { variable, reserved: RESERVED });
  if (!URL.canParse(url)) throw new KithError('config-database-url', { variable });
  return url;
}
