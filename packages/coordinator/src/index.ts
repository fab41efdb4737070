/** @fog/coordinator: the server program. */
export { type CoordinatorOptions, type RunningCoordinator, startCoordinator } from './coordinator.ts';
export { spareMemory } from './memory.ts';
