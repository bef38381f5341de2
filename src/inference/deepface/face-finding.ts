import { type InferenceSession, Tensor } from 'onnxruntime-node';
import type { Box, DetectedFace, Point } from '../../face/face.js';
import { measureQuality } from '../../face/face-quality.js';
import type { Pixels } from '../../photo/photo.js';
import { RETINAFACE_STRIDES } from '../networks/retinaface.js';
import type { StageClock } from '../stage-clock.js';
import type { DeepFaceRecipe } from './deepface-space.js';
import { type Area, alignArea, expandArea, type FacePlacement } from './face-align.js';
import { decodeRetinaFace, type RetinaFaceDetection, type RetinaFaceMap } from './retinaface-decode.js';
import {
  type Border,
  borderOf,
  type DetectionScale,
  InputMemory,
  type RetinaFaceInput,
  retinaFaceInput,
} from './retinaface-input.js';

/** A face, and how it is cut out of the photo. */
export interface FoundFace {
  readonly face: DetectedFace;
  readonly placement: FacePlacement;
}

export interface FaceFinding {
  find(photo: Pixels, clock: StageClock): Promise<FoundFace[]>;
}

type Runnable = Pick<InferenceSession, 'run'>;

/** Runs RetinaFace on an input; coarsest stride first. */
export async function runRetinaFace(session: Runnable, input: RetinaFaceInput): Promise<RetinaFaceMap[]> {
  const { data, width, height } = input;
  const { top, left, bottom, right } = input.photo;
  const outputs = await session.run({
    image: new Tensor('float32', data, [1, 3, height, width]),
    photo: new Tensor('int64', BigInt64Array.of(...[top, left, bottom, right].map(BigInt)), [4]),
  });
  return RETINAFACE_STRIDES.map((stride) => {
    const { dims, data } = outputs[`stride${stride}`]!;
    return { stride, height: dims[2]!, width: dims[3]!, data: data as Float32Array };
  });
}

/** DeepFace's `detector_backend="retinaface"`. */
export class RetinaFaceFinding implements FaceFinding {
  readonly #session: Runnable;
  readonly #scale: DetectionScale;
  readonly #recipe: Pick<DeepFaceRecipe, 'aligned' | 'expand'>;
  readonly #memory = new InputMemory();

  constructor(session: Runnable, scale: DetectionScale, recipe: Pick<DeepFaceRecipe, 'aligned' | 'expand'>) {
    this.#session = session;
    this.#scale = scale;
    this.#recipe = recipe;
  }

  async find(photo: Pixels, clock: StageClock): Promise<FoundFace[]> {
    const border = borderOf(photo, this.#recipe.aligned);
    const input = await clock.time('resize', () => retinaFaceInput(photo, border, this.#scale, this.#memory));
    const maps = await clock.time('detect', () => runRetinaFace(this.#session, input));
    return clock.time('decode', () =>
      decodeRetinaFace(maps, input).flatMap((detection) => placeFace(photo, border, detection, this.#recipe)),
    );
  }
}

/**
 * A detection as DeepFace goes on with it: corners and landmarks cut to whole pixels, the box grown, the crop placed.
 * A box that has no area, or whose crop has none, is no face (`extract_faces` skips those).
 */
export function placeFace(
  photo: Pixels,
  border: Border,
  { corners, landmarks, score }: RetinaFaceDetection,
  { aligned, expand }: Pick<DeepFaceRecipe, 'aligned' | 'expand'>,
): FoundFace[] {
  const [left, top, right, bottom] = corners.map(Math.trunc) as [number, number, number, number];
  const bordered = { width: photo.width + 2 * border.x, height: photo.height + 2 * border.y };
  const found: Area = { x: left, y: top, width: right - left, height: bottom - top };
  const area = expandArea(found, expand, bordered.width, bordered.height);
  const points = landmarks.map(([x, y]) => [Math.trunc(x), Math.trunc(y)] as const);
  const placement = aligned ? alignArea(area, points[1]!, points[0]!, border) : unturned(area);
  if (placement.crop.width === 0 || placement.crop.height === 0) return [];
  const inPhoto = points.map(([x, y]): Point => [x - border.x, y - border.y]);
  return [{ face: describe(photo, boxInPhoto(photo, area, border), score, inPhoto), placement }];
}

const unturned = (area: Area): FacePlacement => ({
  view: area,
  angle: 0,
  crop: { x: 0, y: 0, width: area.width, height: area.height },
});

/** The box that DeepFace answers with: moved back by the border and cut at the photo's edges, where it keeps its width if it starts outside. */
function boxInPhoto(photo: Pixels, area: Area, border: Border): Box {
  const x = Math.max(0, area.x - border.x);
  const y = Math.max(0, area.y - border.y);
  return {
    x,
    y,
    width: Math.min(photo.width - x - 1, area.width),
    height: Math.min(photo.height - y - 1, area.height),
  };
}

function describe(photo: Pixels, box: Box, confidence: number, landmarks: readonly Point[]): DetectedFace {
  const points = { leftEye: landmarks[0]!, rightEye: landmarks[1]!, nose: landmarks[2]! };
  return { box, confidence, landmarks, quality: measureQuality(photo, box, points) };
}

/** DeepFace's `detector_backend="skip"`: the whole photo is the face, and nothing is known of its landmarks. */
export async function findSkipped(photo: Pixels): Promise<FoundFace[]> {
  const box = { x: 0, y: 0, width: photo.width, height: photo.height };
  const middle: Point = [photo.width / 2, photo.height / 2];
  const sides: readonly [Point, Point] = [
    [0, middle[1]],
    [photo.width, middle[1]],
  ];
  const quality = measureQuality(photo, box, { leftEye: sides[0], rightEye: sides[1], nose: middle });
  return [{ face: { box, confidence: 0, landmarks: [], quality }, placement: unturned(box) }];
}
