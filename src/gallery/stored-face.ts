import type { Embedding } from '../embedding/embedding.js';

export interface StoredBox {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Things worth knowing of a face that do not keep it from being searched. */
export type FaceFlag = 'whole-image';

/** What is kept of a face beside its embedding; null where the source did not say. */
export interface FaceDetails {
  readonly box: StoredBox | null;
  readonly landmarks: readonly (readonly [x: number, y: number])[] | null;
  /** The detector's score, 0–1. */
  readonly confidence: number | null;
  /** SHA-256 (hex) of the image file's bytes. */
  readonly imageSha256: string | null;
  /** DeepFace's own `hash` of the row: of size and times, not of content. */
  readonly legacyHash: string | null;
  readonly flags: readonly FaceFlag[];
}

export interface StoredFace extends FaceDetails {
  readonly id: string;
  readonly personId: string;
  readonly domain: string;
  readonly imagePath: string;
  readonly faceNumber: number;
  readonly createdAt: Date;
}

export interface NewFace extends Partial<FaceDetails> {
  readonly personId: string;
  readonly imagePath: string;
  /** 1 unless given. */
  readonly faceNumber?: number;
  /** Bare values are taken to be of the domain's space. */
  readonly embedding: Embedding | Float32Array;
}

const FACE = /^(?<path>.*)#face=(?<number>[1-9]\d*)$/s;

/** The key under which a face is stored: one image_path is one row, so a second face of one image is `path#face=2`. */
export function storedPath(imagePath: string, faceNumber: number): string {
  return faceNumber === 1 ? imagePath : `${imagePath}#face=${faceNumber}`;
}

/** The reverse of {@link storedPath}. */
export function splitPath(stored: string): { imagePath: string; faceNumber: number } {
  const groups = FACE.exec(stored)?.groups;
  if (groups?.path === undefined || groups.number === '1') return { imagePath: stored, faceNumber: 1 };
  return { imagePath: groups.path, faceNumber: Number(groups.number) };
}
