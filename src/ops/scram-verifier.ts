import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type { Secret } from '../config/secret.js';

const ITERATIONS = 4096;

/**
 * What PostgreSQL stores of a password, computed here, so that the password itself never travels in a statement (and
 * so into a log of the server). RFC 5803 with RFC 7677's hash; PostgreSQL's pg_authid.rolpassword.
 * The password must be ASCII: nothing is normalised.
 */
export function scramVerifier(password: Secret, salt: Buffer = randomBytes(16)): string {
  const salted = pbkdf2Sync(password.reveal(), salt, ITERATIONS, 32, 'sha256');
  const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
  const stored = createHash('sha256').update(hmac(salted, 'Client Key')).digest('base64');
  const server = hmac(salted, 'Server Key').toString('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${stored}:${server}`;
}
