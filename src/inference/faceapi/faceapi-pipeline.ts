import { type InferenceSession, Tensor } from 'onnxruntime-node';
import type { EmbeddingSpace } from '../../embedding/space.js';
import type { Box, DetectedFace } from '../../face/face.js';
import { measureQuality } from '../../face/face-quality.js';
import { type SquareSample, sampleSquare } from '../../face/face-sample.js';
import type { Pixels } from '../../photo/photo.js';
import type { FacePipeline, VectorFace } from '../face-pipeline.js';
import { buildLandmarkNet, LANDMARK_SIDE } from '../networks/faceapi/landmark-net.js';
import { buildRecognitionNet, RECOGNITION_DIMENSIONS, RECOGNITION_SIDE } from '../networks/faceapi/recognition-net.js';
import { buildSsdMobilenet, SSD_ANCHORS, SSD_SIDE } from '../networks/faceapi/ssd-mobilenet.js';
import { PRODUCER } from '../producer.js';
import { openSession, type SessionSettings } from '../session.js';
import type { StageClock } from '../stage-clock.js';
import { alignedBox, clipBox, leftEye, noseTip, placeLandmarks, rightEye } from './faceapi-crops.js';
import { readFaceApiWeights } from './faceapi-weights.js';
import { decodeSsd, type FoundBox } from './ssd-decode.js';

export interface FaceApiSettings extends SessionSettings {
  /** Detections must score more than this, 0 … 1. */
  readonly minConfidence: number;
}

// ImageNet's mean colour, which dlib's nets were trained with.
const MEAN = [122.782, 117.001, 104.298] as const;
const DETECTOR_SAMPLE: SquareSample = { side: SSD_SIDE, border: 'end', mean: [127.5, 127.5, 127.5], scale: 1 / 127.5 };
const LANDMARK_SAMPLE: SquareSample = { side: LANDMARK_SIDE, border: 'both', mean: MEAN, scale: 1 / 255 };
const RECOGNITION_SAMPLE: SquareSample = { side: RECOGNITION_SIDE, border: 'both', mean: MEAN, scale: 1 / 255 };
// Faces per run: memory stays at the largest batch seen, and more at once gains nothing on a processor.
const BATCH = 8;

interface Sessions {
  readonly detector: InferenceSession;
  readonly landmarks: InferenceSession;
  readonly recognition: InferenceSession;
}

interface FoundFace {
  readonly crop: Box;
  readonly face: DetectedFace;
}

/** Opens the bundled engine on the calling thread: meant for a worker. */
export async function openFaceApiPipeline(settings: FaceApiSettings): Promise<FacePipeline> {
  const weights = await readFaceApiWeights();
  const sessions: Sessions = {
    detector: await openSession(buildSsdMobilenet(weights.detector), settings),
    landmarks: await openSession(buildLandmarkNet(weights.landmarks), settings),
    recognition: await openSession(buildRecognitionNet(weights.recognition), settings),
  };
  const anchors = weights.detector('Output/extra_dim', 'constant', [1, SSD_ANCHORS, 4]);
  return new FaceApiPipeline(faceApiSpace(weights.sha256), sessions, anchors, settings.minConfidence);
}

const faceApiSpace = (weightsSha256: string): EmbeddingSpace => ({
  model: 'faceapi',
  detector: 'ssdmobilenetv1',
  aligned: true,
  normalization: 'base',
  expand: 0,
  dimensions: RECOGNITION_DIMENSIONS,
  metric: 'cosine',
  channelOrder: 'rgb',
  weightsSha256,
  producer: PRODUCER,
});

/** face-api's three nets, one after the other; faces of a photo go through the last two together. */
class FaceApiPipeline implements FacePipeline {
  readonly space: EmbeddingSpace;
  readonly #sessions: Sessions;
  readonly #anchors: Float32Array;
  readonly #minConfidence: number;

  constructor(space: EmbeddingSpace, sessions: Sessions, anchors: Float32Array, minConfidence: number) {
    this.space = space;
    this.#sessions = sessions;
    this.#anchors = anchors;
    this.#minConfidence = minConfidence;
  }

  async detect(photo: Pixels, clock: StageClock): Promise<DetectedFace[]> {
    return (await this.#find(photo, clock)).map(({ face }) => face);
  }

  async embed(photo: Pixels, clock: StageClock): Promise<VectorFace[]> {
    const found = await this.#find(photo, clock);
    return clock.time('embed', async () => {
      // Landmarks can lie wholly outside the photo; then the face's own crop is the best there is.
      const crops = found.map(({ crop, face }) => clipBox(alignedBox(face.landmarks, crop), photo) ?? crop);
      const vectors = await this.#runFaces(this.#sessions.recognition, photo, crops, RECOGNITION_SAMPLE);
      return found.map(({ face }, i) => ({ ...face, values: vectors[i]! }));
    });
  }

  async #find(photo: Pixels, clock: StageClock): Promise<FoundFace[]> {
    const boxes = await clock.time('detect', () => this.#locate(photo));
    const cropped = boxes.flatMap((found) => {
      const crop = clipBox(found.box, photo);
      return crop === null ? [] : [{ ...found, crop }];
    });
    return clock.time('landmarks', async () => {
      const crops = cropped.map(({ crop }) => crop);
      const outputs = await this.#runFaces(this.#sessions.landmarks, photo, crops, LANDMARK_SAMPLE);
      return cropped.map((found, i) => describe(photo, found, outputs[i]!));
    });
  }

  async #locate(photo: Pixels): Promise<FoundBox[]> {
    const input = new Float32Array(3 * SSD_SIDE * SSD_SIDE);
    const whole = { x: 0, y: 0, width: photo.width, height: photo.height };
    sampleSquare(photo, whole, DETECTOR_SAMPLE, input, 0);
    const outputs = await this.#sessions.detector.run({
      photo: new Tensor('float32', input, [1, 3, SSD_SIDE, SSD_SIDE]),
    });
    const [boxes, scores] = [outputs.boxes?.data as Float32Array, outputs.scores?.data as Float32Array];
    return decodeSsd(boxes, scores, this.#anchors, photo, this.#minConfidence);
  }

  /** Runs a net over crops, in batches, and gives each crop's row of the output. */
  async #runFaces(
    session: InferenceSession,
    photo: Pixels,
    crops: readonly Box[],
    sample: SquareSample,
  ): Promise<Float32Array[]> {
    const rows: Float32Array[] = [];
    const size = 3 * sample.side * sample.side;
    for (let start = 0; start < crops.length; start += BATCH) {
      const batch = crops.slice(start, start + BATCH);
      const input = new Float32Array(batch.length * size);
      batch.forEach((crop, i) => {
        sampleSquare(photo, crop, sample, input, i * size);
      });
      const faces = new Tensor('float32', input, [batch.length, 3, sample.side, sample.side]);
      const output = (await session.run({ faces }))[session.outputNames[0]!]!.data as Float32Array;
      const width = output.length / batch.length;
      batch.forEach((_, i) => {
        rows.push(output.slice(i * width, (i + 1) * width));
      });
    }
    return rows;
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#sessions).map((session: InferenceSession) => session.release()));
  }
}

function describe(
  photo: Pixels,
  { box, score, crop }: FoundBox & { readonly crop: Box },
  output: Float32Array,
): FoundFace {
  const landmarks = placeLandmarks(output, crop, box);
  const points = { leftEye: leftEye(landmarks), rightEye: rightEye(landmarks), nose: noseTip(landmarks) };
  return { crop, face: { box, confidence: score, landmarks, quality: measureQuality(photo, crop, points) } };
}
