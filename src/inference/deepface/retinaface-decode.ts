import { RETINAFACE_CHANNELS, type RetinaFaceStride } from '../networks/retinaface.js';
import type { RetinaFaceInput } from './retinaface-input.js';

/** One of the network's three outputs, as its tensor lies in memory: 30 planes of height × width. */
export interface RetinaFaceMap {
  readonly stride: RetinaFaceStride;
  readonly height: number;
  readonly width: number;
  readonly data: Float32Array;
}

/** A face in the bordered photo's pixels: corners, five landmarks (as seen: left eye, right eye, nose, left and right corner of the mouth). */
export interface RetinaFaceDetection {
  readonly score: number;
  readonly corners: readonly [left: number, top: number, right: number, bottom: number];
  readonly landmarks: readonly (readonly [x: number, y: number])[];
}

type Rectangle = readonly [left: number, top: number, right: number, bottom: number];

// RetinaFace.detect_faces: _anchors_fpn. Two square anchors a stride, given by their corners.
const ANCHORS: Readonly<Record<RetinaFaceStride, readonly [Rectangle, Rectangle]>> = {
  32: [
    [-248, -248, 263, 263],
    [-120, -120, 135, 135],
  ],
  16: [
    [-56, -56, 71, 71],
    [-24, -24, 39, 39],
  ],
  8: [
    [-8, -8, 23, 23],
    [0, 0, 15, 15],
  ],
};
const THRESHOLD = Math.fround(0.9);
const OVERLAP = 0.4;

/** float32, as TensorFlow's softmax of the two scores gives it. */
const probability = (logit: number): number => Math.fround(1 / (1 + Math.exp(-logit)));

/**
 * The faces of the network's outputs, best score first (RetinaFace.detect_faces, retinaface/commons/postprocess.py):
 * boxes and landmarks from anchors, boxes clipped to the input, both scaled back, overlapping ones dropped.
 */
export function decodeRetinaFace(
  maps: readonly RetinaFaceMap[],
  input: Pick<RetinaFaceInput, 'width' | 'height' | 'scale'>,
): RetinaFaceDetection[] {
  const found = maps.flatMap((map) => candidatesOf(map, input));
  found.sort((a, b) => b.score - a.score);
  return suppress(found);
}

function candidatesOf(
  map: RetinaFaceMap,
  input: Pick<RetinaFaceInput, 'width' | 'height' | 'scale'>,
): RetinaFaceDetection[] {
  const cells = map.height * map.width;
  const found: RetinaFaceDetection[] = [];
  for (let cell = 0; cell < cells; cell++)
    for (let anchor = 0; anchor < 2; anchor++) {
      const score = probability(map.data[anchor * cells + cell]!);
      if (score >= THRESHOLD) found.push({ score, ...place(map, cell, anchor as 0 | 1, input) });
    }
  return found;
}

/** bbox_pred, clip_boxes and landmark_pred of one anchor. Boxes are float64 until the end there, landmarks float32. */
function place(
  map: RetinaFaceMap,
  cell: number,
  anchor: 0 | 1,
  input: Pick<RetinaFaceInput, 'width' | 'height' | 'scale'>,
): Omit<RetinaFaceDetection, 'score'> {
  const cells = map.height * map.width;
  const base = ANCHORS[map.stride][anchor];
  const size = base[2] - base[0] + 1;
  const half = 0.5 * (size - 1);
  const centreX = base[0] + (cell % map.width) * map.stride + half;
  const centreY = base[1] + Math.floor(cell / map.width) * map.stride + half;
  const plane = (channel: number): number => map.data[channel * cells + cell]!;
  const boxAt = RETINAFACE_CHANNELS.score + anchor * 4;
  const x = plane(boxAt) * size + centreX;
  const y = plane(boxAt + 1) * size + centreY;
  // numpy's exp of a float32 array is a float32.
  const w = 0.5 * (Math.fround(Math.exp(plane(boxAt + 2))) * size - 1);
  const h = 0.5 * (Math.fround(Math.exp(plane(boxAt + 3))) * size - 1);
  const within = (value: number, limit: number): number =>
    Math.fround(Math.max(Math.min(value, limit - 1), 0) / input.scale);
  const corners = [
    within(x - w, input.width),
    within(y - h, input.height),
    within(x + w, input.width),
    within(y + h, input.height),
  ] as const;
  const landmarksAt = RETINAFACE_CHANNELS.score + RETINAFACE_CHANNELS.box + anchor * 10;
  const back = (value: number): number => Math.fround(Math.fround(value) / Math.fround(input.scale));
  const landmarks = Array.from(
    { length: 5 },
    (_, i) =>
      [
        back(plane(landmarksAt + 2 * i) * size + centreX),
        back(plane(landmarksAt + 2 * i + 1) * size + centreY),
      ] as const,
  );
  return { corners, landmarks };
}

/** cpu_nms: greedy, an overlap of 0.4 or more is dropped; sides count their last pixel. Best score first. */
function suppress(sorted: readonly RetinaFaceDetection[]): RetinaFaceDetection[] {
  const kept: RetinaFaceDetection[] = [];
  for (const face of sorted)
    if (!kept.some((better) => overlap(better.corners, face.corners) >= OVERLAP)) kept.push(face);
  return kept;
}

function overlap(a: Rectangle, b: Rectangle): number {
  const area = ([left, top, right, bottom]: Rectangle): number => (right - left + 1) * (bottom - top + 1);
  const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]) + 1);
  const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]) + 1);
  const shared = width * height;
  return shared / (area(a) + area(b) - shared);
}
