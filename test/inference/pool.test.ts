import { describe, expect, it } from 'vitest';
import { WorkerPool } from '#kith/inference/pool.js';

interface Job {
  readonly what: 'echo' | 'sleep' | 'fault' | 'throw' | 'die' | 'hog';
  readonly ms?: number;
  readonly value?: unknown;
}
interface Result {
  readonly value?: unknown;
  readonly jobs: number;
  /** How many jobs came to the worker in one message. */
  readonly together: number;
}

const PROGRAM = new URL('./pool-worker-fixture.mjs', import.meta.url);

async function open(settings: { workers?: number; queue?: number; batch?: number; refuse?: boolean } = {}) {
  const closed = new Int32Array(new SharedArrayBuffer(4));
  const data = { greeting: 'hello', refuse: settings.refuse ?? false, closed };
  const { workers = 1, queue = 8, batch = 1 } = settings;
  const limits = { workers, queue, batch, queueBytes: 1000 };
  const { pool, about } = await WorkerPool.open<Job, Result>(PROGRAM, data, limits);
  return { pool, about, closed };
}

describe('the worker pool', () => {
  it('does jobs in order on one worker, and tells what the worker says about itself', async () => {
    const { pool, about, closed } = await open();
    expect(about).toEqual({ greeting: 'hello' });
    const results = await Promise.all([1, 2, 3].map((value) => pool.run({ what: 'echo', value })));
    expect(results).toEqual([1, 2, 3].map((value) => ({ value, jobs: value, together: 1 })));
    expect(pool.load).toEqual({ workers: 1, running: 0, waiting: 0 });
    await pool[Symbol.asyncDispose]();
    expect(closed[0]).toBe(1);
    expect(pool.load.workers).toBe(0);
    await expect(pool.run({ what: 'echo' })).rejects.toMatchObject({ code: 'inference-closed' });
  });

  it('starts more workers only when jobs would wait', async () => {
    const { pool } = await open({ workers: 3 });
    await using _ = pool;
    await pool.run({ what: 'echo' });
    await pool.run({ what: 'echo' });
    expect(pool.load.workers).toBe(1);
    const start = performance.now();
    const jobs = await Promise.all([1, 2, 3].map(() => pool.run({ what: 'sleep', ms: 600 })));
    expect(performance.now() - start).toBeLessThan(1500);
    expect(jobs.map((job) => job.jobs).sort()).toEqual([1, 1, 3]);
    expect(pool.load.workers).toBe(3);
  });

  it('refuses what the queue has no room for with inference-busy, and says when to come back', async () => {
    const { pool } = await open({ queue: 2 });
    await using _ = pool;
    const taken = [0, 1, 2].map(() => pool.run({ what: 'sleep', ms: 50 }));
    await expect(pool.run({ what: 'echo' })).rejects.toMatchObject({
      code: 'inference-busy',
      status: 503,
      retryAfter: 1,
      message: expect.stringContaining('2 photos are waiting'),
    });
    await Promise.all(taken);
    await expect(pool.run({ what: 'echo', value: 5 })).resolves.toMatchObject({ value: 5 });
  });

  it('refuses what would make the waiting jobs hold too many bytes, but lets a single large one wait', async () => {
    const { pool } = await open();
    await using _ = pool;
    const running = pool.run({ what: 'sleep', ms: 50 }, { bytes: 5000 });
    const large = pool.run({ what: 'echo', value: 1 }, { bytes: 5000 });
    await expect(pool.run({ what: 'echo' }, { bytes: 10 })).rejects.toMatchObject({ code: 'inference-busy' });
    await running;
    await expect(large).resolves.toMatchObject({ value: 1 });
    const small = [400, 400].map((bytes) => pool.run({ what: 'sleep', ms: 20 }, { bytes }));
    const third = pool.run({ what: 'echo', value: 3 }, { bytes: 500 });
    await expect(pool.run({ what: 'echo' }, { bytes: 200 })).rejects.toMatchObject({ code: 'inference-busy' });
    await expect(third).resolves.toMatchObject({ value: 3 });
    await Promise.all(small);
  });

  it('takes an aborted job off the queue, drops the result of a running one, and goes on', async () => {
    const { pool } = await open();
    await using _ = pool;
    const running = new AbortController();
    const waiting = new AbortController();
    const first = pool.run({ what: 'sleep', ms: 100 }, { signal: running.signal });
    const second = pool.run({ what: 'echo' }, { signal: waiting.signal });
    const third = pool.run({ what: 'echo', value: 3 });
    waiting.abort(new Error('changed my mind'));
    running.abort();
    await expect(second).rejects.toThrow('changed my mind');
    await expect(first).rejects.toMatchObject({ name: 'AbortError' });
    await expect(third).resolves.toEqual({ value: 3, jobs: 2, together: 1 });
    await expect(pool.run({ what: 'echo' }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
  });

  it('passes catalogued faults through, and words the others as inference-worker', async () => {
    const { pool } = await open();
    await using _ = pool;
    await expect(pool.run({ what: 'fault' })).rejects.toMatchObject({
      code: 'photo-too-many-pixels',
      status: 413,
      message: 'a photo of 9 × 9 pixels was given where at most 80 pixels are allowed',
    });
    await expect(pool.run({ what: 'throw' })).rejects.toMatchObject({
      code: 'inference-worker',
      message: 'the face engine failed on this photo: boom',
    });
    await expect(pool.run({ what: 'echo', value: 1 })).resolves.toMatchObject({ value: 1 });
  });

  it.each(['die', 'hog'] as const)(
    'replaces a worker that ends (%s): its job fails, the waiting ones are done',
    async (what) => {
      const { pool } = await open();
      await using _ = pool;
      const [dead, ...others] = await Promise.allSettled([
        pool.run({ what }),
        pool.run({ what: 'echo', value: 1 }),
        pool.run({ what: 'echo', value: 2 }),
      ]);
      expect(dead).toMatchObject({ status: 'rejected', reason: { code: 'inference-worker', status: 500 } });
      expect(others).toMatchObject([{ value: { value: 1 } }, { value: { value: 2, jobs: 2 } }]);
    },
  );

  it('fails waiting jobs when it closes, and lets the running one finish', async () => {
    const { pool } = await open();
    const running = pool.run({ what: 'sleep', ms: 100 });
    const waiting = pool.run({ what: 'echo' });
    const closing = pool[Symbol.asyncDispose]();
    await expect(waiting).rejects.toMatchObject({ code: 'inference-closed' });
    await expect(running).resolves.toEqual({ jobs: 1, together: 1 });
    await closing;
  });

  it('rejects with the fault that keeps a worker from starting', async () => {
    await expect(open({ refuse: true })).rejects.toMatchObject({ code: 'weights-missing', exit: 2 });
  });
});

describe('a pool whose workers take several jobs', () => {
  it('gives a free worker a job at once, and then all that wait, up to the batch', async () => {
    const { pool } = await open({ batch: 3 });
    await using _ = pool;
    const first = pool.run({ what: 'sleep', ms: 50 });
    const others = [1, 2, 3, 4].map((value) => pool.run({ what: 'echo', value }));
    expect(pool.load).toEqual({ workers: 1, running: 1, waiting: 4 });
    await expect(first).resolves.toMatchObject({ together: 1 });
    expect(pool.load).toEqual({ workers: 1, running: 3, waiting: 1 });
    expect(await Promise.all(others)).toMatchObject([
      { value: 1, together: 3 },
      { value: 2, together: 3 },
      { value: 3, together: 3 },
      { value: 4, together: 1 },
    ]);
    expect(pool.load).toEqual({ workers: 1, running: 0, waiting: 0 });
  });

  it('leaves an aborted job out of the batch, and refuses what the queue has no room for', async () => {
    const { pool } = await open({ batch: 3, queue: 3 });
    await using _ = pool;
    const first = pool.run({ what: 'sleep', ms: 50 });
    const changed = new AbortController();
    const waiting = [
      pool.run({ what: 'echo', value: 1 }),
      pool.run({ what: 'echo', value: 2 }, { signal: changed.signal }),
      pool.run({ what: 'echo', value: 3 }),
    ] as const;
    await expect(pool.run({ what: 'echo' })).rejects.toMatchObject({ code: 'inference-busy' });
    changed.abort(new Error('changed my mind'));
    await expect(waiting[1]).rejects.toThrow('changed my mind');
    expect(await Promise.all([first, waiting[0], waiting[2]])).toMatchObject([
      {},
      { value: 1, together: 2 },
      { value: 3, together: 2 },
    ]);
  });

  it.each([
    ['fault', 'photo-too-many-pixels'],
    ['throw', 'inference-worker'],
    ['die', 'inference-worker'],
  ] as const)('does a batch again one by one when a job fails it (%s): only that job fails', async (what, code) => {
    const { pool } = await open({ batch: 3 });
    await using _ = pool;
    const [, before, bad, after, later] = await Promise.allSettled([
      pool.run({ what: 'sleep', ms: 50 }),
      pool.run({ what: 'echo', value: 1 }),
      pool.run({ what }),
      pool.run({ what: 'echo', value: 2 }),
      pool.run({ what: 'echo', value: 3 }),
    ]);
    expect(bad).toMatchObject({ status: 'rejected', reason: { code } });
    expect(before).toMatchObject({ value: { value: 1, together: 1 } });
    expect(after).toMatchObject({ value: { value: 2, together: 1 } });
    expect(later).toMatchObject({ value: { value: 3 } });
    expect(pool.load).toMatchObject({ running: 0, waiting: 0 });
  });

  it('does not do a job again whose caller has left', async () => {
    const { pool } = await open({ batch: 2 });
    await using _ = pool;
    const leaving = new AbortController();
    const first = pool.run({ what: 'echo' });
    const left = pool.run({ what: 'sleep', ms: 100 }, { signal: leaving.signal });
    const bad = pool.run({ what: 'fault' });
    await first;
    expect(pool.load).toMatchObject({ running: 2, waiting: 0 });
    leaving.abort();
    await expect(left).rejects.toMatchObject({ name: 'AbortError' });
    await expect(bad).rejects.toMatchObject({ code: 'photo-too-many-pixels' });
    // One, then two together, then the bad one alone.
    await expect(pool.run({ what: 'echo' })).resolves.toMatchObject({ jobs: 5 });
  });

  it('fails the jobs of a batch with its fault when it is closing', async () => {
    const { pool } = await open({ batch: 2 });
    const first = pool.run({ what: 'echo' });
    const both = [pool.run({ what: 'sleep', ms: 50 }), pool.run({ what: 'fault' })];
    await first;
    const closing = pool[Symbol.asyncDispose]();
    for (const outcome of await Promise.allSettled(both))
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'photo-too-many-pixels' } });
    await closing;
  });
});
