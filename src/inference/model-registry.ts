/** A file of weights that an engine here can use. Kith ships none of them and fetches none unasked. */
export interface KnownModel {
  /** Its name in the models folder, as DeepFace keeps it. */
  readonly file: string;
  /** How spaces name it: a recognition model or a detector. */
  readonly name: string;
  readonly use: 'recognition' | 'detection';
  readonly description: string;
  /** Where DeepFace itself takes it from, or `null`. */
  readonly url: string | null;
  /** `null` where unknown. */
  readonly bytes: number | null;
  readonly sha256: string | null;
}

const RELEASE = 'https://github.com/serengil/deepface_models/releases/download/v1.0';

/**
 * The addresses are those of deepface 0.0.100 and retina-face 0.0.19, whose sources give no hashes. Sizes and hashes
 * are those that several unrelated public projects recorded of these files; none was downloaded to make this list.
 */
export const KNOWN_MODELS: readonly KnownModel[] = [
  {
    file: 'arcface_weights.h5',
    name: 'arcface',
    use: 'recognition',
    description: "DeepFace's ArcFace, 512-d",
    url: `${RELEASE}/arcface_weights.h5`,
    bytes: 137_026_640,
    sha256: '6336979c0c602cae08d1122a66f4dfb862d059bbcd8ef80306aef2b2249b0c93',
  },
  {
    file: 'retinaface.h5',
    name: 'retinaface',
    use: 'detection',
    description: 'RetinaFace on ResNet50, faces with five landmarks',
    url: `${RELEASE}/retinaface.h5`,
    bytes: 118_667_368,
    sha256: 'ecb2393a89da3dd3d6796ad86660e298f62a0c8ae7578d92eb6af14e0bb93adf',
  },
  {
    file: 'facenet512_weights.h5',
    name: 'facenet512',
    use: 'recognition',
    description: "DeepFace's Facenet512, 512-d",
    url: `${RELEASE}/facenet512_weights.h5`,
    bytes: 94_955_648,
    sha256: '3f76b5117a9ca574d536af8199e6720089eb4ad3dc7e93534496d88265de864f',
  },
  {
    file: 'facenet_weights.h5',
    name: 'facenet',
    use: 'recognition',
    description: "DeepFace's Facenet, 128-d",
    url: `${RELEASE}/facenet_weights.h5`,
    bytes: null,
    sha256: null,
  },
  {
    file: 'vgg_face_weights.h5',
    name: 'vggface',
    use: 'recognition',
    description: "DeepFace's VGG-Face (its default model), 4096-d",
    url: `${RELEASE}/vgg_face_weights.h5`,
    bytes: null,
    sha256: null,
  },
];

/** By file name or by the name that spaces use. */
export function knownModel(wanted: string): KnownModel | undefined {
  return KNOWN_MODELS.find((model) => model.file === wanted || model.name === wanted);
}
