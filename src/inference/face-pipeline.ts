import type { EmbeddingSpace } from '../embedding/space.js';
import type { DetectedFace } from '../face/face.js';
import type { Pixels } from '../photo/photo.js';
import { StageClock } from './stage-clock.js';
import { SharedMemoryCollector } from './worker-memory.js';
import { serveJobs } from './worker-port.js';

/** A face with its vector, before the vector is checked and branded. */
export interface VectorFace extends DetectedFace {
  readonly values: Float32Array;
}

/** A photo on its way through a pipeline, and the clock of its stages. */
export interface TimedPhoto {
  readonly photo: Pixels;
  readonly clock: StageClock;
}

/**
 * What an engine does inside a worker: pixels in, faces out, with all scaling, decoding and aligning between.
 * One call at a time. Stages are timed on the photo's clock.
 */
export interface FacePipeline {
  readonly space: EmbeddingSpace;
  detect(photo: Pixels, clock: StageClock): Promise<DetectedFace[]>;
  /** Each photo's faces, in the photos' order. The faces of all photos go through the recognition network together. */
  embed(photos: readonly TimedPhoto[]): Promise<VectorFace[][]>;
  close(): Promise<void>;
}

export interface FaceJob {
  readonly task: 'detect' | 'embed';
  readonly photo: Pixels;
}

export interface FaceResult {
  readonly faces: readonly (DetectedFace | VectorFace)[];
  /** Milliseconds of each stage. */
  readonly stages: Readonly<Record<string, number>>;
}

/** The main program of an engine's worker: `servePipeline(openMyPipeline)` is all of its `*-worker.ts`. */
export function servePipeline<Settings>(open: (settings: Settings) => Promise<FacePipeline>): Promise<void> {
  return serveJobs<Settings, FaceJob, FaceResult>(async (settings) => {
    const pipeline = await open(settings);
    const memory = new SharedMemoryCollector();
    return {
      about: pipeline.space,
      close: () => pipeline.close(),
      run: async (jobs) => {
        try {
          return await runJobs(pipeline, jobs);
        } finally {
          memory.done(jobs.reduce((sum, { photo }) => sum + photo.pixels.byteLength, 0));
        }
      },
    };
  });
}

async function runJobs(pipeline: FacePipeline, jobs: readonly FaceJob[]): Promise<FaceResult[]> {
  const timed = jobs.map((job) => ({ ...job, clock: new StageClock() }));
  const embedded = await pipeline.embed(timed.filter(({ task }) => task === 'embed'));
  const results: FaceResult[] = [];
  for (const { task, photo, clock } of timed) {
    const faces = task === 'embed' ? embedded.shift()! : await pipeline.detect(photo, clock);
    results.push({ faces, stages: clock.stages });
  }
  return results;
}
