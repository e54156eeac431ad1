// The environment for an npm that starts from nothing.

/** Without what the npm that runs these tests tells its children. */
export function ownEnv(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^npm_(package|lifecycle|config_local_prefix)|^INIT_CWD$|^NODE_OPTIONS$/.test(name),
  );
  return Object.fromEntries(own);
}
