// Whether this program should get work. Each part of it adds what it knows of itself, and whoever asks (/readyz, /health,
// grpc.health.v1) is answered from here.

/** Undefined when all is well, else what is wrong, in words that anybody may read. */
export type Check = () => string | undefined;

export interface HealthReport {
  readonly healthy: boolean;
  /** `OK` or what is wrong, by name. */
  readonly checks: Readonly<Record<string, string>>;
}

export class Health {
  readonly #checks = new Map<string, Check>();
  readonly #notes = new Map<string, Check>();

  add(name: string, check: Check): void {
    this.#checks.set(name, check);
  }

  /** Shown, but no reason to send work elsewhere: every other process would say the same. */
  note(name: string, check: Check): void {
    this.#notes.set(name, check);
  }

  report(): HealthReport {
    const checks: Record<string, string> = {};
    let healthy = true;
    for (const [name, check] of this.#checks) {
      const fault = check();
      if (fault !== undefined) healthy = false;
      checks[name] = fault ?? 'OK';
    }
    for (const [name, check] of this.#notes) checks[name] = check() ?? 'OK';
    return { healthy, checks };
  }
}

/** A part of the program that is well from when it says so until it says otherwise. */
export class Flag {
  #fault: string | undefined;

  constructor(fault?: string) {
    this.#fault = fault;
  }

  readonly check: Check = () => this.#fault;

  well(): void {
    this.#fault = undefined;
  }

  unwell(fault: string): void {
    this.#fault = fault;
  }
}
