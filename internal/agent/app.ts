// The agent, built in the order in which a job travels: uplink, egress, guard. The only file that knows every class.
import { randomUUID } from 'node:crypto';
import { Connector } from '../guard/connector.ts';
import { type Endpoint, parseEndpoint } from '../guard/endpoint.ts';
import { Guard } from '../guard/guard.ts';
import { OwnNetwork } from '../guard/own-network.ts';
import { systemClock } from '../kit/clock.ts';
import { createLogger } from '../kit/log.ts';
import { Egress } from './egress/egress.ts';
import { directExit, Exits } from './uplink/exits.ts';
import { Jobs } from './uplink/jobs.ts';
import { Journal } from './uplink/journal.ts';
import { maxLabels, parseLabel } from './uplink/labels.ts';
import { Uplink } from './uplink/uplink.ts';

// For reading the settings.
export { maxLabels, parseEndpoint, parseLabel };

export interface AgentConfig {
  readonly orchestratorUrl: string;
  readonly key: string;
  readonly name: string;
  readonly maxConcurrent: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly allowPorts: readonly number[];
  readonly allowEndpoints: readonly Endpoint[];
  readonly graceMs: number;
  readonly logLevel: string;
  readonly version: string;
}

export interface AgentApp {
  start(): Promise<void>;
  stop(reason: string): Promise<void>;
}

export function createAgent(config: AgentConfig): AgentApp {
  const clock = systemClock;
  const log = createLogger('agent', config.logLevel);

  // What a job may reach.
  const own = new OwnNetwork({ clock });
  const guard = new Guard({ own, allowPorts: config.allowPorts, allowEndpoints: config.allowEndpoints });

  // How it gets there.
  const egress = new Egress({ connector: new Connector({ guard, clock }), clock, logger: log });

  // Where jobs come from.
  const exits = new Exits([directExit(config.maxConcurrent, config.labels)]);
  const journal = new Journal(log, new URL(config.orchestratorUrl).host);
  const jobs = new Jobs({ runner: egress, exits, journal, clock });
  const uplink = new Uplink({
    target: { url: config.orchestratorUrl, key: config.key, version: config.version },
    agentName: config.name,
    instanceId: randomUUID(),
    platform: `${process.platform}-${process.arch}`,
    graceMs: config.graceMs,
    exits,
    jobs,
    journal,
    clock,
    random: Math.random,
    onObservedAddress: (address) => guard.observe(address),
  });

  return {
    async start() {
      uplink.start();
    },
    // The uplink first: as long as it drains, jobs need the egress.
    async stop(reason) {
      await uplink.stop(reason);
      await egress.close();
    },
  };
}
