// Which part of a limit is this pod's, when several pods serve one caller.

/** What is divided among the pods. */
export interface SharedLimit {
  /** The same on all pods. */
  readonly name: string;
  readonly limits: { readonly maxInFlight: number };
  readonly load: { readonly inFlight: number };
}

export interface Shares {
  /** Above 0 and up to 1; asked by every call that the limit concerns. */
  fractionOf(limit: SharedLimit): number;
}

/** This pod is the fleet. */
export const alone: Shares = { fractionOf: () => 1 };
