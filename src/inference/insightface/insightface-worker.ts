import { servePipeline } from '../face-pipeline.js';
import { type InsightFaceSettings, openInsightFacePipeline } from './insightface-pipeline.js';

await servePipeline<InsightFaceSettings>(openInsightFacePipeline);
