import { confidence } from '../embedding/confidence.js';
import { distance } from '../embedding/distance.js';
import { type EmbeddingSpace, type SpaceName, spaceName } from '../embedding/space.js';
import { defaultThreshold } from '../embedding/threshold.js';
import { KithError } from '../errors.js';
import type { DetectedFace } from '../face/face.js';
import type { EmbeddedFace } from '../inference/engine.js';
import { detectFile, embedFile } from '../inference/photo-faces.js';
import type { PhotoLimits } from '../photo/photo.js';
import type { FacesAnswer, FoundFace, VerifyAnswer } from './answer.js';
import type { EngineShelf } from './engine-shelf.js';
import type { SpaceCall } from './recognition.js';

export interface FaceParts {
  readonly engines: EngineShelf;
  readonly bundledSpace: SpaceName;
  readonly photoLimits: Partial<PhotoLimits>;
}

const area = ({ box }: DetectedFace): number => box.width * box.height;

/** The face that a photo is of: the largest one. */
export function largestFace<F extends DetectedFace>(faces: readonly F[]): F | null {
  return faces.reduce<F | null>(
    (largest, face) => (largest === null || area(face) > area(largest) ? face : largest),
    null,
  );
}

/** Whether two photos show one person: the largest face of each, in one space. Throws `face-none`. */
export async function verify(
  parts: FaceParts,
  left: Uint8Array,
  right: Uint8Array,
  call: SpaceCall & { readonly threshold?: number | undefined },
): Promise<VerifyAnswer> {
  const [a, b] = await Promise.all([mainFace(parts, left, 'first', call), mainFace(parts, right, 'second', call)]);
  const { space } = a.face.embedding;
  const apart = distance(a.face.embedding, b.face.embedding);
  const threshold = thresholdFor(space, call.threshold);
  return {
    verdict: apart <= threshold ? 'same' : 'different',
    distance: apart,
    threshold,
    confidence: confidence(apart, space),
    space: spaceName(space),
    faces: [compared(a), compared(b)],
  };
}

function thresholdFor(space: EmbeddingSpace, given: number | undefined): number {
  if (given !== undefined && !(given >= 0 && Number.isFinite(given))) throw new KithError('threshold-value', { given });
  const threshold = given ?? defaultThreshold(space);
  if (threshold === null) throw new KithError('threshold-needed', { space: spaceName(space) });
  return threshold;
}

interface MainFace {
  readonly face: EmbeddedFace;
  readonly of: number;
}

async function mainFace(
  parts: FaceParts,
  bytes: Uint8Array,
  which: 'first' | 'second',
  call: SpaceCall,
): Promise<MainFace> {
  const engine = await parts.engines.get(call.space ?? parts.bundledSpace);
  const { faces } = await embedFile(engine, bytes, parts.photoLimits, { signal: call.signal });
  const face = largestFace(faces);
  if (face === null) throw new KithError('face-none', { which });
  return { face, of: faces.length };
}

const compared = ({ face, of }: MainFace) => ({ box: face.box, confidence: face.confidence, of });

/** Where faces are on a photo. */
export async function detectFaces(parts: FaceParts, bytes: Uint8Array, call: SpaceCall): Promise<FacesAnswer> {
  const engine = await parts.engines.get(call.space ?? parts.bundledSpace);
  const { faces } = await detectFile(engine, bytes, parts.photoLimits, { signal: call.signal });
  return { space: spaceName(engine.space), faces: faces.map(found) };
}

/** Where faces are on a photo, each with its embedding. */
export async function embedFaces(parts: FaceParts, bytes: Uint8Array, call: SpaceCall): Promise<FacesAnswer> {
  const engine = await parts.engines.get(call.space ?? parts.bundledSpace);
  const { faces } = await embedFile(engine, bytes, parts.photoLimits, { signal: call.signal });
  const embedded = faces.map((face) => ({ ...found(face), embedding: [...face.embedding.values] }));
  return { space: spaceName(engine.space), faces: embedded };
}

const found = ({ box, confidence: score }: DetectedFace): FoundFace => ({ box, confidence: score });
