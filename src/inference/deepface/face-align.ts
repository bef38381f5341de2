import type { Border } from './retinaface-input.js';

/** A whole number of pixels of the bordered photo. */
export interface Area {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export type Eye = readonly [x: number, y: number];

/**
 * How a face lies in the photo: what is cut out (`view`), how it is turned around its own middle, and which part of
 * the turned view is the face.
 */
export interface FacePlacement {
  /** In pixels of the photo without a border; it may reach outside, where everything is black. */
  readonly view: Area;
  /** Degrees, against the clock; 0 where nothing is turned. */
  readonly angle: number;
  /** In pixels of the view. */
  readonly crop: Area;
}

/** `extract_face`: the box grown by a percentage of itself, kept inside the bordered photo. */
export function expandArea(area: Area, percentage: number, width: number, height: number): Area {
  if (percentage <= 0) return area;
  const wide = area.width + Math.trunc((area.width * percentage) / 100);
  const tall = area.height + Math.trunc((area.height * percentage) / 100);
  const x = Math.max(0, area.x - Math.trunc((wide - area.width) / 2));
  const y = Math.max(0, area.y - Math.trunc((tall - area.height) / 2));
  return { x, y, width: Math.min(width - x, wide), height: Math.min(height - y, tall) };
}

/**
 * DeepFace's alignment (deepface/modules/detection.py, 0.0.100: `extract_sub_image`, `align_img_wrt_eyes`,
 * `project_facial_area`): a view of twice the box is turned until the eyes are level, and the box is carried along.
 * `area` and the eyes are in pixels of the bordered photo; `leftEye` is the person's own left.
 */
export function alignArea(area: Area, leftEye: Eye, rightEye: Eye, border: Border): FacePlacement {
  const marginX = Math.trunc(0.5 * area.width);
  const marginY = Math.trunc(0.5 * area.height);
  const view = {
    x: area.x - marginX - border.x,
    y: area.y - marginY - border.y,
    width: area.width + 2 * marginX,
    height: area.height + 2 * marginY,
  };
  const angle = (Math.atan2(leftEye[1] - rightEye[1], leftEye[0] - rightEye[0]) * 180) / Math.PI;
  const corners = [marginX, marginY, marginX + area.width, marginY + area.height] as const;
  return { view, angle, crop: projectArea(corners, angle, view) };
}

/** The box moved with the turned view; its sides stay level, its corners are cut to whole pixels inside the view. */
function projectArea(
  [left, top, right, bottom]: readonly [number, number, number, number],
  angle: number,
  view: Area,
): Area {
  const turned = Math.abs(angle) % 360;
  if (turned === 0) return { x: left, y: top, width: right - left, height: bottom - top };
  const direction = angle >= 0 ? 1 : -1;
  const radians = (turned * Math.PI) / 180;
  const x = (left + right) / 2 - view.width / 2;
  const y = (top + bottom) / 2 - view.height / 2;
  const centreX = x * Math.cos(radians) + y * direction * Math.sin(radians) + view.width / 2;
  const centreY = -x * direction * Math.sin(radians) + y * Math.cos(radians) + view.height / 2;
  const x1 = Math.max(Math.trunc(centreX - (right - left) / 2), 0);
  const y1 = Math.max(Math.trunc(centreY - (bottom - top) / 2), 0);
  const x2 = Math.min(Math.trunc(centreX + (right - left) / 2), view.width);
  const y2 = Math.min(Math.trunc(centreY + (bottom - top) / 2), view.height);
  return { x: x1, y: y1, width: Math.max(0, x2 - x1), height: Math.max(0, y2 - y1) };
}
