// What people read in `kubectl describe`: one note per thing that happened, none for what merely is.
import type { AgentKey } from '../../agentkey/resource.ts';
import { type Activity, reasonOf } from './conditions.ts';

export type IssueReason = 'KeyIssued' | 'KeyRotated' | 'KeyReissued' | 'SecretDeleted' | 'SecretTampered';

export interface Note {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  /** What the operator was doing. */
  readonly action: string;
  readonly text: string;
}

const issueTexts: Readonly<Record<IssueReason, (secretName: string) => string>> = {
  KeyIssued: (secretName) => `is in Secret ${secretName}.`,
  KeyRotated: (secretName) => `is in Secret ${secretName}; the one before works until its overlap ends.`,
  KeyReissued: (secretName) => `is in Secret ${secretName}: the status knew nothing of the one it held.`,
  SecretDeleted: (secretName) => `is in Secret ${secretName}, which had been deleted; the one before is shut out.`,
  SecretTampered: (secretName) => `is in Secret ${secretName}, whose key had been altered; the one before is shut out.`,
};

export function issueNote(reason: IssueReason, keyId: string, secretName: string): Note {
  const type = reason === 'KeyIssued' || reason === 'KeyRotated' ? 'Normal' : 'Warning';
  return { type, reason, action: 'IssueKey', text: `New key ${keyId} ${issueTexts[reason](secretName)}` };
}

const activityTexts: Readonly<Record<Activity, string>> = {
  Active: 'Agents may connect again.',
  Suspended: 'The key is suspended: its connections are closed.',
  Expired: 'The key has expired: its connections are closed.',
  NoKey: 'There is no key that agents could connect with.',
};

/** When agents may or may not connect any more, unlike before. */
export function activityNotes({ status }: AgentKey, activity: Activity): Note[] {
  const before = reasonOf(status.conditions, 'Active');
  if (before === undefined || before === activity) return [];
  const reason = activity === 'Active' ? 'Resumed' : activity;
  return [{ type: 'Normal', reason, action: 'Observe', text: activityTexts[activity] }];
}
