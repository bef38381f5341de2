// A worker whose jobs say what is to happen: the pool's tests run it.
import { setTimeout as sleep } from 'node:timers/promises';
import { KithError } from '#kith/errors.js';
import { serveJobs } from '#kith/inference/worker-port.js';

let jobs = 0;

await serveJobs(async (settings) => {
  if (settings.refuse) throw new KithError('weights-missing', { file: 'w.bin' });
  return {
    about: { greeting: settings.greeting },
    close: async () => {
      Atomics.add(settings.closed, 0, 1);
    },
    run: async (together) => {
      const results = [];
      for (const job of together) results.push({ ...(await run(job)), together: together.length });
      return results;
    },
  };
});

async function run(job) {
  jobs += 1;
  switch (job.what) {
    case 'echo':
      return { value: job.value, jobs };
    case 'sleep':
      await sleep(job.ms);
      return { jobs };
    case 'fault':
      throw new KithError('photo-too-many-pixels', { width: 9, height: 9, limit: 80 });
    case 'throw':
      throw new Error('boom\nwith a second line');
    case 'die':
      return process.exit(7);
    default: {
      const hog = [];
      for (;;) hog.push(new Array(1e6).fill(jobs));
    }
  }
}
