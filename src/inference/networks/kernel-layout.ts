/** A convolution's kernel over `area` positions, or a dense layer over a flattened map of so many. */
export interface KernelShape {
  readonly area: number;
  readonly from: number;
  readonly to: number;
}

/** Factors that are folded in on the way, per channel that comes in and per channel that goes out. */
export interface KernelScales {
  readonly from?: Float64Array | undefined;
  readonly to?: Float64Array | undefined;
}

/**
 * TensorFlow's (position, in, out) → ONNX's (out, in, position). Products are double, rounded once. The loop runs over
 * every weight of a network when an engine opens, so it is a plain one: `map` takes ten times as long.
 */
export function outputsFirst(
  values: Float32Array,
  { area, from, to }: KernelShape,
  scales: KernelScales = {},
): Float32Array {
  const ones = (length: number): Float64Array => new Float64Array(length).fill(1);
  const { from: scaleFrom = ones(from), to: scaleTo = ones(to) } = scales;
  const result = new Float32Array(values.length);
  const stride = from * area;
  let read = 0;
  for (let p = 0; p < area; p++)
    for (let i = 0; i < from; i++) {
      const scale = scaleFrom[i]!;
      for (let o = 0, write = i * area + p; o < to; o++, write += stride) {
        result[write] = values[read]! * scale * scaleTo[o]!;
        read += 1;
      }
    }
  return result;
}
