/** Outputs of an attempt that has committed to them: they wait on the disk, whatever the runtime had in memory. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AttemptOutput } from '@fog/runtimes';
import { AGENT_LIMITS } from './limits.ts';

/** Answers the same outputs, written into the folder as far as they lie in memory and are more than a little. */
export async function keepOutputs(folder: string, outputs: readonly AttemptOutput[]): Promise<AttemptOutput[]> {
  const inMemory = outputs.flatMap(({ files }) =>
    files.map(({ content }) => ('data' in content ? content.data : null)),
  );
  const bytes = inMemory.reduce((sum, data) => sum + (data?.byteLength ?? 0), 0);
  if (bytes <= AGENT_LIMITS.committedMemoryBytes) return [...outputs];
  await mkdir(folder, { mode: 0o700, recursive: true });
  let number = 0;
  const kept: AttemptOutput[] = [];
  for (const output of outputs) {
    const files: AttemptOutput['files'][number][] = [];
    for (const file of output.files) {
      const { content } = file;
      if (!('data' in content)) {
        files.push(file);
        continue;
      }
      const hostPath = join(folder, String(number++));
      await writeFile(hostPath, content.data, { mode: 0o600 });
      files.push({ ...file, content: { hostPath, bytes: content.data.byteLength } });
    }
    kept.push({ ...output, files });
  }
  return kept;
}
