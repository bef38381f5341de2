import { servePipeline } from '../face-pipeline.js';
import { type DeepFaceSettings, openDeepFacePipeline } from './deepface-opening.js';

await servePipeline<DeepFaceSettings>(openDeepFacePipeline);
