// Against DeepFace's own functions: oracle/confidence_table.py wrote the table.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { confidence } from '#kith/embedding/confidence.js';
import type { Metric } from '#kith/embedding/space.js';
import { defaultThreshold } from '#kith/embedding/threshold.js';

interface Row {
  readonly model: string;
  readonly metric: Metric;
  readonly threshold: number;
  readonly distances: readonly number[];
  readonly confidences: readonly number[];
}

const file = path.resolve(import.meta.dirname, '../references/confidence.json');
const rows = JSON.parse(readFileSync(file, 'utf8')) as readonly Row[];
// DeepFace answers 51 or 49 for a model that has no calibration; here that is no confidence at all.
const UNCALIBRATED = new Set(['Buffalo_L']);

describe('thresholds and confidence', () => {
  it('covers every model of DeepFace', () => expect(rows).toHaveLength(11 * 4));

  it.each(rows)('$model by $metric', ({ model, metric, threshold, distances, confidences }) => {
    const space = { model: model.replace('-', '').toLowerCase(), metric };
    expect(defaultThreshold(space)).toBe(threshold);
    const given = distances.map((distance) => confidence(distance, space));
    expect(given).toEqual(UNCALIBRATED.has(model) ? distances.map(() => null) : confidences);
  });

  it('knows the golden values of ArcFace by cosine', () => {
    const given = [0.3, 0.68, 0.69, 1].map((distance) => confidence(distance, { model: 'arcface', metric: 'cosine' }));
    expect(given).toEqual([84.72, 51, 18.83, 3.1]);
  });

  it('has none for a space that nobody calibrated', () => {
    expect(confidence(0.1, { model: 'faceapi', metric: 'cosine' })).toBeNull();
    expect(defaultThreshold({ model: 'unknown', metric: 'cosine' })).toBeNull();
  });
});
