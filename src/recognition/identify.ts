import type { Embedding } from '../embedding/embedding.js';
import { assertComparable, type EmbeddingSpace, spaceName } from '../embedding/space.js';
import type { EmbeddedFace } from '../inference/engine.js';
import { embedFile } from '../inference/photo-faces.js';
import type { PhotoLimits } from '../photo/photo.js';
import type { RecognizeAnswer, RecognizedFace, SearchJson } from './answer.js';
import { probeOf } from './datastore-shelf.js';
import type { DomainBook } from './domain-book.js';
import { thresholdOf, topKOf } from './domain-query.js';
import type { DomainSearch } from './domain-search.js';
import type { DomainState } from './domain-state.js';
import type { EngineShelf } from './engine-shelf.js';
import { vectorSha256 } from './probe-hash.js';
import type { DomainCall } from './recognition.js';
import type { ProbeIdentity } from './shadow-comparison.js';
import { verdict } from './verdict.js';

export interface IdentifyParts {
  readonly book: DomainBook;
  readonly engines: EngineShelf;
  readonly search: DomainSearch;
  readonly photoLimits: Partial<PhotoLimits>;
}

/** Every face of a photo against one domain. */
export async function identify(parts: IdentifyParts, bytes: Uint8Array, call: DomainCall): Promise<RecognizeAnswer> {
  const started = performance.now();
  const state = await parts.book.state(call.domain);
  const space = await parts.search.space(state);
  const engine = await parts.engines.get(space);
  const photo = await embedFile(engine, bytes, parts.photoLimits, { signal: call.signal });
  const embedded = performance.now();
  const faces = await Promise.all(
    photo.faces.map((face, index) => {
      const identity = probeIdentity(parts, { bytes, sha256: photo.sha256, index }, space, face);
      return recognizeFace(parts, state, space, face, call, identity);
    }),
  );
  const done = performance.now();
  return {
    domain: state.domain,
    mode: state.mode,
    space: spaceName(space),
    image: { width: photo.width, height: photo.height },
    faces,
    timings: {
      decode: milliseconds(photo.decodeMilliseconds),
      faces: milliseconds(embedded - started - photo.decodeMilliseconds),
      search: milliseconds(done - embedded),
      total: milliseconds(done - started),
    },
  };
}

const milliseconds = (time: number): number => Math.round(time * 100) / 100;

async function recognizeFace(
  parts: IdentifyParts,
  state: DomainState,
  space: EmbeddingSpace,
  face: EmbeddedFace,
  call: DomainCall,
  identity: ProbeIdentity,
): Promise<RecognizedFace> {
  const topK = topKOf(call.topK);
  const threshold = thresholdOf(state, space, call.threshold);
  // The verdict needs the second person even when the caller wants only one.
  const query = { topK: Math.max(topK, 2), threshold, signal: call.signal };
  const candidates = await parts.search.search(state, inSpace(face.embedding, space), query, identity);
  return {
    box: face.box,
    confidence: face.confidence,
    verdict: verdict(candidates, state.margin),
    candidates: candidates.slice(0, topK),
  };
}

/** The engine's embedding under the domain's own description of the space, whose metric searches use; checked to be comparable. */
function inSpace(computed: Embedding, space: EmbeddingSpace): Embedding {
  assertComparable(computed.space, space);
  return probeOf(computed.values, space);
}

/** The face again in the other channel order, for classing a difference; only engines that have such a space give it. */
function probeIdentity(
  parts: IdentifyParts,
  { bytes, sha256, index }: { readonly bytes: Uint8Array; readonly sha256: string; readonly index: number },
  space: EmbeddingSpace,
  face: EmbeddedFace,
): ProbeIdentity {
  const otherOrder = async (): Promise<Embedding | null> => {
    try {
      const engine = await parts.engines.otherOrder(face.embedding.space);
      const other = engine === null ? undefined : (await embedFile(engine, bytes, parts.photoLimits)).faces[index];
      return other === undefined ? null : probeOf(other.embedding.values, space);
    } catch {
      return null;
    }
  };
  return { sha256, otherOrder };
}

/** A vector that the caller computed, against one domain. */
export async function searchVector(
  parts: IdentifyParts,
  values: ArrayLike<number>,
  call: DomainCall,
): Promise<SearchJson> {
  const state = await parts.book.state(call.domain);
  const topK = topKOf(call.topK);
  const answer = { domain: state.domain, mode: state.mode };
  if (state.space === null && state.datastore === null) {
    const query = { topK, signal: call.signal, ...(call.threshold === undefined ? {} : { threshold: call.threshold }) };
    const candidates = await parts.search.inGallery(state, Float32Array.from(values), query);
    return { ...answer, space: null, candidates };
  }
  const space = await parts.search.space(state);
  const probe = probeOf(values, space);
  const query = { topK, threshold: thresholdOf(state, space, call.threshold), signal: call.signal };
  const candidates = await parts.search.search(state, probe, query, { sha256: vectorSha256(probe) });
  return { ...answer, space: spaceName(space), candidates };
}
