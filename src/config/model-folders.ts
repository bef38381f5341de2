import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Config } from './schema.js';

/** Where weights are looked for, first to last: `KITH_MODELS`, then DeepFace's own folder. */
export function modelFolders({ models, deepfaceHome }: Pick<Config, 'models' | 'deepfaceHome'>): string[] {
  const deepface = join(deepfaceHome ?? homedir(), '.deepface', 'weights');
  return models === null ? [deepface] : [models, deepface];
}
