import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Embedding } from '../embedding/embedding.js';
import type { EmbeddingSpace } from '../embedding/space.js';
import { KithError } from '../errors.js';
import type { Candidate } from '../gallery/candidate.js';
import type { Gallery } from '../gallery/gallery.js';
import type { FaceEngine } from '../inference/engine.js';
import { embedFile } from '../inference/photo-faces.js';
import type { PhotoLimits } from '../photo/photo.js';
import { type DatastoreShelf, probeOf } from './datastore-shelf.js';
import { DEFAULT_TOP_K, thresholdOf } from './domain-query.js';
import type { DomainState } from './domain-state.js';
import type { EngineShelf } from './engine-shelf.js';
import type { GallerySource } from './gallery-source.js';
import { countRows, enrolledProbes, faceAt, photoOfIdentity, photosBelow, type ReplayProbe } from './replay-probe.js';
import { ReplayTally } from './replay-tally.js';
import { compareAnswers } from './shadow-classify.js';
import type { SideAnswer } from './shadow-comparison.js';
import type { ReplayReport, ReplayRequest } from './shadow-report.js';
import { insertComparisons, type ShadowArm, type ShadowRecord } from './shadow-store.js';
import { galleryWitnesses, otherPaths } from './shadow-witness.js';

/** Probes compared at once: the datastore answers them in one pass over its matrix. */
const BATCH = 32;
/** Gallery searches at once: as a service under light traffic, so that their times mean something. */
const SEARCHES = 2;

export interface ReplayParts {
  readonly gallery: Gallery;
  readonly source: GallerySource;
  readonly engines: EngineShelf;
  readonly datastores: DatastoreShelf;
  readonly photoLimits: Partial<PhotoLimits>;
  readonly storage: string;
}

interface Replay {
  readonly parts: ReplayParts;
  readonly state: DomainState;
  readonly space: EmbeddingSpace;
  readonly threshold: number;
  /** The gallery's path of an image where it is not the datastore's. */
  readonly paths: ReadonlyMap<string, string>;
  readonly tally: ReplayTally;
  readonly signal: AbortSignal | undefined;
}

/** Makes the comparisons without waiting for traffic. Throws `datastore-none`, `replay-not-migrated`. */
export async function runReplay(parts: ReplayParts, state: DomainState, request: ReplayRequest): Promise<ReplayReport> {
  const { datastore } = state;
  if (datastore === null) throw new KithError('datastore-none', { domain: state.domain });
  if (!state.migrated) throw new KithError('replay-not-migrated', { domain: state.domain });
  const space = await parts.datastores.space(state);
  const { photos, limit = Number.POSITIVE_INFINITY, signal } = request;
  const folder = photos === undefined ? null : await photosBelow(photos);
  const total = Math.min(limit, folder?.length ?? (await countRows(datastore, signal)));
  const tally = new ReplayTally(state.domain, total, request.onProgress);
  const paths = await otherPaths(parts.gallery, state.domain);
  const replay = { parts, state, space, threshold: thresholdOf(state, space, undefined), paths, tally, signal };
  const probes = folder === null ? enrolledProbes(datastore, space, signal) : photoProbes(replay, folder);
  await comparePass(replay, probes, limit, request.legacyFind === true);
  return tally.report(request.legacyFind === true);
}

async function comparePass(
  replay: Replay,
  probes: AsyncGenerator<ReplayProbe | null>,
  limit: number,
  legacyFind: boolean,
): Promise<void> {
  let batch: ReplayProbe[] = [];
  const compare = async (): Promise<void> => {
    await compareBatch(replay, batch);
    if (legacyFind) for (const probe of batch) await compareLegacyFind(replay, probe);
    batch = [];
  };
  let seen = 0;
  for await (const probe of probes) {
    replay.signal?.throwIfAborted();
    if (seen++ >= limit) break;
    if (probe === null) replay.tally.skip();
    else batch.push(probe);
    if (batch.length >= BATCH) await compare();
  }
  await compare();
}

/** Every face of every photo as a probe. */
async function* photoProbes(replay: Replay, files: readonly string[]): AsyncGenerator<ReplayProbe | null> {
  const engine = await replay.parts.engines.get(replay.space);
  for (const file of files) {
    const bytes = await readFile(file);
    const faces = await embedAll(replay, engine, bytes);
    if (faces.length === 0) yield null;
    for (const { values, sha256, box } of faces)
      yield { embedding: probeOf(values, replay.space), sha256, excludeImage: undefined, photo: file, box };
  }
}

async function embedAll({ parts, signal }: Replay, engine: FaceEngine, bytes: Uint8Array) {
  try {
    const { faces, sha256 } = await embedFile(engine, bytes, parts.photoLimits, { signal });
    return faces.map(({ embedding, box }) => ({ values: embedding.values, sha256, box }));
  } catch (error) {
    // A photo that cannot be read is a probe less, not the end of a replay.
    if (error instanceof KithError && /^(photo|embedding)-/.test(error.code)) return [];
    throw error;
  }
}

async function compareBatch(replay: Replay, batch: readonly ReplayProbe[]): Promise<void> {
  if (batch.length === 0) return;
  const { parts, state, threshold, tally, space } = replay;
  const started = performance.now();
  const index = await parts.datastores.index(state);
  const answers = await index.searchBatch(
    batch.map(({ embedding, excludeImage }) => ({
      values: embedding.values,
      ...(excludeImage === undefined ? {} : { exclude: excludeImage }),
    })),
    { topK: DEFAULT_TOP_K, threshold, metric: space.metric },
  );
  // One pass answers the whole batch; each probe is told its share of the time.
  const ms = (performance.now() - started) / batch.length;
  const records: ShadowRecord[] = [];
  const queue = batch.entries();
  const lane = async (): Promise<void> => {
    for (const [place, probe] of queue) {
      const candidates = parts.datastores.candidates(answers[place] ?? [], space);
      records.push(await compareOne(replay, probe, { ok: true, candidates, ms }));
    }
  };
  await Promise.all(Array.from({ length: SEARCHES }, lane));
  await insertComparisons(parts.gallery.database, records);
  for (const record of records) tally.add(record);
}

async function compareOne(replay: Replay, probe: ReplayProbe, datastore: SideAnswer): Promise<ShadowRecord> {
  const { parts, state, threshold, paths } = replay;
  const { embedding, sha256 } = probe;
  const { excludeImage: image } = probe;
  const excludeImage = image === undefined ? undefined : (paths.get(image) ?? image);
  const gallery = await timed(() => searchGallery(replay, embedding, excludeImage));
  const compared = { probe: embedding, threshold, topK: DEFAULT_TOP_K, datastore, gallery };
  const signal = replay.signal ?? AbortSignal.timeout(60_000);
  const witnesses = galleryWitnesses(parts.source, state.domain, compared, { sha256 }, signal, excludeImage);
  return recordOf(replay, sha256, 'represent', datastore, gallery, await compareAnswers(compared, witnesses));
}

function recordOf(
  { state }: Replay,
  probe: string,
  arm: ShadowArm,
  datastore: SideAnswer,
  gallery: SideAnswer,
  comparison: Awaited<ReturnType<typeof compareAnswers>>,
): ShadowRecord {
  return { ...comparison, domain: state.domain, source: 'replay', arm, probe, at: new Date(), datastore, gallery };
}

function searchGallery(
  { parts, state, threshold, signal }: Replay,
  embedding: Embedding,
  excludeImage: string | undefined,
): Promise<readonly Candidate[]> {
  return parts.gallery.findMatches(embedding, state.domain, {
    topK: DEFAULT_TOP_K,
    threshold,
    ...(signal === undefined ? {} : { signal }),
    ...(excludeImage === undefined ? {} : { excludeImage }),
  });
}

async function timed(search: () => Promise<readonly Candidate[]>): Promise<SideAnswer> {
  const started = performance.now();
  try {
    const candidates = await search();
    return { ok: true, candidates, ms: performance.now() - started };
  } catch (error) {
    const code = error instanceof KithError ? error.code : 'failed';
    return { ok: false, error: code, ms: performance.now() - started };
  }
}

/**
 * What `DeepFace.find` of 0.0.94–0.0.100 answered: the same photo with its channels the other way round, against the
 * same datastore. Both sides of this arm are the datastore: only the query differs.
 */
async function compareLegacyFind(replay: Replay, probe: ReplayProbe): Promise<void> {
  const { parts, state, space, threshold, tally } = replay;
  const legacy = await legacyProbe(replay, probe);
  if (legacy === null) {
    tally.skipLegacy();
    return;
  }
  const query = { topK: DEFAULT_TOP_K, threshold, excludeImage: probe.excludeImage };
  const represent = await timed(() => parts.datastores.search(state, probe.embedding, query));
  const find = await timed(() => parts.datastores.search(state, probeOf(legacy.values, space), query));
  if (!represent.ok || !find.ok) {
    tally.skipLegacy();
    return;
  }
  const differs = represent.candidates[0]?.person.name !== find.candidates[0]?.person.name;
  const comparison = {
    agreed: !differs,
    class: differs ? ('channel-order' as const) : null,
    overlap: null,
    maxDifference: null,
    detail: 'legacy find against represent, both in the datastore',
  };
  await insertComparisons(parts.gallery.database, [
    recordOf(replay, probe.sha256, 'legacy-find', find, represent, comparison),
  ]);
  tally.addLegacy(differs);
}

/** The probe's face in the other channel order; null when the photo is gone or shows it no more. */
async function legacyProbe(replay: Replay, probe: ReplayProbe): Promise<Embedding | null> {
  const { parts, state, space } = replay;
  if (probe.photo === undefined) return null;
  const bytes = await photoOfIdentity(probe.photo, join(parts.storage, state.domain));
  if (bytes === null) return null;
  const other = await parts.engines.otherOrder((await parts.engines.get(space)).space);
  if (other === null) return null;
  const faces = await embedAll(replay, other, bytes);
  const face = faceAt(faces, probe.box);
  return face === undefined ? null : probeOf(face.values, space);
}
