import type { Box, Point } from '../../face/face.js';
import type { Pixels } from '../../photo/photo.js';
import { LANDMARK_SIDE, LANDMARKS } from '../networks/faceapi/landmark-net.js';

/** Cuts a box to whole pixels inside the photo, as face-api's clipAtImageBorders; `null` when nothing is left. */
export function clipBox(box: Box, photo: Pixels): Box | null {
  const left = Math.max(0, box.x);
  const top = Math.max(0, box.y);
  const width = Math.floor(Math.min(box.x + box.width - left, photo.width - left));
  const height = Math.floor(Math.min(box.y + box.height - top, photo.height - top));
  return width > 0 && height > 0 ? { x: Math.floor(left), y: Math.floor(top), width, height } : null;
}

/**
 * The landmark net's output for one face → points in pixels of the photo. The net saw `crop` with a border on both
 * sides; face-api then puts the points at the box's own corner, not at the crop's (a shift of less than a pixel that
 * the recognition crops have always had).
 */
export function placeLandmarks(output: Float32Array, crop: Box, box: Box): Point[] {
  const scale = LANDMARK_SIDE / Math.max(crop.width, crop.height);
  const [width, height] = [crop.width * scale, crop.height * scale];
  const borderX = width < height ? (height - width) / 2 : 0;
  const borderY = height < width ? (width - height) / 2 : 0;
  return Array.from({ length: LANDMARKS }, (_, i) => [
    ((output[2 * i]! * LANDMARK_SIDE - borderX) / width) * crop.width + box.x,
    ((output[2 * i + 1]! * LANDMARK_SIDE - borderY) / height) * crop.height + box.y,
  ]);
}

export const centre = (points: readonly Point[]): Point => {
  const [x, y] = points.reduce(([sumX, sumY], point) => [sumX + point[0], sumY + point[1]] as const, [0, 0] as const);
  return [x / points.length, y / points.length];
};

/** The 68 landmarks' parts, in dlib's order; left as seen in the photo. */
export const leftEye = (landmarks: readonly Point[]): Point => centre(landmarks.slice(36, 42));
export const rightEye = (landmarks: readonly Point[]): Point => centre(landmarks.slice(42, 48));
export const mouth = (landmarks: readonly Point[]): Point => centre(landmarks.slice(48, 68));
export const noseTip = (landmarks: readonly Point[]): Point => landmarks[30]!;

/** The square that the recognition net sees, from eyes and mouth: face-api's alignDlib, floors and all. */
export function alignedBox(landmarks: readonly Point[], crop: Box): Box {
  const parts = [leftEye(landmarks), rightEye(landmarks), mouth(landmarks)] as const;
  const toMouth = (eye: Point): number => Math.hypot(parts[2][0] - eye[0], parts[2][1] - eye[1]);
  const size = Math.floor((toMouth(parts[0]) + toMouth(parts[1])) / 2 / 0.45);
  const [x, y] = centre(parts);
  const left = Math.floor(Math.max(0, x - 0.5 * size));
  const top = Math.floor(Math.max(0, y - 0.43 * size));
  return { x: left, y: top, width: Math.min(size, crop.width + left), height: Math.min(size, crop.height + top) };
}
