/**
 * Where each pixel of a resized line comes from: the two source positions and how much the second weighs.
 * As OpenCV's INTER_LINEAR computes it (imgproc/resize.cpp): pixel centres at halves, coefficients in float32,
 * positions outside of the source moved to its edge.
 */
export interface LinearTaps {
  readonly first: Int32Array;
  readonly second: Int32Array;
  /** Weight of `second`, float32. */
  readonly weight: Float32Array;
}

/** `step` is source pixels per target pixel (OpenCV's scale_x, the inverse of its fx). */
export function linearTaps(source: number, target: number, step: number): LinearTaps {
  const first = new Int32Array(target);
  const second = new Int32Array(target);
  const weight = new Float32Array(target);
  for (let i = 0; i < target; i++) {
    const position = Math.fround((i + 0.5) * step - 0.5);
    const floor = Math.floor(position);
    const inside = floor >= 0 && floor < source - 1;
    first[i] = Math.min(Math.max(floor, 0), source - 1);
    second[i] = Math.min(first[i]! + (inside ? 1 : 0), source - 1);
    weight[i] = inside ? Math.fround(position - floor) : 0;
  }
  return { first, second, weight };
}

/** Python's and OpenCV's rounding: to the nearest whole number, halves to the even one. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
