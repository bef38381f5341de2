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

/**
 * What an engine does inside a worker: pixels in, faces out, with all scaling, decoding and aligning between.
 * One call at a time. Stages are timed on the clock.
 */
export interface FacePipeline {
  readonly space: EmbeddingSpace;
  detect(photo: Pixels, clock: StageClock): Promise<DetectedFace[]>;
  embed(photo: Pixels, clock: StageClock): Promise<VectorFace[]>;
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
      run: async ({ task, photo }) => {
        const clock = new StageClock();
        try {
          const faces = await pipeline[task](photo, clock);
          return { faces, stages: clock.stages };
        } finally {
          memory.done(photo.pixels.byteLength);
        }
      },
    };
  });
}
