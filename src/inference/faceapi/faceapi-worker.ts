import { servePipeline } from '../face-pipeline.js';
import { type FaceApiSettings, openFaceApiPipeline } from './faceapi-pipeline.js';

await servePipeline<FaceApiSettings>(openFaceApiPipeline);
