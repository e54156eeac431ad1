// The first statements of the bundled agent. They run before anything of the bundle is set up, on whatever Node somebody
// has at home: one that is too old gets one sentence instead of a stack trace. The bundle has no import statement, for
// those would be fetched before the check; Node's own modules come through the `require` made here, and nothing else
// does, so that a node_modules folder nearby changes nothing.

/** The oldest Node that undici 8 loads on; scripts/require-node.cjs asks for the same. */
const oldest = { major: 22, minor: 19 };

export const prelude = `
// resproxy agent, one file. Needs Node ${oldest.major}.${oldest.minor} or newer; start it with: node agent.mjs
{
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < ${oldest.major} || (major === ${oldest.major} && minor < ${oldest.minor})) {
    process.stderr.write(
      'The resproxy agent needs Node ${oldest.major}.${oldest.minor} or newer and this is ' + process.version +
        ': install Node 24 from https://nodejs.org and start it again.\\n',
    );
    process.exit(1);
  }
}
const require = (name) => {
  const found = process.getBuiltinModule(name);
  if (!found) throw new Error(name + ' is no part of Node');
  return found;
};
`.trimStart();
