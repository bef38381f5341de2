import { CALIBRATIONS, type Calibration } from './confidence-table.js';
import { defaultThreshold, type TunedSpace } from './threshold.js';

const sigmoid = (z: number): number => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/** The logistic score spread over the half of the scale that the decision belongs to. */
function spread(score: number, same: boolean, [, , , maxTrue, minTrue, maxFalse, minFalse]: Calibration): number {
  if (!same) return clamp(((score - minFalse) / (maxFalse - minFalse)) * Math.min(49, Math.trunc(maxFalse)), 0, 49);
  const floor = Math.max(51, minTrue);
  return clamp(((score - minTrue) / (maxTrue - minTrue)) * (100 - floor) + floor, 51, 100);
}

/**
 * DeepFace's calibrated confidence of a distance: 51–100 when the two faces count as the same person, 0–49 when not,
 * two decimals. The decision is the pre-tuned threshold's, whatever threshold the caller searches with
 * (`find_confidence` in deepface/modules/verification.py). `null` where the space's model has no calibration;
 * the plain similarity is `1 − distance`.
 */
export function confidence(distance: number, space: TunedSpace): number | null {
  const calibration = CALIBRATIONS[space.model]?.[space.metric];
  const threshold = defaultThreshold(space);
  if (calibration === undefined || threshold === null) return null;
  // DeepFace rounds a distance to 6 decimals before it decides anything.
  const rounded = Math.round(distance * 1e6) / 1e6;
  const same = rounded <= threshold;
  if (rounded <= 0) return same ? 100 : 0;
  const [w, b, normalizer] = calibration;
  const score = 100 * sigmoid(w * (normalizer > 1 ? rounded / normalizer : rounded) + b);
  return Number(spread(score, same, calibration).toFixed(2));
}
