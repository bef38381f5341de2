import type { Point } from './face.js';

/** x′ = a·x + b·y + c, y′ = d·x + e·y + f. */
export interface Affine {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;
  readonly f: number;
}

/** Where eyes, nose and corners of the mouth lie in the 112 × 112 crop that ArcFace models were trained on (insightface, face_align.py). */
export const ARCFACE_TEMPLATE: readonly Point[] = [
  [38.2946, 51.6963],
  [73.5318, 51.5014],
  [56.0252, 71.7366],
  [41.5493, 92.3655],
  [70.7299, 92.2041],
];

/**
 * The turn, scale and shift that brings points closest to others (Umeyama 1991). In the plane its singular value
 * decomposition has this closed form, and it never mirrors. `null` when the points coincide.
 */
export function estimateSimilarity(from: readonly Point[], to: readonly Point[]): Affine | null {
  const [fromX, fromY] = mean(from);
  const [toX, toY] = mean(to);
  let along = 0;
  let across = 0;
  let spread = 0;
  from.forEach(([x, y], i) => {
    const [dx, dy] = [x - fromX, y - fromY];
    const [ex, ey] = [to[i]![0] - toX, to[i]![1] - toY];
    along += dx * ex + dy * ey;
    across += dx * ey - dy * ex;
    spread += dx * dx + dy * dy;
  });
  if (!(spread > 0) || (along === 0 && across === 0)) return null;
  const [a, d] = [along / spread, across / spread];
  return { a, b: -d, c: toX - a * fromX + d * fromY, d, e: a, f: toY - d * fromX - a * fromY };
}

function mean(points: readonly Point[]): Point {
  const [x, y] = points.reduce(([sumX, sumY], point) => [sumX + point[0], sumY + point[1]] as const, [0, 0] as const);
  return [x / points.length, y / points.length];
}

/** The transform that undoes another; the other must not be flat. */
export function invert({ a, b, c, d, e, f }: Affine): Affine {
  const determinant = a * e - b * d;
  const [ia, ib, id, ie] = [e / determinant, -b / determinant, -d / determinant, a / determinant];
  return { a: ia, b: ib, c: -(ia * c + ib * f), d: id, e: ie, f: -(id * c + ie * f) };
}
