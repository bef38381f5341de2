/** DeepFace's normalizations, spelt as in its datastores' file names. */
export const NORMALIZATIONS = ['base', 'raw', 'facenet', 'facenet2018', 'vggface', 'vggface2', 'arcface'] as const;
export type Normalization = (typeof NORMALIZATIONS)[number];

// deepface/modules/preprocessing.py subtracts them from blue, green and red, as the channels lie in its images.
const MEANS = {
  vggface: [93.594, 104.7624, 129.1863],
  vggface2: [91.4953, 103.8827, 131.0912],
} as const;

/**
 * `normalize_input` of deepface/modules/preprocessing.py (0.0.100), in place, on a face of values 0–1, channels first.
 * Like there, each step is rounded to float32, and the means go to the first, second and third channel whatever they are.
 */
export function normalizeFace(face: Float32Array, normalization: Normalization): void {
  if (normalization === 'base') return;
  for (let i = 0; i < face.length; i++) face[i]! *= 255;
  switch (normalization) {
    case 'raw':
      return;
    case 'facenet':
      standardize(face);
      return;
    case 'facenet2018':
      shiftScale(face, 127.5, -1);
      return;
    case 'vggface':
    case 'vggface2':
      subtract(face, MEANS[normalization]);
      return;
    case 'arcface':
      for (let i = 0; i < face.length; i++) face[i] = Math.fround(face[i]! - 127.5) / 128;
      return;
  }
}

export const isNormalization = (name: string): name is Normalization =>
  (NORMALIZATIONS as readonly string[]).includes(name);

/** To mean 0 and standard deviation 1 over the whole face. */
function standardize(face: Float32Array): void {
  let sum = 0;
  for (const value of face) sum += value;
  const mean = sum / face.length;
  let squares = 0;
  for (const value of face) squares += (value - mean) ** 2;
  const deviation = Math.sqrt(squares / face.length);
  for (let i = 0; i < face.length; i++) face[i] = (face[i]! - mean) / deviation;
}

function shiftScale(face: Float32Array, divisor: number, shift: number): void {
  for (let i = 0; i < face.length; i++) face[i] = Math.fround(face[i]! / divisor) + shift;
}

function subtract(face: Float32Array, means: readonly [number, number, number]): void {
  const plane = face.length / 3;
  means.forEach((mean, channel) => {
    for (let i = channel * plane; i < (channel + 1) * plane; i++) face[i]! -= mean;
  });
}
