import { type InferenceSession, Tensor } from 'onnxruntime-node';
import type { EmbeddingSpace } from '../../embedding/space.js';
import type { Box, DetectedFace } from '../../face/face.js';
import { measureQuality } from '../../face/face-quality.js';
import { type SquareSample, sampleSquare } from '../../face/face-sample.js';
import type { Pixels } from '../../photo/photo.js';
import { embedTogether, inRuns } from '../face-batch.js';
import type { FacePipeline, TimedPhoto, VectorFace } from '../face-pipeline.js';
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
  /** Most faces that go through a net in one run. */
  readonly facesPerRun: number;
}

// ImageNet's mean colour, which dlib's nets were trained with.
const MEAN = [122.782, 117.001, 104.298] as const;
const DETECTOR_SAMPLE: SquareSample = { side: SSD_SIDE, border: 'end', mean: [127.5, 127.5, 127.5], scale: 1 / 127.5 };
const LANDMARK_SAMPLE: SquareSample = { side: LANDMARK_SIDE, border: 'both', mean: MEAN, scale: 1 / 255 };
const RECOGNITION_SAMPLE: SquareSample = { side: RECOGNITION_SIDE, border: 'both', mean: MEAN, scale: 1 / 255 };

interface Sessions {
  readonly detector: InferenceSession;
  readonly landmarks: InferenceSession;
  readonly recognition: InferenceSession;
}

interface FoundFace {
  readonly crop: Box;
  readonly face: DetectedFace;
}

/** What a net is to see of a photo. */
interface Crop {
  readonly photo: Pixels;
  readonly crop: Box;
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
  return new FaceApiPipeline(faceApiSpace(weights.sha256), sessions, anchors, settings);
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

/** face-api's three nets, one after the other: a photo, the faces of a photo, the faces of all photos at a time. */
class FaceApiPipeline implements FacePipeline {
  readonly space: EmbeddingSpace;
  readonly #sessions: Sessions;
  readonly #anchors: Float32Array;
  readonly #minConfidence: number;
  readonly #facesPerRun: number;

  constructor(space: EmbeddingSpace, sessions: Sessions, anchors: Float32Array, settings: FaceApiSettings) {
    this.space = space;
    this.#sessions = sessions;
    this.#anchors = anchors;
    this.#minConfidence = settings.minConfidence;
    this.#facesPerRun = settings.facesPerRun;
  }

  async detect(photo: Pixels, clock: StageClock): Promise<DetectedFace[]> {
    return (await this.#find(photo, clock)).map(({ face }) => face);
  }

  async embed(photos: readonly TimedPhoto[]): Promise<VectorFace[][]> {
    const found: FoundFace[][] = [];
    for (const { photo, clock } of photos) found.push(await this.#find(photo, clock));
    const crops = photos.map(({ photo, clock }, i) => ({
      clock,
      faces: found[i]!.map((each) => aligned(photo, each)),
    }));
    const vectors = await embedTogether(crops, this.#facesPerRun, (some) =>
      runFaces(this.#sessions.recognition, some, RECOGNITION_SAMPLE),
    );
    return found.map((faces, i) => faces.map(({ face }, at) => ({ ...face, values: vectors[i]![at]! })));
  }

  async #find(photo: Pixels, clock: StageClock): Promise<FoundFace[]> {
    const boxes = await clock.time('detect', () => this.#locate(photo));
    const cropped = boxes.flatMap((found) => {
      const crop = clipBox(found.box, photo);
      return crop === null ? [] : [{ ...found, crop }];
    });
    return clock.time('landmarks', async () => {
      const crops = cropped.map(({ crop }) => ({ photo, crop }));
      const outputs = await inRuns(crops, this.#facesPerRun, (some) =>
        runFaces(this.#sessions.landmarks, some, LANDMARK_SAMPLE),
      );
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

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#sessions).map((session: InferenceSession) => session.release()));
  }
}

/** Landmarks can lie wholly outside the photo; then the face's own crop is the best there is. */
const aligned = (photo: Pixels, { crop, face }: FoundFace): Crop => ({
  photo,
  crop: clipBox(alignedBox(face.landmarks, crop), photo) ?? crop,
});

async function runFaces(
  session: InferenceSession,
  crops: readonly Crop[],
  sample: SquareSample,
): Promise<Float32Array> {
  const size = 3 * sample.side * sample.side;
  const input = new Float32Array(crops.length * size);
  crops.forEach(({ photo, crop }, i) => {
    sampleSquare(photo, crop, sample, input, i * size);
  });
  const faces = new Tensor('float32', input, [crops.length, 3, sample.side, sample.side]);
  return (await session.run({ faces }))[session.outputNames[0]!]!.data as Float32Array;
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
