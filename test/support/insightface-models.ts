import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { GraphBuilder, type Value } from '#kith/inference/graph-builder.js';

/** A pseudo-random sequence that any language can repeat: numbers in −1 … 1. */
export function noise(length: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return new Float32Array(length).map(() => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const SIDE = 640;
/** Distances (left, top, right, bottom) and points that the tiny detector gives for every face, in strides. */
export const TINY_BOX = [2, 3, 2, 3] as const;
export const TINY_POINTS = [-1, -1, 1, -1, 0, 0, -1, 1, 1, 1] as const;

/**
 * A detector with SCRFD's inputs and outputs: a place of stride 8 is a face where its pixels are red, of stride 16
 * where they are green, of stride 32 where they are blue.
 */
export function tinyScrfd(): Uint8Array {
  const g = new GraphBuilder('tiny-scrfd');
  const x = g.input('input.1', 'float32', [1, 3, '?', '?']);
  const channels = g.nodes('Split', [x, g.integers([1, 1, 1])], { axis: 1 }, 3);
  const strides = [8, 16, 32];
  strides.forEach((stride, i) => {
    g.output(scores(g, channels[i]!, stride), `score_${stride}`, 'float32', ['anchors', 1]);
  });
  for (const [name, values] of [
    ['bbox', TINY_BOX],
    ['kps', TINY_POINTS],
  ] as const)
    for (const stride of strides) {
      const anchors = (SIDE / stride) ** 2 * 2;
      const data = Float32Array.from({ length: anchors * values.length }, (_, at) => values[at % values.length]!);
      g.output(g.constant(data, [anchors, values.length]), `${name}_${stride}`, 'float32', [anchors, values.length]);
    }
  return g.build();
}

/** The mean of a channel at each place for the first anchor, less than half of it for the second. */
function scores(g: GraphBuilder, channel: Value, stride: number): Value {
  const pooled = g.node('AveragePool', [channel], { kernel_shape: [stride, stride], strides: [stride, stride] });
  const places = g.node('Reshape', [g.node('Clip', [pooled, g.scalar(0), g.scalar(1)]), g.integers([-1, 1])]);
  const both = g.node('Concat', [places, g.node('Mul', [places, g.scalar(0.4)])], { axis: 1 });
  return g.node('Reshape', [both, g.integers([-1, 1])]);
}

export const TINY_CELLS = 3 * 7 * 7;

/** A recognition model with ArcFace's input and output: 512 mixtures of the means of 16 × 16 cells. */
export function tinyArcFace(): Uint8Array {
  const g = new GraphBuilder('tiny-arcface');
  const x = g.input('input.1', 'float32', ['None', 3, 112, 112]);
  const pooled = g.node('AveragePool', [x], { kernel_shape: [16, 16], strides: [16, 16] });
  const flat = g.node('Reshape', [pooled, g.integers([-1, TINY_CELLS])]);
  const mixture = g.constant(noise(TINY_CELLS * 512, 7), [TINY_CELLS, 512]);
  g.output(g.node('MatMul', [flat, mixture]), '683', 'float32', ['None', 512]);
  return g.build();
}

/** Writes both under the names that the buffalo_l pack has. */
export async function writeTinyPack(folder: string): Promise<void> {
  await writeFile(path.join(folder, 'det_10g.onnx'), tinyScrfd());
  await writeFile(path.join(folder, 'w600k_r50.onnx'), tinyArcFace());
}
