import { readFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { KithError } from '../errors.js';
import type { Secret } from './secret.js';

export interface VaultReply {
  readonly status: number;
  /** The answer's JSON; null when it is none. */
  readonly body: unknown;
}

export interface VaultRequest {
  readonly address: string;
  readonly namespace: string | null;
  /** Path of a PEM file. */
  readonly caFile: string | null;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly token: Secret | null;
  readonly body?: object;
}

const TIMEOUT_MS = 5_000;
const REPLY_BYTES = 1_048_576;

async function optionsOf(request: VaultRequest): Promise<RequestOptions & { ca?: Buffer }> {
  const { caFile, namespace, token } = request;
  const headers: Record<string, string> = { 'x-vault-request': 'true', 'content-type': 'application/json' };
  if (token !== null) headers['x-vault-token'] = token.reveal();
  if (namespace !== null) headers['x-vault-namespace'] = namespace;
  // Calls are minutes apart: a socket kept open would mostly be found closed by the other side.
  const options = { method: request.method, headers, agent: false, timeout: TIMEOUT_MS };
  if (caFile === null) return options;
  const ca = await readFile(caFile).catch((cause: NodeJS.ErrnoException) => {
    throw new KithError('tls-file', { file: caFile, why: cause.code ?? 'it cannot be read' }, { cause });
  });
  return { ...options, ca };
}

async function readReply(response: IncomingMessage): Promise<VaultReply> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > REPLY_BYTES) throw new Error('its answer is too long');
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, body: parseJson(Buffer.concat(chunks).toString('utf8')) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * One call of Vault's HTTP API, version 1.
 * @throws `vault-unreachable` when there is no answer within 5 s, `tls-file`. No fault holds the request: it has the token.
 */
export async function callVault(request: VaultRequest): Promise<VaultReply> {
  const { address, path, body } = request;
  const url = new URL(`v1/${path.split('/').map(encodeURIComponent).join('/')}`, `${address.replace(/\/+$/, '')}/`);
  const options = await optionsOf(request);
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  try {
    return await new Promise<VaultReply>((resolve, reject) => {
      const outgoing = send(url, options, (response) => readReply(response).then(resolve, reject));
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS / 1_000} s`)));
      outgoing.on('error', reject);
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new KithError('vault-unreachable', { address, why: code ?? message });
  }
}
