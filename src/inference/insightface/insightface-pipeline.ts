import type { EmbeddingSpace } from '../../embedding/space.js';
import type { DetectedFace, Point } from '../../face/face.js';
import { measureQuality } from '../../face/face-quality.js';
import type { Pixels } from '../../photo/photo.js';
import { embedTogether } from '../face-batch.js';
import type { FacePipeline, TimedPhoto, VectorFace } from '../face-pipeline.js';
import { PRODUCER } from '../producer.js';
import type { SessionSettings } from '../session.js';
import type { StageClock } from '../stage-clock.js';
import { ArcFaceModel, type FaceOfPhoto } from './arcface-model.js';
import { type PackFiles, SCRFD } from './insightface-packs.js';
import type { ScrfdFace } from './scrfd-decode.js';
import { ScrfdDetector } from './scrfd-detector.js';

export interface InsightFaceSettings extends SessionSettings, PackFiles {
  readonly pack: string;
  /** Most faces that go through the recognition model in one run. */
  readonly facesPerRun: number;
}

/** Opens a pack on the calling thread: meant for a worker. Throws `weights-missing` or `inference-model`. */
export async function openInsightFacePipeline(settings: InsightFaceSettings): Promise<FacePipeline> {
  const recognition = await ArcFaceModel.open(settings.recognitionFile, settings);
  const detector = await ScrfdDetector.open(settings.detectorFile, settings);
  return new InsightFacePipeline(
    insightFaceSpace(settings.pack, recognition),
    detector,
    recognition,
    settings.facesPerRun,
  );
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
  readonly #facesPerRun: number;

  constructor(space: EmbeddingSpace, detector: ScrfdDetector, recognition: ArcFaceModel, facesPerRun: number) {
    this.space = space;
    this.#detector = detector;
    this.#recognition = recognition;
    this.#facesPerRun = facesPerRun;
  }

  detect(photo: Pixels, clock: StageClock): Promise<DetectedFace[]> {
    return clock.time('detect', async () => (await this.#detector.locate(photo)).map((face) => describe(photo, face)));
  }

  async embed(photos: readonly TimedPhoto[]): Promise<VectorFace[][]> {
    const found: { readonly clock: StageClock; readonly faces: FaceOfPhoto[] }[] = [];
    for (const { photo, clock } of photos) {
      const faces = await this.detect(photo, clock);
      found.push({ clock, faces: faces.map((face) => ({ photo, face })) });
    }
    const vectors = await embedTogether(found, this.#facesPerRun, (some) => this.#recognition.describe(some));
    return found.map(({ faces }, i) => faces.map(({ face }, at) => ({ ...face, values: vectors[i]![at]! })));
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
