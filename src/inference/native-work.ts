/**
 * A flag in shared memory: 1 while a worker is, or is about to be, inside native code. onnxruntime aborts the whole
 * process when its thread is stopped there, so a process that exits waits for the flag first.
 */
export type NativeFlag = Int32Array<SharedArrayBuffer>;

// A photo takes a second or two at worst; a worker that hangs must not keep the process for ever.
const LONGEST_WAIT_MS = 15_000;

const flags = new Set<NativeFlag>();

/** A flag that is up and that the exit of this process waits for. */
export function raiseFlag(): NativeFlag {
  if (flags.size === 0) process.on('exit', waitForAll);
  const flag: NativeFlag = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  flag[0] = 1;
  flags.add(flag);
  return flag;
}

export const raise = (flag: NativeFlag): void => {
  Atomics.store(flag, 0, 1);
};

/** Called in the worker when it has come back from native code, or here when the worker is gone. */
export function lower(flag: NativeFlag): void {
  Atomics.store(flag, 0, 0);
  Atomics.notify(flag, 0);
}

/** The worker of this flag is gone: the exit need not look at it any more. */
export function forget(flag: NativeFlag): void {
  flags.delete(flag);
  if (flags.size === 0) process.off('exit', waitForAll);
}

function waitForAll(): void {
  const end = performance.now() + LONGEST_WAIT_MS;
  for (const flag of flags)
    while (Atomics.load(flag, 0) === 1 && performance.now() < end) Atomics.wait(flag, 0, 1, end - performance.now());
}
