import { randomUUID } from 'node:crypto';
import type { Queryable } from '../gallery/database.js';
import type { Gallery, GalleryOperations } from '../gallery/gallery.js';
import { type Check, type CheckReport, finding, reportOf } from './check.js';
import { checkIndexes, checkPgvector, faultDetail } from './check-database.js';
import { SeededVectors, SelftestRows } from './selftest-rows.js';
import { measureSearch } from './selftest-search.js';

/** The checks of the old service's suite, in its order; `kith selftest` prints them as 1 to 9. */
export const SELFTEST_CHECKS = [
  'connection',
  'extension',
  'schema',
  'persons',
  'embeddings',
  'search',
  'search-time',
  'integrity',
  'statistics',
] as const;
export type SelftestCheck = (typeof SELFTEST_CHECKS)[number];

const DIMENSIONS = 512;
/** Of the old service's suite. */
const TARGET_MS = 100;

interface Bench {
  readonly operations: GalleryOperations;
  readonly database: Queryable;
  readonly rows: SelftestRows;
  readonly vectors: SeededVectors;
  /** A name that nobody's domain or person has. */
  readonly token: string;
  readonly signal: AbortSignal | undefined;
}

/** Thrown to end the transaction without a trace. */
class Undo extends Error {}

class Unexpected extends Error {}

function expect(what: string, given: unknown, wanted: unknown): void {
  if (given !== wanted) throw new Unexpected(`${what}: ${String(given)} instead of ${String(wanted)}`);
}

/**
 * The nine checks on a live database. Everything that is written is written in one transaction that is rolled back, with
 * keys that take nothing from the sequences: no trace stays. Never throws for a finding.
 */
export async function selftest(gallery: Gallery, signal?: AbortSignal): Promise<CheckReport> {
  const checks: Check[] = [];
  const first = await attempt('connection', () => checkConnection(gallery));
  checks.push(first);
  if (!first.ok) return failRest(checks, 'there is no connection');
  checks.push(
    await attempt('extension', async () => ({ ...(await checkPgvector(gallery.database)), name: 'extension' })),
  );
  const schema = await attempt('schema', () => checkTables(gallery));
  checks.push(schema);
  if (!schema.ok) return failRest(checks, "Kith's tables are not there or not up to date");
  checks.push(...(await writingChecks(gallery, signal)));
  checks.push(await attempt('statistics', () => statistics(gallery, signal)));
  return reportOf(checks);
}

function failRest(checks: readonly Check[], why: string): CheckReport {
  const rest = SELFTEST_CHECKS.slice(checks.length).map((name) => finding(name, 'failure', `not run: ${why}`));
  return reportOf([...checks, ...rest]);
}

/** The report where there is no database to test. */
export function failedSelftest(why: string): CheckReport {
  return failRest([finding('connection', 'failure', why)], 'there is no connection');
}

async function attempt(name: SelftestCheck, check: () => Promise<Check | string>): Promise<Check> {
  try {
    const found = await check();
    return typeof found === 'string' ? finding(name, 'ok', found) : found;
  } catch (error) {
    return finding(name, 'failure', error instanceof Unexpected ? error.message : faultDetail(error));
  }
}

async function checkConnection(gallery: Gallery): Promise<string> {
  const begun = performance.now();
  const { rows } = await gallery.database.query<{ version: string; database: string }>({
    text: `select current_setting('server_version') as version, current_database()::text as database`,
  });
  const { version, database } = rows[0] ?? {};
  const milliseconds = Math.round(performance.now() - begun);
  const kind = gallery.database.kind === 'embedded' ? 'embedded PostgreSQL' : 'PostgreSQL';
  return `${kind} ${version}, database ${database}, ${milliseconds} ms`;
}

async function checkTables(gallery: Gallery): Promise<Check> {
  const status = await gallery.schema();
  if (status.state !== 'current') {
    const what = status.state === 'missing' ? 'the tables are not there' : `the schema is ${status.state}`;
    return finding('schema', 'failure', `${what}; kith db migrate, as the owner of the tables`);
  }
  const indexes = await checkIndexes(gallery.database);
  return finding('schema', indexes.level, `version ${status.version}; ${indexes.detail}`);
}

/** Checks 4 to 8, in a transaction that is always rolled back. A refused statement ends them all: so does its session. */
async function writingChecks(gallery: Gallery, signal: AbortSignal | undefined): Promise<readonly Check[]> {
  const checks: Check[] = [];
  const steps: readonly (readonly [SelftestCheck, (bench: Bench) => Promise<Check | string>])[] = [
    ['persons', checkPersons],
    ['embeddings', checkEmbeddings],
    ['search', checkSearch],
    ['search-time', checkSearchTime],
    ['integrity', checkIntegrity],
  ];
  try {
    await gallery.transaction(async (operations, database) => {
      const bench = openBench(operations, database, signal);
      for (const [name, step] of steps) {
        const check = await attempt(name, () => step(bench));
        checks.push(check);
        if (!check.ok) break;
      }
      throw new Undo();
    });
  } catch (error) {
    if (!(error instanceof Undo))
      checks.push(finding(steps[checks.length]?.[0] ?? 'integrity', 'failure', faultDetail(error)));
  }
  const rest = steps
    .slice(checks.length)
    .map(([name]) => finding(name, 'failure', 'not run: the check before it failed'));
  return [...checks, ...rest];
}

function openBench(operations: GalleryOperations, database: Queryable, signal: AbortSignal | undefined): Bench {
  const token = `kith-selftest-${randomUUID()}`;
  return { operations, database, rows: new SelftestRows(database), vectors: new SeededVectors(9), token, signal };
}

async function checkPersons({ rows, token }: Bench): Promise<string> {
  const id = await rows.person({ name: token, domain: token });
  expect('a person after insert', await rows.count('persons', 'id', id), 1);
  expect(
    'rows renamed',
    await rows.run('update persons set name = $2 where id::text = $1', [id, `${token}-renamed`]),
    1,
  );
  expect('a person under the new name', await rows.count('persons', 'name', `${token}-renamed`), 1);
  expect('rows deleted', await rows.run('delete from persons where id::text = $1', [id]), 1);
  expect('a person after delete', await rows.count('persons', 'id', id), 0);
  return 'created, read, renamed, deleted';
}

async function checkEmbeddings({ rows, token, vectors, database }: Bench): Promise<string> {
  const person = await rows.person({ name: `${token}-e`, domain: token });
  const vector = vectors.next(DIMENSIONS);
  const face = await rows.face(person, `${token}/e.jpg`, vector);
  const { rows: read } = await database.query<{ distance: number; domain: string }>({
    text: 'select (embedding <=> $1::vector)::float8 as distance, domain from face_embeddings where id::text = $2',
    values: [vector, face],
  });
  if (!((read[0]?.distance ?? 1) < 1e-6)) throw new Unexpected('the vector did not come back as it went in');
  expect("the face's domain, filled in by itself", read[0]?.domain, token);
  expect(
    'rows moved',
    await rows.run('update face_embeddings set image_path = $2 where id::text = $1', [face, `${token}/f.jpg`]),
    1,
  );
  expect('rows deleted', await rows.run('delete from face_embeddings where id::text = $1', [face]), 1);
  return `written, read back (${DIMENSIONS} numbers), changed, deleted`;
}

async function checkSearch({ rows, token, vectors, operations }: Bench): Promise<string> {
  const domain = `${token}-s`;
  const faces = [];
  for (let n = 0; n < 5; n++) {
    const person = await rows.person({ name: `${token}-${n}`, domain });
    const vector = vectors.next(DIMENSIONS);
    await rows.face(person, `${token}/${n}.jpg`, vector);
    faces.push({ person, vector });
  }
  for (const { person, vector } of faces) {
    const best = await operations.findBestMatch(vectors.near(vector, 0.05), domain, { threshold: 0.5 });
    expect('the person found', best?.person.id, person);
  }
  const stranger = await operations.findBestMatch(vectors.next(DIMENSIONS), domain, { threshold: 0.2 });
  expect('a match for a stranger', stranger, null);
  return 'five persons each found by another photo, a stranger not found';
}

async function checkSearchTime(bench: Bench): Promise<Check> {
  const measured = await measureSearch(bench.operations, bench.database, bench.signal);
  if (measured === null) return finding('search-time', 'ok', 'the gallery is empty: nothing to measure');
  const { domain, probes, p50, p99, recall, plan } = measured;
  const detail = `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms over ${probes} faces of ${domain} (${plan}); recall@10 ${recall.toFixed(4)} against exact`;
  if (p50 >= TARGET_MS)
    return finding(
      'search-time',
      'failure',
      `${detail}; the target is under ${TARGET_MS} ms: kith doctor --check index,memory`,
    );
  if (p99 >= TARGET_MS)
    return finding('search-time', 'warning', `${detail}; one search in a hundred takes longer than the target`);
  if (recall < 0.99) return finding('search-time', 'warning', `${detail}; kith tune ${domain}`);
  return finding('search-time', 'ok', detail);
}

async function checkIntegrity({ rows, token, vectors }: Bench): Promise<string> {
  const person = await rows.person({ name: `${token}-i`, domain: token });
  await rows.face(person, `${token}/i.jpg`, vectors.next(DIMENSIONS));
  const gone = await rows.person({ name: `${token}-gone`, domain: token });
  await rows.run('delete from persons where id::text = $1', [gone]);
  const orphan = await rows.refusal(async () => {
    await rows.face(gone, `${token}/o.jpg`, vectors.next(DIMENSIONS));
    // The key may be checked only at the end of the transaction.
    await rows.run('set constraints all immediate', []);
  });
  expect('SQLSTATE of a face without a person', orphan, '23503');
  const twice = await rows.refusal(() => rows.person({ name: `${token}-i`, domain: token }));
  expect('SQLSTATE of a second person of one name', twice, '23505');
  const image = await rows.refusal(() => rows.face(person, `${token}/i.jpg`, vectors.next(DIMENSIONS)));
  expect('SQLSTATE of a second face of one image path', image, '23505');
  await rows.run('delete from persons where id::text = $1', [person]);
  expect('faces of a deleted person', await rows.count('face_embeddings', 'person_id', person), 0);
  return 'foreign key, both unique keys and the cascade hold';
}

async function statistics(gallery: Gallery, signal: AbortSignal | undefined): Promise<string> {
  const { domains } = await gallery.getStats(signal === undefined ? {} : { signal });
  const persons = domains.reduce((sum, domain) => sum + domain.persons, 0);
  const faces = domains.reduce((sum, domain) => sum + domain.faces, 0);
  const each = persons === 0 ? 0 : faces / persons;
  const named = domains.map(({ domain, persons: count, faces: all }) => `${domain} ${count}/${all}`).join(', ');
  const detail = `${persons} persons, ${faces} faces, ${each.toFixed(2)} faces a person, ${domains.length} domains`;
  return named === '' ? detail : `${detail}: ${named}`;
}
