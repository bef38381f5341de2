import type { EmbeddingSpace } from '../../embedding/space.js';
import type { DetectedFace, Point } from '../../face/face.js';
import { measureQuality } from '../../face/face-quality.js';
import type { Pixels } from '../../photo/photo.js';
import type { FacePipeline, VectorFace } from '../face-pipeline.js';
import { PRODUCER } from '../producer.js';
import type { SessionSettings } from '../session.js';
import type { StageClock } from '../stage-clock.js';
import { ArcFaceModel } from './arcface-model.js';
import { type PackFiles, SCRFD } from './insightface-packs.js';
import type { ScrfdFace } from './scrfd-decode.js';
import { ScrfdDetector } from './scrfd-detector.js';

export interface InsightFaceSettings extends SessionSettings, PackFiles {
  readonly pack: string;
}

/** Opens a pack on the calling thread: meant for a worker. Throws `weights-missing` or `inference-model`. */
export async function openInsightFacePipeline(settings: InsightFaceSettings): Promise<FacePipeline> {
  const recognition = await ArcFaceModel.open(settings.recognitionFile, settings);
  const detector = await ScrfdDetector.open(settings.detectorFile, settings);
  return new InsightFacePipeline(insightFaceSpace(settings.pack, recognition), detector, recognition);
}

const insightFaceSpace = (pack: string, { dimensions, sha256 }: ArcFaceModel): EmbeddingSpace => ({
  model: pack,
  detector: SCRFD,
  aligned: true,
  normalization: 'base',
  expand: 0,
  dimensions,
  metric: 'cosine',
  channelOrder: 'rgb',
  weightsSha256: sha256,
  producer: PRODUCER,
});

/** SCRFD, five-point alignment and an ArcFace model, as insightface's FaceAnalysis puts them together. */
class InsightFacePipeline implements FacePipeline {
  readonly space: EmbeddingSpace;
  readonly #detector: ScrfdDetector;
  readonly #recognition: ArcFaceModel;

  constructor(space: EmbeddingSpace, detector: ScrfdDetector, recognition: ArcFaceModel) {
    this.space = space;
    this.#detector = detector;
    this.#recognition = recognition;
  }

  detect(photo: Pixels, clock: StageClock): Promise<DetectedFace[]> {
    return clock.time('detect', async () => (await this.#detector.locate(photo)).map((face) => describe(photo, face)));
  }

  async embed(photo: Pixels, clock: StageClock): Promise<VectorFace[]> {
    const faces = await this.detect(photo, clock);
    const vectors = await clock.time('embed', () => this.#recognition.describe(photo, faces));
    return faces.map((face, i) => ({ ...face, values: vectors[i]! }));
  }

  async close(): Promise<void> {
    await this.#detector.close();
    await this.#recognition.close();
  }
}

function describe(photo: Pixels, { score, left, top, right, bottom, points }: ScrfdFace): DetectedFace {
  const box = { x: left, y: top, width: right - left, height: bottom - top };
  const [leftEye, rightEye, nose] = points as readonly [Point, Point, Point];
  return {
    box,
    confidence: score,
    landmarks: points,
    quality: measureQuality(photo, box, { leftEye, rightEye, nose }),
  };
}
