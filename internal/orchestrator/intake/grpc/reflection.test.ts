// What reflection answers, question by question, as tools ask.
import { EventEmitter } from 'node:events';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from '@jest/globals';
import type {
  ServerReflectionRequest,
  ServerReflectionResponse,
} from '../../../../gen/grpc/reflection/v1/reflection_pb.ts';
import { file_resproxy_v1_job } from '../../../../gen/resproxy/v1/job_pb.ts';
import { Undecodable } from './definition.ts';
import { reflectionServices } from './reflection.ts';

type Question = ServerReflectionRequest['messageRequest'];

/** A call of grpc-js as far as reflection knows it. */
class FakeCall extends EventEmitter {
  readonly answers: ServerReflectionResponse[] = [];
  readonly told: string[] = [];
  writableNeedDrain = false;

  write(answer: ServerReflectionResponse): void {
    this.answers.push(answer);
  }

  end(): void {
    this.told.push('end');
  }

  pause(): void {
    this.told.push('pause');
  }

  resume(): void {
    this.told.push('resume');
  }
}

function dial(): FakeCall {
  const call = new FakeCall();
  for (const { implementation } of reflectionServices([file_resproxy_v1_job]).slice(0, 1))
    (implementation.ServerReflectionInfo as unknown as (call: FakeCall) => void)(call);
  return call;
}

function ask(messageRequest: Question): ServerReflectionResponse['messageResponse'] {
  const call = dial();
  call.emit('data', { host: 'here', messageRequest });
  return call.answers[0]?.messageResponse ?? { case: undefined };
}

function filesOf(answer: ServerReflectionResponse['messageResponse']): string[] {
  if (answer.case !== 'fileDescriptorResponse') throw new Error(`answered ${answer.case}`);
  return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
}

describe('reflection', () => {
  test('is there under both of its names', () => {
    const paths = reflectionServices([]).map(({ definition }) => definition.ServerReflectionInfo?.path);
    expect(paths).toEqual(
      ['v1', 'v1alpha'].map((version) => `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`),
    );
  });

  test('lists the services of its files', () => {
    expect(ask({ case: 'listServices', value: '*' })).toMatchObject({
      case: 'listServicesResponse',
      value: { service: [{ name: 'resproxy.v1.JobService' }] },
    });
  });

  test.each([
    'resproxy.v1.JobService',
    'resproxy.v1.JobService.RunJob',
    'resproxy.v1.RunJobRequest',
    'resproxy.v1.RunJobRequest.timeout',
  ])('finds the file of %s, with all that it imports, each once', (value) => {
    const [first, ...others] = filesOf(ask({ case: 'fileContainingSymbol', value }));
    expect(first).toBe('resproxy/v1/job.proto');
    expect(others).toContain('google/protobuf/duration.proto');
    expect(new Set(others).size).toBe(others.length);
    expect(others).not.toContain(first);
  });

  test('knows files by their name, and nothing of what they do not import', () => {
    const byName = ask({ case: 'fileByFilename', value: 'google/protobuf/duration.proto' });
    expect(filesOf(byName)).toEqual(['google/protobuf/duration.proto']);
    const value = 'google.protobuf.FieldDescriptorProto.TYPE_STRING';
    expect(ask({ case: 'fileContainingSymbol', value }).case).toBe('errorResponse');
  });

  test.each<[string, Question, status]>([
    ['a symbol', { case: 'fileContainingSymbol', value: 'resproxy.v1.Nothing' }, status.NOT_FOUND],
    ['a file', { case: 'fileByFilename', value: 'nothing.proto' }, status.NOT_FOUND],
    ['extensions', { case: 'allExtensionNumbersOfType', value: 'resproxy.v1.RunJobRequest' }, status.NOT_FOUND],
    ['no question', { case: undefined }, status.UNIMPLEMENTED],
  ])('says of %s that is not there which code it is', (_what, question, errorCode) => {
    expect(ask(question)).toMatchObject({ case: 'errorResponse', value: { errorCode } });
  });

  test('waits for a client that does not read, and ends when it ends', () => {
    const call = dial();
    call.writableNeedDrain = true;
    call.emit('data', { host: '', messageRequest: { case: 'listServices', value: '' } });
    expect(call.told).toEqual(['pause']);
    call.emit('drain');
    call.emit('end');
    expect(call.told).toEqual(['pause', 'resume', 'end']);
  });

  test('refuses what is no question', () => {
    const call = dial();
    const failed: unknown[] = [];
    call.on('error', (error) => failed.push(error));
    call.emit('data', new Undecodable(new Error('no')));
    expect(failed).toMatchObject([{ code: status.INVALID_ARGUMENT }]);
    expect(call.answers).toEqual([]);
  });
});
