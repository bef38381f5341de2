import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { lower, type NativeFlag } from './native-work.js';
import { type FromWorker, sendError, type ToWorker, type WorkerStart } from './worker-protocol.js';

/** What does a worker's jobs. */
export interface JobServer<Job, Result> {
  /** Sent to the pool when the worker is ready; plain data. */
  readonly about: unknown;
  /** Jobs that came together, one or more: a result for each, in their order. A fault is all of theirs. */
  run(jobs: readonly Job[]): Promise<readonly Result[]>;
  close(): Promise<void>;
}

/**
 * The main program of a worker of {@link WorkerPool}: opens the server with the pool's settings and does one job after
 * the other. Settings and jobs are trusted to be what the pool's own program sent.
 */
export async function serveJobs<Settings, Job, Result>(
  open: (settings: Settings) => Promise<JobServer<Job, Result>>,
): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error('this file is the main program of a worker thread');
  const { settings, native } = workerData as WorkerStart;
  const answer = (message: FromWorker): void => answerFrom(port, native, message);
  try {
    const server = await open(settings as Settings);
    port.on('message', (message: ToWorker) => {
      if (message.kind === 'job') void handle(server, message.id, message.job as readonly Job[], answer);
      else void server.close().finally(() => end(port, native));
    });
    answer({ kind: 'ready', about: server.about });
  } catch (error) {
    answer({ kind: 'failed', id: null, error: sendError(error) });
  }
}

/** The flag is lowered first: as soon as the answer is there, the pool may raise it for the next job. */
function answerFrom(port: MessagePort, native: NativeFlag, message: FromWorker): void {
  lower(native);
  port.postMessage(message);
}

function end(port: MessagePort, native: NativeFlag): void {
  lower(native);
  port.close();
}

async function handle<Job, Result>(
  server: JobServer<Job, Result>,
  id: number,
  jobs: readonly Job[],
  answer: (message: FromWorker) => void,
): Promise<void> {
  try {
    answer({ kind: 'done', id, result: await server.run(jobs) });
  } catch (error) {
    answer({ kind: 'failed', id, error: sendError(error) });
  }
}
