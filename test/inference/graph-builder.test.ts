import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { float, GraphBuilder } from '#kith/inference/graph-builder.js';
import { openSession } from '#kith/inference/session.js';

describe('the ONNX graph builder', () => {
  it('writes graphs that onnxruntime runs: dynamic batch, weights, every kind of attribute, optional inputs', async () => {
    const g = new GraphBuilder('everything');
    const x = g.input('x', 'float32', ['n', 2, 3, 3]);
    const kernel = g.constant(
      Float32Array.from({ length: 2 * 2 * 9 }, (_, i) => (i % 9 === 4 ? 1 : 0)),
      [2, 2, 3, 3],
    );
    const convolved = g.node('Conv', [x, kernel], { strides: [1, 1], pads: [1, 1, 1, 1], group: 1 });
    const leaky = g.node('LeakyRelu', [convolved], { alpha: float(0.5) });
    const same = g.node('MaxPool', [leaky], { kernel_shape: [1, 1], strides: [1, 1], auto_pad: 'SAME_UPPER' });
    const clipped = g.node('Clip', [same, null, g.scalar(6)]);
    const [head, tail] = g.nodes('Split', [clipped, g.integers([1, 1])], { axis: -3 }, 2);
    g.output(head!, 'head', 'float32', ['n', 1, 3, 3]);
    g.output(g.node('Transpose', [tail!], { perm: [0, 2, 3, 1] }), 'tail', 'float32', ['n', 3, 3, 1]);
    const session = await openSession(g.build());
    const input = Float32Array.from({ length: 36 }, (_, i) => i - 18);
    const result = await session.run({ x: new Tensor('float32', input, [2, 2, 3, 3]) });
    const sum = (n: number, p: number): number => {
      const value = input[n * 18 + p]! + input[n * 18 + 9 + p]!;
      return Math.min(6, value < 0 ? value / 2 : value);
    };
    const expected = [0, 1].flatMap((n) => Array.from({ length: 9 }, (_, p) => sum(n, p)));
    expect([...(result.head!.data as Float32Array)]).toEqual(expected);
    expect([...(result.tail!.data as Float32Array)]).toEqual(expected);
    expect(result.tail!.dims).toEqual([2, 3, 3, 1]);
  });

  it('writes negative integers and names over 127 bytes', async () => {
    const g = new GraphBuilder('x'.repeat(1000));
    const x = g.input('é'.repeat(100), 'float32', [4]);
    g.output(g.node('Reshape', [x, g.integers([2, -1])]), 'y', 'float32', [2, 2]);
    const session = await openSession(g.build());
    const result = await session.run({ ['é'.repeat(100)]: new Tensor('float32', Float32Array.of(1, 2, 3, 4), [4]) });
    expect(result.y!.dims).toEqual([2, 2]);
  });

  it('holds over 100 MB of weights and copies them once', () => {
    const weights = new Float32Array(30_000_000).fill(1);
    const g = new GraphBuilder('large');
    const x = g.input('x', 'float32', ['n', 30_000]);
    g.output(g.node('MatMul', [x, g.constant(weights, [30_000, 1000])]), 'y', 'float32', ['n', 1000]);
    const before = process.memoryUsage().arrayBuffers;
    const model = g.build();
    expect(model.length).toBeGreaterThan(120_000_000);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1.05 * model.length);
  });

  it('refuses weights that do not fit their shape, and fractions where integers belong', () => {
    const g = new GraphBuilder('wrong');
    expect(() => g.constant(new Float32Array(5), [2, 3])).toThrow(
      '5 values were given for shape [2, 3], which needs 6',
    );
    const x = g.input('x', 'float32', [1]);
    expect(() => g.node('LeakyRelu', [x], { alpha: 0.5 })).toThrow('0.5 is not an integer');
  });

  it('says so when the bytes are no model, and when the device is not there', async () => {
    await expect(openSession(new Uint8Array([1, 2, 3]))).rejects.toMatchObject({
      code: 'inference-model',
      status: 500,
    });
    const absent = process.platform === 'darwin' ? 'dml' : 'coreml';
    const g = new GraphBuilder('tiny');
    g.output(g.node('Relu', [g.input('x', 'float32', [1])]), 'y', 'float32', [1]);
    await expect(openSession(g.build(), { device: absent })).rejects.toMatchObject({
      code: 'inference-device',
      exit: 2,
    });
  });
});
