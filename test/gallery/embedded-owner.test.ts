import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Gallery } from '#kith/gallery/gallery.js';
import { openGallery } from '#kith/gallery/open-gallery.js';
import { embeddedDatabase } from '../support/database.js';

const children: ChildProcess[] = [];
const folders: string[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const OWNER = new URL('./embedded-owner-fixture.mjs', import.meta.url).pathname;

/** Another process that opens the gallery, does what it is told on stdin, and prints a line per thing done. */
async function other(folder: string): Promise<{ child: ChildProcess; ask(line: string): Promise<string> }> {
  const child = spawn(process.execPath, [OWNER, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const lines: string[] = [];
  const waiting: ((line: string) => void)[] = [];
  child.stdout!.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().trim().split('\n')) {
      const next = waiting.shift();
      if (next === undefined) lines.push(line);
      else next(line);
    }
  });
  const answer = (): Promise<string> =>
    lines.length > 0 ? Promise.resolve(lines.shift()!) : new Promise((resolve) => waiting.push(resolve));
  await answer();
  return {
    child,
    ask: (line) => {
      child.stdin!.write(`${line}\n`);
      return answer();
    },
  };
}

const ended = (child: ChildProcess): Promise<unknown> => new Promise((resolve) => child.once('exit', resolve));

async function folderWithSchema(): Promise<string> {
  const { location } = await embeddedDatabase();
  const { folder } = location as { folder: string };
  folders.push(folder);
  return folder;
}

const open = (folder: string): Promise<Gallery> => openGallery({ location: { kind: 'embedded', folder } });

const names = async (gallery: Gallery, domain: string): Promise<string[]> =>
  (await gallery.persons(domain)).items.map(({ name }) => name);

describe('the embedded database has one owner, and everybody works on it', () => {
  it('serves other processes through its owner', async () => {
    const folder = await folderWithSchema();
    const owner = await other(folder);
    await using gallery = await open(folder);
    await gallery.addPerson({ name: 'Ana', domain: 'd' });
    expect(await owner.ask('names')).toBe('Ana');
    await owner.ask('add Bor');
    expect(await names(gallery, 'd')).toEqual(['Ana', 'Bor']);
  });

  it("keeps clients' transactions and statement names apart", async () => {
    const folder = await folderWithSchema();
    const owner = await other(folder);
    await using gallery = await open(folder);
    await owner.ask('begin Held');
    const added = gallery.addPerson({ name: 'Waiting', domain: 'd' });
    const first = await Promise.race([added, new Promise((resolve) => setTimeout(resolve, 300, 'still waiting'))]);
    expect(first).toBe('still waiting');
    expect(await owner.ask('rollback')).toBe('changed my mind');
    await added;
    expect(await names(gallery, 'd')).toEqual(['Waiting']);
    expect(await owner.ask('names')).toBe('Waiting');
  });

  it('is taken over when its owner is killed in the middle of a transaction', async () => {
    const folder = await folderWithSchema();
    const owner = await other(folder);
    await owner.ask('add Ana');
    await using gallery = await open(folder);
    expect(await names(gallery, 'd')).toEqual(['Ana']);
    await owner.ask('begin Lost');
    owner.child.kill('SIGKILL');
    await ended(owner.child);
    expect(await names(gallery, 'd')).toEqual(['Ana']);
    await gallery.addPerson({ name: 'Bor', domain: 'd' });
    expect(await names(gallery, 'd')).toEqual(['Ana', 'Bor']);
  });

  it('is given on when its owner closes it', async () => {
    const folder = await folderWithSchema();
    const owner = await other(folder);
    await using gallery = await open(folder);
    await gallery.addPerson({ name: 'Ana', domain: 'd' });
    owner.child.stdin!.end();
    await ended(owner.child);
    expect(await names(gallery, 'd')).toEqual(['Ana']);
  });

  it('goes to one of several that want it at once', async () => {
    const folder = await folderWithSchema();
    const all = await Promise.all([1, 2, 3].map(() => other(folder)));
    await Promise.all(all.map(({ ask }, index) => ask(`add P${index}`)));
    expect(await all[0]!.ask('names')).toBe('P0 P1 P2'.split(' ').sort().join(' '));
    expect(readdirSync(folder).filter((name) => name.startsWith('owner.')).length).toBe(1);
  });

  it('lets in only its own user', async () => {
    const folder = await folderWithSchema();
    await using gallery = await open(folder);
    await gallery.schema();
    expect(statSync(join(folder, 'run')).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, 'run', '.s.PGSQL.5432')).mode & 0o777).toBe(0o600);
  });

  it('works in a folder whose path is too long for a socket', async () => {
    const root = mkdtempSync(join(tmpdir(), 'kith-test-'));
    folders.push(root);
    const folder = join(root, 'a-folder-with-a-long-name'.repeat(4));
    mkdirSync(folder);
    await using first = await openGallery({ location: { kind: 'embedded', folder }, schema: 'migrate' });
    await first.addPerson({ name: 'Ana', domain: 'd' });
    const client = await other(folder);
    expect(await client.ask('names')).toBe('Ana');
  });

  it('is whole when the first start was killed while making it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kith-test-'));
    folders.push(folder);
    const making = spawn(process.execPath, [OWNER, folder], { stdio: ['pipe', 'ignore', 'inherit'] });
    children.push(making);
    while (!existsSync(join(folder, 'postgres.making', 'PG_VERSION'))) await new Promise((r) => setTimeout(r, 20));
    making.kill('SIGKILL');
    await ended(making);
    await using gallery = await openGallery({ location: { kind: 'embedded', folder }, schema: 'migrate' });
    expect(await gallery.schema()).toMatchObject({ state: 'current' });
  });

  it('says so when another major version made it', async () => {
    const folder = await folderWithSchema();
    const { writeFileSync } = await import('node:fs');
    writeFileSync(join(folder, 'postgres', 'PG_VERSION'), '17\n');
    await expect(open(folder)).rejects.toMatchObject({ code: 'embedded-version' });
  });

  it('never blocks the event loop of its process', async () => {
    const folder = await folderWithSchema();
    await using gallery = await open(folder);
    await gallery.schema();
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    const started = performance.now();
    await gallery.database.query({ text: 'select sum(sqrt(g)) from generate_series(1, 3000000) g' });
    const took = performance.now() - started;
    clearInterval(timer);
    expect(longest).toBeLessThan(took / 2);
  });
});
