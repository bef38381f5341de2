import type { Pixels } from '../../photo/photo.js';
import type { FacePlacement } from './face-align.js';

/** Reads lines of a face's crop. */
export interface CropReader {
  readonly width: number;
  readonly height: number;
  /** The 8-bit RGB values of line `y` at these columns, into `into` (3 per column). */
  readLine(y: number, columns: Int32Array, into: Uint8Array): void;
}

/** A face's crop as DeepFace cuts it: turned with cubic interpolation, black outside of the view and of the photo. */
export function cropReader(photo: Pixels, placement: FacePlacement): CropReader {
  const { crop, angle } = placement;
  const readLine = angle === 0 ? levelReader(photo, placement) : turnedReader(photo, placement);
  return { width: crop.width, height: crop.height, readLine };
}

function levelReader(photo: Pixels, { view, crop }: FacePlacement): CropReader['readLine'] {
  return (line, columns, into) => {
    const y = view.y + crop.y + line;
    columns.forEach((column, i) => {
      const x = view.x + crop.x + column;
      const inside = x >= 0 && y >= 0 && x < photo.width && y < photo.height;
      const at = (y * photo.width + x) * 3;
      for (let channel = 0; channel < 3; channel++) into[3 * i + channel] = inside ? photo.pixels[at + channel]! : 0;
    });
  };
}

/**
 * cv2.warpAffine(INTER_CUBIC, BORDER_CONSTANT 0) of the view by cv2.getRotationMatrix2D around its middle, with exact
 * positions as OpenCV 5 has them. OpenCV 4 rounds positions to 1/32 pixel and coefficients to 1/32768.
 */
function turnedReader(photo: Pixels, placement: FacePlacement): CropReader['readLine'] {
  const { view, crop, angle } = placement;
  const inverse = inverseRotation(angle, Math.floor(view.width / 2), Math.floor(view.height / 2));
  const alongX = new Float32Array(4);
  const alongY = new Float32Array(4);
  return (line, columns, into) => {
    const y = crop.y + line;
    columns.forEach((column, i) => {
      const x = crop.x + column;
      const sourceX = inverse[0] * x + inverse[1] * y + inverse[2];
      const sourceY = inverse[3] * x + inverse[4] * y + inverse[5];
      const left = Math.floor(sourceX);
      const top = Math.floor(sourceY);
      cubicWeights(sourceX - left, alongX);
      cubicWeights(sourceY - top, alongY);
      blendPatch(photo, view, left - 1, top - 1, alongX, alongY, into, 3 * i);
    });
  };
}

type Affine = readonly [number, number, number, number, number, number];

/** The inverse of cv2.getRotationMatrix2D, which cv2.warpAffine samples by. */
function inverseRotation(degrees: number, centreX: number, centreY: number): Affine {
  const radians = (degrees * Math.PI) / 180;
  const cos = Math.cos(radians);
  const sin = Math.sin(radians);
  const x = (1 - cos) * centreX - sin * centreY;
  const y = sin * centreX + (1 - cos) * centreY;
  // A rotation's inverse is its transpose.
  return [cos, -sin, sin * y - cos * x, sin, cos, -sin * x - cos * y];
}

/** OpenCV's cubic (A = −0.75). */
function cubicWeights(t: number, into: Float32Array): void {
  const a = -0.75;
  const u = t + 1;
  const v = 1 - t;
  into[0] = ((a * u - 5 * a) * u + 8 * a) * u - 4 * a;
  into[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
  into[2] = ((a + 2) * v - (a + 3)) * v * v + 1;
  into[3] = 1 - into[0] - into[1] - into[2];
}

/** The 4 × 4 pixels of the view from (left, top), weighted; what lies outside of the view counts as black. */
function blendPatch(
  photo: Pixels,
  view: FacePlacement['view'],
  left: number,
  top: number,
  alongX: Float32Array,
  alongY: Float32Array,
  into: Uint8Array,
  at: number,
): void {
  let red = 0;
  let green = 0;
  let blue = 0;
  for (let j = 0; j < 4; j++) {
    const y = top + j;
    const photoY = view.y + y;
    if (y < 0 || y >= view.height || photoY < 0 || photoY >= photo.height) continue;
    for (let i = 0; i < 4; i++) {
      const x = left + i;
      const photoX = view.x + x;
      if (x < 0 || x >= view.width || photoX < 0 || photoX >= photo.width) continue;
      const weight = alongX[i]! * alongY[j]!;
      const pixel = (photoY * photo.width + photoX) * 3;
      red += weight * photo.pixels[pixel]!;
      green += weight * photo.pixels[pixel + 1]!;
      blue += weight * photo.pixels[pixel + 2]!;
    }
  }
  into[at] = clampToByte(red);
  into[at + 1] = clampToByte(green);
  into[at + 2] = clampToByte(blue);
}

const clampToByte = (value: number): number => Math.max(0, Math.min(255, Math.round(value)));
