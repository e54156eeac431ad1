// npm run build: the programs as the image runs them, into the folder that the first argument names; dist/ by default.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { root } from './bundle.ts';
import { bundlePrograms } from './bundle-programs.ts';

const folder = resolve(process.argv[2] ?? join(root, 'dist'), 'programs');
const files = await bundlePrograms({
  main: 'cmd/image/main.ts',
  thread: 'internal/orchestrator/jobs/sqlite/thread.ts',
});
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const [name, content] of files) writeFileSync(join(folder, name), content);
// Scripts for Redis are read by their names when there is a Redis.
cpSync(join(root, 'internal/orchestrator/jobs/redis/lua'), join(folder, 'lua'), { recursive: true });
const bytes = [...files].reduce((sum, [name, { length }]) => (name.endsWith('.mjs') ? sum + length : sum), 0);
console.log(`${folder}: ${files.size} files, ${(bytes / 1024).toFixed(0)} KiB of code`);
