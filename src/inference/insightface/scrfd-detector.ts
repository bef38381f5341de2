import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { KithError } from '../../errors.js';
import type { Pixels } from '../../photo/photo.js';
import type { SessionSettings } from '../session.js';
import { openModelFile, runModel } from './model-file.js';
import { anchorsOf, decodeScrfd, SCRFD_STRIDES, type ScrfdFace, type ScrfdLevel } from './scrfd-decode.js';
import { SCRFD_SIDE, scrfdInput } from './scrfd-input.js';

/** SCRFD with five points a face, from an InsightFace ONNX file. */
export class ScrfdDetector {
  readonly #session: InferenceSession;
  readonly #name: string;

  private constructor(session: InferenceSession, name: string) {
    this.#session = session;
    this.#name = name;
  }

  /** Runs it once on black, so that a wrong file is named now and not on the first photo. */
  static async open(file: string, settings: SessionSettings): Promise<ScrfdDetector> {
    const { session, name } = await openModelFile(file, settings);
    const detector = new ScrfdDetector(session, name);
    await detector.locate({ width: 1, height: 1, pixels: new Uint8Array(3) });
    return detector;
  }

  /** Faces, best first, in pixels of the photo. */
  async locate(photo: Pixels): Promise<ScrfdFace[]> {
    const { input, scale } = scrfdInput(photo);
    const tensor = new Tensor('float32', input, [1, 3, SCRFD_SIDE, SCRFD_SIDE]);
    return decodeScrfd(this.#levels(await runModel(this.#session, this.#name, tensor)), scale);
  }

  /** The nine outputs, in the model's order: three of scores, three of boxes, three of points. */
  #levels(outputs: readonly Float32Array[]): ScrfdLevel[] {
    return SCRFD_STRIDES.map((stride, i) => {
      const [scores, boxes, points] = [outputs[i], outputs[i + 3], outputs[i + 6]];
      const anchors = anchorsOf(stride);
      if (scores?.length === anchors && boxes?.length === 4 * anchors && points?.length === 10 * anchors)
        return { stride, scores, boxes, points };
      throw new KithError('inference-model', {
        reason: `the outputs of ${this.#name} are not the nine that SCRFD with five points has for 640 × 640`,
      });
    });
  }

  close(): Promise<void> {
    return this.#session.release();
  }
}
