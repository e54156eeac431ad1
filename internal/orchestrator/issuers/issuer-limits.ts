// Every number of the tokens of issuers, with its reason.

export const issuerLimits = {
  /** In one file. Each asks for its keys every few minutes, and is a label of metrics. */
  maxIssuers: 16,
  /** What is published of an issuer is a few kilobytes. */
  maxDocumentBytes: 256 * 1024,
  /** For one document, from the name's look-up to the last byte. */
  fetchTimeoutMs: 5_000,
  /** How often keys are asked for anyway: a key that the issuer withdrew is of no use after this. */
  refreshMs: 5 * 60_000,
  /** Keys that nothing was heard of for longer are not used any more. */
  keepMs: 24 * 3_600_000,
  /** Tokens of unknown keys make us ask no oftener than this. */
  cooldownMs: 10_000,
  /** After a failure: full jitter from the first to the second. */
  firstRetryMs: 1_000,
  maxRetryMs: 60_000,
  /** Signatures that are checked at once, at each door; each takes a thread of the pool that DNS and files share. */
  maxChecks: 2,
  /** Tokens of one issuer that wait for its keys; whoever comes with unknown keys takes no more places than these. */
  maxWaitingForKeys: 100,
  /** Keys tried for a token that does not say which one it is signed by. */
  maxCandidates: 8,
  /** A token with the groups of a large organisation takes a few kilobytes. */
  maxTokenLength: 8_192,
  /** As OpenID Connect bounds it. */
  maxSubjectLength: 255,
} as const;
