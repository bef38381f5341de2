// Leaves the process in the middle of photos: `node exit-fixture.mjs MILLISECONDS CODE`.
import { readFile } from 'node:fs/promises';
import { openBundledEngine } from '#kith/inference/bundled-engine.js';
import { embedFile } from '#kith/inference/photo-faces.js';

const [, , milliseconds, code] = process.argv;
const file = new URL('../../node_modules/@vladmandic/face-api/demo/sample1.jpg', import.meta.url);
const bytes = await readFile(file);
const engine = await openBundledEngine();
for (let i = 0; i < 4; i++) embedFile(engine, bytes).catch(() => undefined);
setTimeout(() => process.exit(Number(code)), Number(milliseconds));
