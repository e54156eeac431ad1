// The part of dns-packet that the test name server uses; the package brings no types.
declare module 'dns-packet' {
  export interface Question {
    readonly name: string;
    readonly type: string;
  }

  export interface Answer extends Question {
    readonly ttl: number;
    readonly data: string;
  }

  export interface Packet {
    readonly id?: number;
    readonly type?: 'query' | 'response';
    readonly flags?: number;
    readonly questions?: readonly Question[];
    readonly answers?: readonly Answer[];
  }

  export function decode(bytes: Uint8Array): Packet;
  export function encode(packet: Packet): Buffer;
}
