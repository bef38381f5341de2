import type { EmbeddingSpace, Metric } from './space.js';

/** What a threshold or a confidence depends on. */
export type TunedSpace = Pick<EmbeddingSpace, 'model' | 'metric'>;

/** The largest distance at which two faces still count as the same person (`distance ≤ threshold`), per metric. */
export type Thresholds = Readonly<Partial<Record<Metric, number>>>;

// DeepFace 0.0.100, deepface/config/threshold.py; models are spelt as in datastore file names.
const PRE_TUNED: Readonly<Record<string, Thresholds>> = {
  vggface: { cosine: 0.68, euclidean: 1.17, euclidean_l2: 1.17, angular: 0.39 },
  facenet: { cosine: 0.4, euclidean: 10, euclidean_l2: 0.8, angular: 0.33 },
  facenet512: { cosine: 0.3, euclidean: 23.56, euclidean_l2: 1.04, angular: 0.35 },
  arcface: { cosine: 0.68, euclidean: 4.15, euclidean_l2: 1.13, angular: 0.39 },
  dlib: { cosine: 0.07, euclidean: 0.6, euclidean_l2: 0.4, angular: 0.12 },
  sface: { cosine: 0.593, euclidean: 10.734, euclidean_l2: 1.055, angular: 0.36 },
  openface: { cosine: 0.1, euclidean: 0.55, euclidean_l2: 0.55, angular: 0.11 },
  deepface: { cosine: 0.23, euclidean: 64, euclidean_l2: 0.64, angular: 0.12 },
  deepid: { cosine: 0.015, euclidean: 45, euclidean_l2: 0.17, angular: 0.04 },
  ghostfacenet: { cosine: 0.65, euclidean: 35.71, euclidean_l2: 1.1, angular: 0.38 },
  buffalo_l: { cosine: 0.55, euclidean: 0.6, euclidean_l2: 1.1, angular: 0.45 },
  // The bundled engine's recognition net is dlib's: its euclidean threshold is face-api's own (0.6), the others dlib's.
  faceapi: { cosine: 0.07, euclidean: 0.6, euclidean_l2: 0.4, angular: 0.12 },
};

/** The pre-tuned threshold of a space's model and metric, or `null` where nobody tuned one. */
export function defaultThreshold(space: TunedSpace): number | null {
  return PRE_TUNED[space.model]?.[space.metric] ?? null;
}

/** Models that have a pre-tuned threshold. */
export const tunedModels = (): readonly string[] => Object.keys(PRE_TUNED);
