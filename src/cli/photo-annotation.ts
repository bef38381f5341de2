import { extname } from 'node:path';
import { KithError } from '../errors.js';
import { decodePhoto, type PhotoLimits } from '../photo/photo.js';
import { type Annotation, annotatePhoto } from '../photo/photo-annotate.js';
import type { RecognizedFace } from '../recognition/answer.js';

export type AnnotationFormat = 'jpeg' | 'png';

/** The format that the name of the file asks for. Throws `usage`. */
export function annotationFormat(file: string): AnnotationFormat {
  switch (extname(file).toLowerCase()) {
    case '.jpg':
    case '.jpeg':
      return 'jpeg';
    case '.png':
      return 'png';
    default:
      throw new KithError('usage', {
        problem: `--annotate writes .jpg or .png, and ${file} was given`,
        command: 'kith recognize',
      });
  }
}

/** `Ana 0.03`, `Ana or Breda 0.05`, or nothing but the distance-free word for a stranger. */
function label({ verdict, candidates }: RecognizedFace): string {
  const [first, second] = candidates;
  if (first === undefined) return 'unknown';
  const other = verdict === 'ambiguous' && second !== undefined ? ` or ${second.person.name}` : '';
  return `${first.person.name}${other} ${first.distance.toFixed(3)}`;
}

/** The upright photo with every face's box, and its name and distance. */
export async function annotateFaces(
  bytes: Uint8Array,
  faces: readonly RecognizedFace[],
  format: AnnotationFormat,
  limits: PhotoLimits,
): Promise<Uint8Array> {
  const annotations = faces.map((face): Annotation => ({ box: face.box, label: label(face), verdict: face.verdict }));
  return annotatePhoto(await decodePhoto(bytes, limits), annotations, format);
}
