import { parentPort, workerData } from 'node:worker_threads';
import { type FromWorker, sendError, type ToWorker } from './worker-protocol.js';

/** What does a worker's jobs. */
export interface JobServer<Job, Result> {
  /** Sent to the pool when the worker is ready; plain data. */
  readonly about: unknown;
  run(job: Job): Promise<Result>;
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
  const send = (message: FromWorker): void => port.postMessage(message);
  try {
    const server = await open(workerData as Settings);
    port.on('message', (message: ToWorker) => void handle(server, message, send, () => port.close()));
    send({ kind: 'ready', about: server.about });
  } catch (error) {
    send({ kind: 'failed', id: null, error: sendError(error) });
  }
}

async function handle<Job, Result>(
  server: JobServer<Job, Result>,
  message: ToWorker,
  send: (message: FromWorker) => void,
  closePort: () => void,
): Promise<void> {
  if (message.kind === 'close') {
    await server.close();
    closePort();
    return;
  }
  const { id } = message;
  try {
    send({ kind: 'done', id, result: await server.run(message.job as Job) });
  } catch (error) {
    send({ kind: 'failed', id, error: sendError(error) });
  }
}
