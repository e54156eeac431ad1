// Every campaign there is, and how many mutants of each a whole run sends: 100,000 frames and 100,000 requests.
import { agentCampaign } from './agent-campaign.ts';
import type { NewCampaign } from './campaign.ts';
import { channelCampaign } from './channel-campaign.ts';
import { grpcCampaign } from './grpc-campaign.ts';
import { httpCampaign } from './http-campaign.ts';

export const newCampaigns: Readonly<Record<string, NewCampaign>> = {
  channel: channelCampaign,
  agent: agentCampaign,
  http: httpCampaign,
  grpc: grpcCampaign,
};

/** Parts of all mutants. */
export const shares: Readonly<Record<string, number>> = { channel: 0.46, agent: 0.04, http: 0.25, grpc: 0.25 };
export const wholeRun = 200_000;

export function shareOf(total: number, names: readonly string[]): Record<string, number> {
  const all = names.reduce((sum, name) => sum + (shares[name] ?? 0), 0);
  return Object.fromEntries(names.map((name) => [name, Math.ceil((total * (shares[name] ?? 0)) / all)]));
}
