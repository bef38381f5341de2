import { access } from 'node:fs/promises';
import path from 'node:path';
import { KithError } from '../../errors.js';

/** An InsightFace model pack: a detector and a recognition model, as they are named inside its zip file. */
export interface InsightFacePack {
  /** As spaces name it: `model_buffalo_l_detector_scrfd_aligned_normalization_base_expand_0`. */
  readonly name: string;
  readonly detector: string;
  readonly recognition: string;
}

export const INSIGHTFACE_PACKS: readonly InsightFacePack[] = [
  { name: 'buffalo_l', detector: 'det_10g.onnx', recognition: 'w600k_r50.onnx' },
  { name: 'buffalo_m', detector: 'det_2.5g.onnx', recognition: 'w600k_r50.onnx' },
  { name: 'buffalo_s', detector: 'det_500m.onnx', recognition: 'w600k_mbf.onnx' },
  { name: 'antelopev2', detector: 'scrfd_10g_bnkps.onnx', recognition: 'glintr100.onnx' },
];

/** How spaces name these packs' detector. */
export const SCRFD = 'scrfd';

export const insightFacePack = (name: string): InsightFacePack | undefined =>
  INSIGHTFACE_PACKS.find((pack) => pack.name === name);

export interface PackFiles {
  readonly detectorFile: string;
  readonly recognitionFile: string;
}

/**
 * Finds both files of a pack in the first folder that has them, at its top or in a folder of the pack's name, as
 * insightface unpacks them. Throws `weights-missing`, naming the file and where it was looked for.
 */
export async function findPackFiles(pack: InsightFacePack, folders: readonly string[]): Promise<PackFiles> {
  const places = folders.flatMap((folder) => [path.join(folder, pack.name), folder]);
  for (const place of places) {
    const files = {
      detectorFile: path.join(place, pack.detector),
      recognitionFile: path.join(place, pack.recognition),
    };
    if ((await exists(files.detectorFile)) && (await exists(files.recognitionFile))) return files;
  }
  throw new KithError('weights-missing', {
    file: `${pack.detector} or ${pack.recognition} (looked for in ${places.join(', ')})`,
  });
}

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );
