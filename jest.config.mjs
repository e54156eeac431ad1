// Sources run as ES modules, so Jest does too (NODE_OPTIONS=--experimental-vm-modules in the npm scripts).
// `unit` sits beside the code and takes milliseconds; `system` starts real processes, one file after the other; `faults`
// kills, stops and restarts them under load (scripts/test-faults.ts); `kube` has them meet a real Kubernetes API server.
const shared = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
  injectGlobals: false,
};

/** They kill an API server, take its rights away or play its nodes: never in a cluster that is somebody's. */
const ofOwnControlPlane = ['/tests/kube/own/', '/tests/kube/release/'];
const isForeignCluster = Boolean(process.env.RESPROXY_TEST_KUBECONFIG);
if (isForeignCluster) {
  process.stderr.write(`RESPROXY_TEST_KUBECONFIG is set, so these are left out: ${ofOwnControlPlane.join(' ')}\n`);
}

export default {
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: ['<rootDir>/{internal,cmd,scripts,bench}/**/*.test.ts', '<rootDir>/tests/{harness,faults}/*.test.ts'],
    },
    {
      ...shared,
      displayName: 'system',
      testMatch: ['<rootDir>/tests/system/**/*.test.ts'],
      globalSetup: '<rootDir>/tests/harness/global-setup.ts',
    },
    {
      ...shared,
      displayName: 'faults',
      testMatch: ['<rootDir>/tests/faults/scenarios/*.test.ts'],
      globalSetup: '<rootDir>/tests/harness/global-setup.ts',
    },
    {
      ...shared,
      displayName: 'kube',
      testMatch: ['<rootDir>/tests/kube/**/*.test.ts'],
      testPathIgnorePatterns: ['/node_modules/', ...(isForeignCluster ? ofOwnControlPlane : [])],
    },
  ],
  testTimeout: 60_000,
};
