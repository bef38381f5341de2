/** Numbers in an embedding of each model that DeepFace has had; two where a release changed it (VGG-Face: 0.0.84). */
const DIMENSIONS: Readonly<Record<string, readonly number[]>> = Object.freeze({
  vggface: [4096, 2622],
  facenet: [128],
  facenet512: [512],
  openface: [128],
  deepface: [4096],
  deepid: [160],
  arcface: [512],
  dlib: [128],
  sface: [128],
  ghostfacenet: [512],
  buffalo_l: [512],
  faceapi: [128],
});

/** The dimensions that a model (as spelt in a space) is known to give; null for a model that is not known. */
export function dimensionsOfModel(model: string): readonly number[] | null {
  return DIMENSIONS[model] ?? null;
}
