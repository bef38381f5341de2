import { InferenceSession, listSupportedBackends } from 'onnxruntime-node';
import { KithError } from '../errors.js';

/** Where graphs run. All but `cpu` need that provider's own files on the machine. */
export const DEVICES = ['cpu', 'cuda', 'coreml', 'dml'] as const;
export type Device = (typeof DEVICES)[number];

export interface SessionSettings {
  readonly device?: Device;
  /** Threads inside one operator; default 1, because the pool runs a worker per core. */
  readonly threads?: number;
  /**
   * Keep a plan of the memory for each input shape seen: quicker where shapes repeat (default), a waste of memory where
   * every photo has its own.
   */
  readonly memoryPlan?: boolean;
}

/**
 * Opens a session. It blocks the thread that calls it, and so does every `run`: only workers call this.
 * The CPU arena stays on (off costs about 45 %), and idle threads do not spin, or several sessions starve each other.
 * Throws `inference-device` when the device's provider is not there, `inference-model` when the bytes are no model.
 */
export async function openSession(
  model: Uint8Array | string,
  settings: SessionSettings = {},
): Promise<InferenceSession> {
  const device = settings.device ?? 'cpu';
  assertDevice(device);
  try {
    // The two forms of the call, bytes and a path, are separate overloads.
    return await InferenceSession.create(model as string, {
      executionProviders: device === 'cpu' ? ['cpu'] : [device, 'cpu'],
      intraOpNumThreads: settings.threads ?? 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      enableMemPattern: settings.memoryPlan ?? true,
      logSeverityLevel: 3,
      extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
    });
  } catch (cause) {
    if (device !== 'cpu') throw noDevice(device, { cause });
    throw new KithError('inference-model', { reason: reasonOf(cause) }, { cause });
  }
}

/**
 * Writes a model as onnxruntime turns it for this machine's processor: operators fused, weights in the layout that they
 * are used in, in a file of their own (`weights`, in the target's folder). Opened from there they are mapped, where a
 * session that turns them itself keeps copies. For the processor only, and for this machine. Blocks, as opening does.
 */
export async function writeOptimized(model: string, target: string, weights: string): Promise<void> {
  const session = await InferenceSession.create(model, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    optimizedModelFilePath: target,
    extra: {
      session: {
        optimized_model_external_initializers_file_name: weights,
        optimized_model_external_initializers_min_size_in_bytes: '1024',
        save_external_prepacked_constant_initializers: '1',
      },
    },
  });
  await session.release();
}

// onnxruntime drops a provider that it was not built with and runs on the processor instead, silently.
function assertDevice(device: Device): void {
  if (!listSupportedBackends().some((backend) => backend.name === device)) throw noDevice(device);
}

function noDevice(device: Device, options?: { cause: unknown }): KithError {
  const available = listSupportedBackends()
    .filter((backend) => backend.bundled)
    .map((backend) => backend.name);
  return new KithError('inference-device', { device, available: available.join(', ') }, options);
}

// onnxruntime's messages are long; the first line says what is wrong.
const reasonOf = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).split('\n', 1)[0]!.slice(0, 200);
