// What the HTTP API adds: to a recognition over its engine and search, and to a search over the library's call.
//
//   npm run bench -- http-overhead [--faces 23640] [--rounds 400] [--photos 60] [--json]
//
// The service is a process of its own, asked over a kept-alive loopback connection by a client that does the least. A recognition's own times come with
// its answer; what the client waited beyond them is what HTTP added. A search takes turns with the same search by the
// library in this process.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseSpaceName, spaceFromName } from '#kith/embedding/space.js';
import { serverGallery } from './support/bench-database.js';
import { loadDomain } from './support/gallery-load.js';
import { inTurns, percentile, round } from './support/measure.js';

const { values } = parseArgs({
  options: {
    faces: { type: 'string', default: '23640' },
    rounds: { type: 'string', default: '400' },
    photos: { type: 'string', default: '60' },
    json: { type: 'boolean', default: false },
  },
});
const [faces, rounds, photos] = [values.faces, values.rounds, values.photos].map(Number) as [number, number, number];
const SPACE = spaceFromName(
  parseSpaceName('model_arcface_detector_retinaface_aligned_normalization_base_expand_0'),
  512,
);
const folder = await mkdtemp(join(tmpdir(), 'kith-bench-'));

/** Starts `kith serve` on a port of the system's choice and waits until it is ready. */
async function serve(more: Record<string, string>): Promise<{ address: string; child: ChildProcess }> {
  const own = { KITH_DATA: join(folder, 'data'), KITH_STORAGE: folder, KITH_PORT: '0', ...more };
  const child = spawn(process.execPath, ['bin/kith.js', 'serve'], {
    env: { PATH: process.env.PATH, HOME: folder, ...own },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    output += String(chunk);
    const address = /^Kith is at (\S+)/m.exec(output)?.[1];
    if (address === undefined) continue;
    child.stdout.resume();
    while ((await fetch(`${address}/readyz`)).status !== 200) await new Promise((resolve) => setTimeout(resolve, 100));
    return { address, child };
  }
  throw new Error(`kith serve ended: ${output}`);
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  if (child.exitCode === null) await once(child, 'exit');
}

/** A client that does the least: one connection, one request at a time, so that what it costs is the service's. */
class Client {
  readonly #socket: Socket;
  readonly #host: string;

  private constructor(socket: Socket, host: string) {
    this.#socket = socket;
    this.#host = host;
  }

  static async connect(address: string): Promise<Client> {
    const { hostname, port, host } = new URL(address);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new Client(socket, host);
  }

  post(path: string, type: string, body: Buffer): Promise<Record<string, unknown>> {
    return this.#ask(`POST ${path}`, `content-type: ${type}\r\ncontent-length: ${body.length}\r\n`, body);
  }

  get(path: string): Promise<Record<string, unknown>> {
    return this.#ask(`GET ${path}`, '', Buffer.alloc(0));
  }

  async #ask(line: string, headers: string, body: Buffer): Promise<Record<string, unknown>> {
    const head = `${line} HTTP/1.1\r\nhost: ${this.#host}\r\n${headers}\r\n`;
    const text = await new Promise<string>((resolve, reject) => {
      let received = '';
      const read = (chunk: Buffer): void => {
        received += chunk.toString('latin1');
        const start = received.indexOf('\r\n\r\n') + 4;
        const length = Number(/content-length: (\d+)/i.exec(received.slice(0, start))?.[1]);
        if (start < 4 || received.length < start + length) return;
        this.#socket.off('data', read);
        if (received.startsWith('HTTP/1.1 200')) resolve(Buffer.from(received.slice(start), 'latin1').toString());
        else reject(new Error(received));
      };
      this.#socket.on('data', read);
      this.#socket.cork();
      this.#socket.write(head);
      this.#socket.write(body);
      this.#socket.uncork();
    });
    return JSON.parse(text) as Record<string, unknown>;
  }

  end(): void {
    this.#socket.destroy();
  }
}

/** Milliseconds that a client waits beyond decoding, engine and search; the embedded database's sample gallery is searched. */
async function recognitions(): Promise<number[]> {
  const { address, child } = await serve({});
  const demo = 'node_modules/@vladmandic/face-api/demo';
  const files = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => readFile(`${demo}/sample${n}.jpg`)));
  const client = await Client.connect(address);
  const added: number[] = [];
  for (let n = -6; n < photos; n++) {
    const start = performance.now();
    const answer = await client.post('/api/v1/recognize?domain=sample', 'image/jpeg', files[(n + 6) % files.length]!);
    const wall = performance.now() - start;
    const { decode, faces: engine, search } = answer.timings as Record<string, number>;
    if (n >= 0) added.push(wall - decode! - engine! - search!);
  }
  client.end();
  await end(child);
  return added;
}

async function searches(): Promise<Record<'http' | 'library' | 'livez', number[]>> {
  await using bench = await serverGallery();
  const { gallery, url } = bench;
  const persons = Math.ceil(faces / 9);
  const { generator } = await loadDomain(gallery, 'slovenia', SPACE, { faces, persons, seed: 1 });
  const { address, child } = await serve({ VECTOR_DB_URL: url });
  const probes = Array.from({ length: rounds }, () => generator.probe('clustered'));
  const bodies = probes.map((probe) => Buffer.from(JSON.stringify({ domain: 'slovenia', embedding: [...probe] })));
  const client = await Client.connect(address);
  const samples = await inTurns(rounds, {
    http: (n) => client.post('/api/v1/search', 'application/json', bodies[n % rounds]!),
    // What any answer costs, whatever it says.
    livez: () => client.get('/livez'),
    // Another probe than HTTP's of the same turn, whose pages would be warm.
    library: (n) => gallery.findMatches(probes[(n + Math.floor(rounds / 2)) % rounds]!, 'slovenia'),
  });
  client.end();
  await end(child);
  return samples;
}

const added = await recognitions();
const { http, library, livez } = await searches();
await rm(folder, { recursive: true, force: true });
const answer = {
  bench: 'http-overhead',
  recognizeAddsMs: round(percentile(added, 0.5), 2),
  recognizeAddsP99Ms: round(percentile(added, 0.99), 2),
  searchHttpMs: round(percentile(http, 0.5)),
  searchLibraryMs: round(percentile(library, 0.5)),
  livezMs: round(percentile(livez, 0.5)),
  searchAddsMs: round(percentile(http, 0.5) - percentile(library, 0.5)),
};
if (values.json) console.log(JSON.stringify(answer));
else console.table([answer]);
