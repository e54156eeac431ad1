// The other pods of the fleet, as this one knows them: the registry says which there are and where, the peer room
// whether they can be reached. A pod alone has none.

export class RemotePod {
  readonly podId: string;
  /** Of its peer listener: an IP address and a port, `10.0.0.7:9091` or `[fd00::7]:9091`. */
  readonly address: string;
  readonly version: string;
  /** It goes away: its agents are on their way to other pods and serve there until they have one. */
  draining = false;
  /** Whether a link to it is up. Only the peer room changes it. */
  linked = false;

  constructor(podId: string, address: string, version: string) {
    this.podId = podId;
    this.address = address;
    this.version = version;
  }
}

export interface PodListener {
  /** Another pod is there; one that comes back, or under another address, is another object. */
  podJoined(pod: RemotePod): void;
  /** It gave up its lease or lost it. */
  podLeft(pod: RemotePod): void;
}
