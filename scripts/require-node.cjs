// Old syntax on purpose: it must run on any Node, to say in one sentence what is missing instead of a stack trace.
var needed = [22, 19];
var have = process.versions.node.split('.').map(Number);
if (have[0] < needed[0] || (have[0] === needed[0] && have[1] < needed[1])) {
  process.stderr.write(
    'resproxy needs Node ' +
      needed.join('.') +
      ' or newer and this is ' +
      process.version +
      ': run `npm ci` (it installs Node 24 beside the project, and every npm script uses that), or install Node 24.\n',
  );
  process.exit(1);
}
