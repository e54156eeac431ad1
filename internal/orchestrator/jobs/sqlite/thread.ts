// The thread that owns the file: takes what has arrived, commits it as one, answers.
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { openDatabase } from './database.ts';
import { GroupCommit } from './group-commit.ts';
import type { Call, FromThread, ThreadData, ToThread } from './protocol.ts';

/** Bounds the time from the first call of a group to its answer. */
const maxGroup = 256;

const { path, settings } = workerData as ThreadData;
const db = openDatabase(path);
const group = new GroupCommit(db, settings);

parentPort?.on('message', (first: ToThread) => {
  const calls: Call[] = [];
  let message: ToThread | undefined = first;
  while (message !== undefined && message !== 'close') {
    calls.push(message);
    message = calls.length < maxGroup ? received() : undefined;
  }
  if (calls.length > 0) answer(group.perform(calls));
  if (message === 'close') close();
});
answer({ kind: 'open' });

function received(): ToThread | undefined {
  return parentPort ? receiveMessageOnPort(parentPort)?.message : undefined;
}

function answer(message: FromThread): void {
  parentPort?.postMessage(message);
}

function close(): void {
  db.close();
  parentPort?.close();
}
