// npm start: an orchestrator and one agent on this machine, ready to be tried.
import { systemClock } from '../../internal/kit/clock.ts';
import { runProgram } from '../../internal/kit/program.ts';
import { LocalApp } from '../../internal/local/app.ts';
import { readConfig, settings } from './config.ts';

await runProgram({
  name: 'start',
  about: 'Runs an orchestrator and one agent on this machine, with keys of their own under ./.resproxy.',
  settings,
  readConfig,
  build: (config, version) =>
    new LocalApp(config, {
      version,
      clock: systemClock,
      write: (text) => process.stdout.write(text),
      onDeath(why) {
        process.stderr.write(`${why}\n`);
        process.exitCode = 1;
        process.emit('SIGINT', 'SIGINT');
      },
    }),
});
