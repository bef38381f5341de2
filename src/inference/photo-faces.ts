import type { DetectedFace } from '../face/face.js';
import { decodePhoto, decodeReducedPhoto, type PhotoLimits, type ReducedPhoto } from '../photo/photo.js';
import type { EmbeddedFace, EngineCall, FaceEngine } from './engine.js';
import { StageClock } from './stage-clock.js';

/** The faces of a photo's file, in pixels of the upright photo. */
export interface PhotoFaces<Face> {
  readonly width: number;
  readonly height: number;
  /** SHA-256 of the file's bytes, hex. */
  readonly sha256: string;
  readonly faces: Face[];
  readonly decodeMilliseconds: number;
}

/**
 * Decodes a file and finds its faces. Where the engine says what it needs (`engine.view`), a large JPEG is decoded at
 * a fraction of its size. Throws the faults of `decodePhoto` and of the engine.
 */
export async function detectFile(
  engine: FaceEngine,
  bytes: Uint8Array,
  limits: Partial<PhotoLimits> = {},
  call: EngineCall = {},
): Promise<PhotoFaces<DetectedFace>> {
  const clock = new StageClock();
  const reduced = await clock.time('decode', () => decodeFor(engine, bytes, limits, call));
  return inOwnPixels(reduced, await engine.detect(reduced.photo, call), clock);
}

/**
 * Decodes a file and embeds its faces, as {@link detectFile}. When a face of a reduced photo has fewer pixels than the
 * engine would use, the photo is decoded in full after all, so that no embedding is poorer for the saving.
 */
export async function embedFile(
  engine: FaceEngine,
  bytes: Uint8Array,
  limits: Partial<PhotoLimits> = {},
  call: EngineCall = {},
): Promise<PhotoFaces<EmbeddedFace>> {
  const clock = new StageClock();
  const reduced = await clock.time('decode', () => decodeFor(engine, bytes, limits, call));
  const faces = await engine.embed(reduced.photo, call);
  const isWhole = reduced.photo.width === reduced.width;
  if (isWhole || faces.every((face) => face.quality.size >= (engine.view?.face ?? 0)))
    return inOwnPixels(reduced, faces, clock);
  const photo = await clock.time('decode', () => decodePhoto(bytes, limits, { signal: call.signal }));
  return inOwnPixels({ ...reduced, photo }, await engine.embed(photo, call), clock);
}

const decodeFor = (
  engine: FaceEngine,
  bytes: Uint8Array,
  limits: Partial<PhotoLimits>,
  { signal }: EngineCall,
): Promise<ReducedPhoto> =>
  decodeReducedPhoto(bytes, engine.view?.photo ?? Number.POSITIVE_INFINITY, limits, { signal });

function inOwnPixels<Face extends DetectedFace>(
  { photo, width, height }: ReducedPhoto,
  faces: Face[],
  clock: StageClock,
): PhotoFaces<Face> {
  const about = { width, height, sha256: photo.sha256, decodeMilliseconds: clock.stages.decode ?? 0 };
  const [x, y] = [width / photo.width, height / photo.height];
  const enlarged = faces.map(
    (face): Face => ({
      ...face,
      box: { x: face.box.x * x, y: face.box.y * y, width: face.box.width * x, height: face.box.height * y },
      landmarks: face.landmarks.map(([px, py]) => [px * x, py * y] as const),
      quality: { ...face.quality, size: face.quality.size * Math.min(x, y) },
    }),
  );
  return { ...about, faces: x === 1 && y === 1 ? faces : enlarged };
}
