import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 240_000,
    // Inference and the embedded database are memory- and processor-heavy: two files at a time.
    maxWorkers: 2,
    pool: 'forks',
  },
});
