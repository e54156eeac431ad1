// Folders that a test leaves nothing of.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class TempDir {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<TempDir> {
    return new TempDir(await mkdtemp(join(tmpdir(), 'resproxy-test-')));
  }

  file(name: string): string {
    return join(this.path, name);
  }

  async close(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
