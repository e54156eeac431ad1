// Why no connection came about, in words for the agent's owner: the one place that reads the errors of Node and ws.

const certificateHint = 'for a private authority, set NODE_EXTRA_CA_CERTS to its PEM file';

const wordsByCode: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name does not exist',
  EAI_AGAIN: 'its name cannot be looked up; is this machine online?',
  ECONNREFUSED: 'nothing listens at its address',
  EHOSTUNREACH: 'there is no way to its address',
  ENETUNREACH: 'there is no way to its address; is this machine online?',
  ETIMEDOUT: 'its address does not answer',
  ECONNRESET: 'the connection was broken off',
  EPIPE: 'the connection was broken off',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  CERT_HAS_EXPIRED: "its certificate has expired; is this machine's date right?",
  CERT_NOT_YET_VALID: "its certificate is not valid yet; is this machine's date right?",
  DEPTH_ZERO_SELF_SIGNED_CERT: `its certificate is not trusted; ${certificateHint}`,
  SELF_SIGNED_CERT_IN_CHAIN: `its certificate is not trusted; ${certificateHint}`,
  UNABLE_TO_GET_ISSUER_CERT: `its certificate is not trusted; ${certificateHint}`,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: `its certificate is not trusted; ${certificateHint}`,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `its certificate is not trusted; ${certificateHint}`,
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS at this port',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS at this port',
};

/** Completes "The orchestrator cannot be reached: ...". Holds no address and nothing of the error's own text. */
export function dialFailureWords(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  if (code === undefined) return 'what answers there does not speak resproxy.v1';
  return wordsByCode[code] ?? `error ${code}`;
}
