import type { Device } from './session.js';
import type { StageClock } from './stage-clock.js';

/** How many photos are sent to a worker together. On a processor several at once gain nothing and cost memory. */
export const photosPerJob = (device: Device): number => (device === 'cpu' ? 1 : 16);

/** How many faces go through a network in one run: `onProcessor`, or more where a device computes them side by side. */
export const facesPerRunOn = (device: Device, onProcessor: number): number => (device === 'cpu' ? onProcessor : 32);

/** Runs a network over a list, at most `most` of it a run: a vector each, in the list's order. */
export async function inRuns<Face>(
  faces: readonly Face[],
  most: number,
  run: (some: readonly Face[]) => Promise<Float32Array>,
): Promise<Float32Array[]> {
  const vectors: Float32Array[] = [];
  for (let start = 0; start < faces.length; start += most) {
    const some = faces.slice(start, start + most);
    const output = await run(some);
    const width = output.length / some.length;
    // Copies: a view would keep all of the run's output, and what is sent to another thread is the whole of it.
    for (let i = 0; i < some.length; i++) vectors.push(output.slice(i * width, (i + 1) * width));
  }
  return vectors;
}

/** What was found on a photo of several, and the photo's clock. */
export interface PhotoFaces<Face> {
  readonly faces: readonly Face[];
  readonly clock: StageClock;
}

/**
 * As {@link inRuns}, over the faces of several photos as one list: each photo's vectors. The time is its `embed` stage,
 * shared out by the number of faces.
 */
export async function embedTogether<Face>(
  photos: readonly PhotoFaces<Face>[],
  most: number,
  run: (some: readonly Face[]) => Promise<Float32Array>,
): Promise<Float32Array[][]> {
  const all = photos.flatMap(({ faces }) => faces);
  const start = performance.now();
  const vectors = await inRuns(all, most, run);
  const perFace = (performance.now() - start) / Math.max(1, all.length);
  let done = 0;
  return photos.map(({ faces, clock }) => {
    clock.add('embed', perFace * faces.length);
    done += faces.length;
    return vectors.slice(done - faces.length, done);
  });
}
