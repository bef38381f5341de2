import { type InferenceSession, Tensor } from 'onnxruntime-node';
import type { EmbeddingSpace } from '../../embedding/space.js';
import type { DetectedFace } from '../../face/face.js';
import type { Pixels } from '../../photo/photo.js';
import { embedTogether } from '../face-batch.js';
import type { FacePipeline, TimedPhoto, VectorFace } from '../face-pipeline.js';
import type { StageClock } from '../stage-clock.js';
import type { DeepFaceRecipe } from './deepface-space.js';
import { cropReader } from './face-crop.js';
import { type FaceFinding, type FoundFace, findSkipped, RetinaFaceFinding } from './face-finding.js';
import { letterbox } from './face-letterbox.js';
import { normalizeFace } from './face-normalize.js';

/** What is used of a session. */
export type NetworkSession = Pick<InferenceSession, 'run' | 'release'>;

export interface DeepFaceSessions {
  readonly recognition: NetworkSession;
  /** `null` where no detector is needed. */
  readonly detector: NetworkSession | null;
}

/**
 * What DeepFace.represent does with a photo (deepface/modules/representation.py, 0.0.100): RetinaFace on the photo in a
 * black border, alignment by the eyes, the crop in a square of the network's size, its normalization, the network.
 */
export class DeepFacePipeline implements FacePipeline {
  readonly space: EmbeddingSpace;
  readonly #recipe: DeepFaceRecipe;
  readonly #sessions: DeepFaceSessions;
  readonly #finding: FaceFinding;
  readonly #facesPerRun: number;

  constructor(space: EmbeddingSpace, recipe: DeepFaceRecipe, sessions: DeepFaceSessions, facesPerRun: number) {
    this.space = space;
    this.#recipe = recipe;
    this.#sessions = sessions;
    this.#facesPerRun = facesPerRun;
    this.#finding =
      recipe.finder.kind === 'skip' || sessions.detector === null
        ? { find: findSkipped }
        : new RetinaFaceFinding(sessions.detector, recipe.finder.scale, recipe);
  }

  async detect(photo: Pixels, clock: StageClock): Promise<DetectedFace[]> {
    return (await this.#finding.find(photo, clock)).map(({ face }) => face);
  }

  async embed(photos: readonly TimedPhoto[]): Promise<VectorFace[][]> {
    const prepared: { readonly clock: StageClock; readonly faces: PreparedFace[] }[] = [];
    for (const { photo, clock } of photos) {
      const found = await this.#finding.find(photo, clock);
      const faces = await clock.time('align', () => found.flatMap((each) => this.#prepare(photo, each)));
      prepared.push({ clock, faces });
    }
    const vectors = await embedTogether(prepared, this.#facesPerRun, (some) => this.#embedFaces(some));
    return prepared.map(({ faces }, i) => faces.map(({ face }, at) => ({ ...face, values: vectors[i]![at]! })));
  }

  /** The network's input of a face; none where the crop is too thin to be scaled. */
  #prepare(photo: Pixels, { face, placement }: FoundFace): PreparedFace[] {
    const { model, channelOrder, normalization } = this.#recipe;
    const square = letterbox(cropReader(photo, placement), model.side, channelOrder);
    if (square === null) return [];
    normalizeFace(square.data, normalization);
    return [{ face, input: square.data }];
  }

  async #embedFaces(faces: readonly PreparedFace[]): Promise<Float32Array> {
    const { side } = this.#recipe.model;
    const inputs = new Float32Array(faces.length * 3 * side * side);
    faces.forEach(({ input }, i) => {
      inputs.set(input, i * 3 * side * side);
    });
    const { embedding } = await this.#sessions.recognition.run({
      face: new Tensor('float32', inputs, [faces.length, 3, side, side]),
    });
    return embedding!.data as Float32Array;
  }

  async close(): Promise<void> {
    await this.#sessions.recognition.release();
    await this.#sessions.detector?.release();
  }
}

interface PreparedFace {
  readonly face: DetectedFace;
  readonly input: Float32Array;
}
