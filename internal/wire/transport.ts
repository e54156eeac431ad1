// What the mux asks of the thing that carries its frames. WSS to an agent is one implementation, the relay between
// pods the other; the mux knows neither.

/** How a connection ended. `code` is a WebSocket close code, or 1006 when it broke off without one. */
export interface ConnectionEnd {
  readonly code: number;
  readonly reason: string;
  /** Whether this end asked for it. */
  readonly local: boolean;
}

export interface FrameTransport {
  /** Hands over one encoded frame, in order. Never throws; after the end it does nothing. */
  send(frame: Uint8Array): void;
  /** Bytes handed over that the kernel has not taken yet. */
  readonly bufferedBytes: number;
  /** Bytes that have come in so far, whole frames or not. */
  readonly bytesReceived: number;
  /** Asks for closing, and breaks the connection off after the close timeout. */
  close(code: number, reason: string): void;
  /** Breaks the connection off now; says why if that can still be sent. */
  terminate(code: number, reason: string): void;
  /** Sets who hears of frames, of room to send, and of the end; called once, before the first frame. */
  attach(listener: TransportListener): void;
}

export interface TransportListener {
  /** One frame; the bytes are the listener's to keep and nobody changes them. */
  onFrame(frame: Uint8Array): void;
  /** bufferedBytes has fallen after it had reached the mark. */
  onDrain(): void;
  /** Exactly once. */
  onEnd(end: ConnectionEnd): void;
}
