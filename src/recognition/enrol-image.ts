import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { KithError } from '../errors.js';
import type { FaceQuality } from '../face/face.js';
import type { Gallery } from '../gallery/gallery.js';
import type { EmbeddedFace, FaceEngine } from '../inference/engine.js';
import { embedFile } from '../inference/photo-faces.js';
import type { PhotoLimits } from '../photo/photo.js';
import type { EnrolImage, PoorReason, QualityBounds } from './enrol.js';
import { deleteFacesOfImage, type EnrolledImage, type ImageNotes, type Outcome, recordImage } from './enrol-record.js';
import { largestFace } from './verify.js';

export interface EnrolRules {
  readonly faces: 'largest' | 'all';
  readonly quality: QualityBounds;
  readonly skipPoor: boolean;
}

/** Rules in one word: an image enrolled under other ones is looked at again. Bounds only matter when poor faces are left out. */
export const rulesName = ({ faces, quality, skipPoor }: EnrolRules): string =>
  skipPoor ? `${faces} size>=${quality.minSize} sharp>=${quality.minSharpness} turn<=${quality.maxTurn}` : faces;

export interface ImageTask {
  readonly gallery: Gallery;
  readonly engine: FaceEngine;
  readonly domain: string;
  /** Table of the domain's space. */
  readonly table: string;
  readonly rules: EnrolRules;
  readonly root: string;
  readonly photoLimits: Partial<PhotoLimits>;
  readonly signal?: AbortSignal | undefined;
}

export interface ImageResult {
  readonly image: EnrolledImage;
  readonly facesWritten: number;
}

export function poorReasons(quality: FaceQuality, bounds: QualityBounds): readonly PoorReason[] {
  const reasons: PoorReason[] = [];
  if (quality.size < bounds.minSize) reasons.push('too-small');
  if (quality.sharpness < bounds.minSharpness) reasons.push('too-blurred');
  if (quality.turn > bounds.maxTurn) reasons.push('too-turned');
  return reasons;
}

/** Faults of the photo itself; any other one (database, engine, weights) ends the run. */
const isOfImage = (error: unknown): error is KithError =>
  error instanceof KithError && (/^(photo|embedding)-/.test(error.code) || error.code === 'inference-worker');

/** Waits for a place in the engine's queue: a bulk run never makes other callers fail. */
async function embedPatiently(task: ImageTask, bytes: Uint8Array): Promise<EmbeddedFace[]> {
  for (;;) {
    try {
      return (await embedFile(task.engine, bytes, task.photoLimits, { signal: task.signal })).faces;
    } catch (error) {
      if (!(error instanceof KithError) || error.code !== 'inference-busy') throw error;
      await wait(200, undefined, task.signal === undefined ? {} : { signal: task.signal });
    }
  }
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000;

interface Chosen {
  readonly outcome: Outcome;
  readonly faces: readonly EmbeddedFace[];
  readonly notes: ImageNotes;
}

/** Which faces of an image are enrolled, and what there is to say of it. */
export function chooseFaces(found: readonly EmbeddedFace[], rules: EnrolRules): Chosen {
  const largest = largestFace(found);
  if (largest === null) return { outcome: 'no-face', faces: [], notes: { faces: 0, enrolled: 0 } };
  const wanted = rules.faces === 'all' ? [largest, ...found.filter((face) => face !== largest)] : [largest];
  const isPoor = ({ quality }: EmbeddedFace): boolean => poorReasons(quality, rules.quality).length > 0;
  const faces = rules.skipPoor ? wanted.filter((face) => !isPoor(face)) : wanted;
  const worst = wanted.find(isPoor);
  const poor = worst === undefined ? {} : { poor: describePoor(worst.quality, rules.quality) };
  const notes = { faces: found.length, enrolled: faces.length, ...poor };
  return { outcome: faces.length === 0 ? 'poor' : 'enrolled', faces, notes };
}

const describePoor = (quality: FaceQuality, bounds: QualityBounds): NonNullable<ImageNotes['poor']> => ({
  reasons: poorReasons(quality, bounds),
  size: rounded(quality.size),
  sharpness: rounded(quality.sharpness),
  turn: rounded(quality.turn),
});

/** One image into the gallery: its faces and the note that it was dealt with, in one transaction. */
export async function enrolImage(task: ImageTask, image: EnrolImage, bytes: Uint8Array): Promise<ImageResult> {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const about = { path: image.path, person: image.person, sha256, rules: rulesName(task.rules), root: task.root };
  let chosen: Chosen;
  try {
    chosen = chooseFaces(await embedPatiently(task, bytes), task.rules);
  } catch (error) {
    if (!isOfImage(error)) throw error;
    // What was enrolled from an earlier, readable state of the image stays.
    const notes = { code: error.code, message: error.message };
    const unreadable: EnrolledImage = { ...about, outcome: 'unreadable', notes };
    await recordImage(task.gallery.database, task.domain, unreadable);
    return { image: unreadable, facesWritten: 0 };
  }
  const enrolled: EnrolledImage = { ...about, outcome: chosen.outcome, notes: chosen.notes };
  await store(task, enrolled, chosen.faces);
  return { image: enrolled, facesWritten: chosen.faces.length };
}

async function store(task: ImageTask, image: EnrolledImage, faces: readonly EmbeddedFace[]): Promise<void> {
  const { gallery, domain, table } = task;
  await gallery.transaction(async (operations, database) => {
    await deleteFacesOfImage(database, domain, table, image.path);
    if (faces.length > 0) {
      const person = await operations.addPerson({ name: image.person, domain });
      for (const [index, face] of faces.entries())
        await operations.addEmbedding({
          personId: person.id,
          imagePath: image.path,
          faceNumber: index + 1,
          embedding: face.embedding,
          box: face.box,
          landmarks: face.landmarks,
          confidence: face.confidence,
          imageSha256: image.sha256,
        });
    }
    await recordImage(database, domain, image);
  });
}
