import { createRequire } from 'node:module';
import path from 'node:path';

/** What the tests and the bench use of face-api; its own types would need all of TensorFlow.js's. */
export interface FaceApiResult {
  readonly detection: {
    readonly score: number;
    readonly box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  };
  readonly landmarks: { readonly positions: readonly { readonly x: number; readonly y: number }[] };
  readonly descriptor: Float32Array;
}

export interface FaceApi {
  readonly backend: string;
  /** Detection, landmarks and descriptors of every face, by face-api itself. */
  recognise(photo: {
    readonly width: number;
    readonly height: number;
    readonly pixels: Uint8Array;
  }): Promise<FaceApiResult[]>;
}

interface Disposable {
  dispose(): void;
}
interface Tf {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  getBackend(): string;
  readonly Tensor: { readonly prototype: object };
  reshape(tensor: unknown, shape: number[]): Disposable;
  tensor3d(values: Int32Array, shape: [number, number, number], dtype: 'int32'): Disposable;
}
interface Net {
  loadFromDisk(folder: string): Promise<void>;
}
interface Task extends Promise<FaceApiResult[]> {
  withFaceLandmarks(): Task;
  withFaceDescriptors(): Task;
}
interface FaceApiModule {
  readonly nets: Record<'ssdMobilenetv1' | 'faceLandmark68Net' | 'faceRecognitionNet', Net>;
  readonly tf: Tf;
  detectAllFaces(input: Disposable): Task;
}
interface ModuleLoader {
  _resolveFilename(request: string, ...rest: unknown[]): string;
}

const require = createRequire(import.meta.url);

/**
 * face-api on TensorFlow.js's WebAssembly backend, as its users run it on Node without a compiled TensorFlow.
 * Its build asks for the umbrella package `@tensorflow/tfjs`, of which it uses the core and the core's operators as
 * methods of a tensor: those are added here.
 */
export async function loadFaceApi(): Promise<FaceApi> {
  const loader = require('node:module') as ModuleLoader;
  const resolve = loader._resolveFilename;
  loader._resolveFilename = (request, ...rest) =>
    resolve.call(loader, request === '@tensorflow/tfjs' ? '@tensorflow/tfjs-core' : request, ...rest);
  const core = require('@tensorflow/tfjs-core') as Tf;
  chainOperators(core);
  const wasm = require('@tensorflow/tfjs-backend-wasm') as { setWasmPaths(folder: string): void };
  wasm.setWasmPaths(`${path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`);
  const faceapi = require('@vladmandic/face-api/dist/face-api.node-wasm.js') as FaceApiModule;
  loader._resolveFilename = resolve;
  await core.setBackend('wasm');
  await core.ready();
  const models = path.join(path.dirname(require.resolve('@vladmandic/face-api/package.json')), 'model');
  for (const net of ['ssdMobilenetv1', 'faceLandmark68Net', 'faceRecognitionNet'] as const)
    await faceapi.nets[net].loadFromDisk(models);
  return {
    backend: core.getBackend(),
    recognise: async ({ width, height, pixels }) => {
      const tensor = core.tensor3d(Int32Array.from(pixels), [height, width, 3], 'int32');
      try {
        return await faceapi.detectAllFaces(tensor).withFaceLandmarks().withFaceDescriptors();
      } finally {
        tensor.dispose();
      }
    },
  };
}

function chainOperators(core: Tf): void {
  const operators = core as unknown as Readonly<Record<string, (...args: unknown[]) => Disposable>>;
  const methods: Record<string, (this: unknown, ...args: never[]) => Disposable> = {};
  for (const name of ['add', 'sub', 'mul', 'div', 'mean'])
    methods[name] = function (...args) {
      return operators[name]!(this, ...args);
    };
  methods.as1D = function () {
    return core.reshape(this, [-1]);
  };
  for (const name of ['as2D', 'as3D', 'as4D'])
    methods[name] = function (...shape) {
      return core.reshape(this, shape);
    };
  Object.assign(core.Tensor.prototype, methods);
}
