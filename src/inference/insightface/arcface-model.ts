import { type InferenceSession, Tensor } from 'onnxruntime-node';
import type { DetectedFace } from '../../face/face.js';
import { type Affine, ARCFACE_TEMPLATE, estimateSimilarity } from '../../face/face-transform.js';
import { type WarpTarget, warpFace } from '../../face/face-warp.js';
import type { Pixels } from '../../photo/photo.js';
import type { SessionSettings } from '../session.js';
import { openModelFile, runModel } from './model-file.js';

const CROP: WarpTarget = { side: 112, mean: 127.5, scale: 1 / 127.5 };
const CROP_VALUES = 3 * CROP.side * CROP.side;

/** A face, and the photo that it is cut out of. */
export interface FaceOfPhoto {
  readonly photo: Pixels;
  readonly face: DetectedFace;
}

/** A recognition model that takes aligned 112 × 112 crops, from an InsightFace ONNX file. */
export class ArcFaceModel {
  readonly #session: InferenceSession;
  readonly #name: string;
  readonly sha256: string;
  /** Length of its vectors. */
  readonly dimensions: number;

  private constructor(session: InferenceSession, name: string, sha256: string, dimensions: number) {
    this.#session = session;
    this.#name = name;
    this.sha256 = sha256;
    this.dimensions = dimensions;
  }

  /** Runs it once, to learn the length of its vectors. */
  static async open(file: string, settings: SessionSettings): Promise<ArcFaceModel> {
    const { session, name, sha256 } = await openModelFile(file, settings);
    const [probe] = await runModel(session, name, cropsTensor(new Float32Array(CROP_VALUES), 1));
    return new ArcFaceModel(session, name, sha256, probe!.length);
  }

  /** One vector a face, as the model gives it, one behind the other. One run. */
  async describe(faces: readonly FaceOfPhoto[]): Promise<Float32Array> {
    const crops = new Float32Array(faces.length * CROP_VALUES);
    faces.forEach(({ photo, face }, i) => {
      warpFace(photo, alignment(face), CROP, crops, i * CROP_VALUES);
    });
    const [output] = await runModel(this.#session, this.#name, cropsTensor(crops, faces.length));
    return output!;
  }

  close(): Promise<void> {
    return this.#session.release();
  }
}

const cropsTensor = (values: Float32Array, faces: number): Tensor =>
  new Tensor('float32', values, [faces, 3, CROP.side, CROP.side]);

/** Photo → template; where the points coincide (no face, really), the box's middle, unscaled. */
function alignment({ landmarks, box }: DetectedFace): Affine {
  const [x, y] = [box.x + box.width / 2 - CROP.side / 2, box.y + box.height / 2 - CROP.side / 2];
  return estimateSimilarity(landmarks, ARCFACE_TEMPLATE) ?? { a: 1, b: 0, c: -x, d: 0, e: 1, f: -y };
}
