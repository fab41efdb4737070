/** The fog for developers. Tests use `Fog.local()` of `@fog/sdk/local`. */
export { ERROR_CODES, type ErrorCode, FogError, type JobSpecInput } from '@fog/contract';
export { Blobs } from './blobs.ts';
export {
  type ConnectOptions,
  type CoordinatorAddress,
  connectClient,
  defaultDataDirectory,
  findCoordinator,
  readEndpoint,
} from './connection.ts';
export {
  DeploymentHandle,
  type RolloutOutcome,
  type RolloutResult,
  type RolloutWaitOptions,
  rolloutOutcome,
} from './deployment-handle.ts';
export { type DownloadedFile, downloadBytes, downloadFile, downloadFolder, downloadOutput } from './download.ts';
export { type DeployOptions, Fog, type RunOptions, type RunSpec } from './fog.ts';
export { JobHandle, JobOutput, type JobResult, type WaitOptions } from './job-handle.ts';
export { SDK_LIMITS } from './limits.ts';
export { SCRIPT_GLOBALS } from './map/free-names.ts';
export type { FogMap, MapContext, MapFunction, MapInput, MapOptions, Settled } from './map/map.ts';
export { inParallel, retried } from './retry.ts';
export { checkSpec, type SpecFilesOptions, standInForSpecFiles, uploadSpecFiles } from './spec-files.ts';
export { submitSpec } from './submit.ts';
export { digestOf, listFolder, type UploadedBlob, uploadBytes, uploadPath } from './upload.ts';
