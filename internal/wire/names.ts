// The words both ends of the agent channel agree on: path, subprotocol, close codes.

export const channelPath = '/agent';
export const subprotocol = 'resproxy.v1';
/** Minor versions of the subprotocol that this code speaks. */
export const protocolMin = 1;
export const protocolMax = 1;

/** WebSocket close codes (RFC 6455 7.4); 4000 and up are ours. */
export const closeCode = {
  goingAway: 1001,
  restart: 1012,
  protocolError: 4000,
  drained: 4001,
  flowControl: 4400,
  unauthenticated: 4401,
  heartbeat: 4408,
  replaced: 4409,
  frameTooLarge: 4413,
  upgradeRequired: 4426,
  overloaded: 4429,
} as const;

export type CloseCode = (typeof closeCode)[keyof typeof closeCode];

export const agentNamePattern = /^[a-z0-9-]{1,63}$/;
