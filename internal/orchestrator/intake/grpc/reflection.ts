// gRPC server reflection, v1 and v1alpha: what lets grpcurl and buf curl call this API without its files. The
// descriptors are those that the generated code carries; v1alpha has the same messages under another name. No file of
// ours extends a message, so questions about extensions find nothing.
import {
  create,
  type DescEnum,
  type DescExtension,
  type DescFile,
  type DescMessage,
  type DescService,
  type MessageInitShape,
  toBinary,
} from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import {
  type ServerDuplexStream,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from '../../../../gen/grpc/reflection/v1/reflection_pb.ts';
import { type Decoded, definitionOf, Undecodable } from './definition.ts';

export interface ServiceOfLibrary {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

type Request = Decoded<typeof ServerReflectionRequestSchema>;
type Call = ServerDuplexStream<Request, ServerReflectionResponse>;
type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse']>;

/** The reflection services that describe the files and everything they import. */
export function reflectionServices(files: readonly DescFile[]): ServiceOfLibrary[] {
  const described = new Described(files);
  const implementation = { ServerReflectionInfo: (call: Call) => converse(call, described) };
  const info = definitionOf(ServerReflection.method.serverReflectionInfo);
  return ['v1', 'v1alpha'].map((version) => {
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    return { definition: { ServerReflectionInfo: { ...info, path } }, implementation };
  });
}

/** A client that does not read its answers is asked to wait. */
function converse(call: Call, described: Described): void {
  call.on('end', () => call.end());
  call.on('data', (request: Request) => {
    if (request instanceof Undecodable) {
      call.emit('error', { code: status.INVALID_ARGUMENT, details: 'That is no question of reflection.' });
      return;
    }
    const messageResponse = described.answer(request.messageRequest);
    const { host: validHost } = request;
    call.write(create(ServerReflectionResponseSchema, { validHost, originalRequest: request, messageResponse }));
    if (!call.writableNeedDrain) return;
    call.pause();
    call.once('drain', () => call.resume());
  });
}

class Described {
  readonly #services: readonly string[];
  readonly #files = new Map<string, DescFile>();
  readonly #bySymbol = new Map<string, DescFile>();

  constructor(files: readonly DescFile[]) {
    for (const file of withImports(files)) {
      this.#files.set(`${file.name}.proto`, file);
      for (const type of nestedTypes(file)) for (const symbol of symbolsOf(type)) this.#bySymbol.set(symbol, file);
    }
    this.#services = files.flatMap(({ services }) => services.map(({ typeName }) => typeName));
  }

  answer(question: Exclude<Request, Undecodable>['messageRequest']): Answer {
    switch (question.case) {
      case 'listServices':
        return { case: 'listServicesResponse', value: { service: this.#services.map((name) => ({ name })) } };
      case 'fileByFilename':
        return found(this.#files.get(question.value));
      case 'fileContainingSymbol':
        return found(this.#bySymbol.get(question.value));
      case 'fileContainingExtension':
      case 'allExtensionNumbersOfType':
        return found(undefined);
      default:
        return refusal(status.UNIMPLEMENTED, 'There is no such question.');
    }
  }
}

/** With all that it imports, so that a client need not ask again. */
function found(file: DescFile | undefined): Answer {
  if (!file) return refusal(status.NOT_FOUND, 'It is not described here.');
  const files = [file, ...withImports(file.dependencies)];
  const fileDescriptorProto = files.map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
}

function refusal(errorCode: status, errorMessage: string): Answer {
  return { case: 'errorResponse', value: { errorCode, errorMessage } };
}

function withImports(files: readonly DescFile[], found = new Set<DescFile>()): Set<DescFile> {
  for (const file of files) {
    withImports(file.dependencies, found);
    found.add(file);
  }
  return found;
}

/** A type and its members by their full names. Values of an enum stand beside it and not in it. */
function symbolsOf(type: DescMessage | DescEnum | DescExtension | DescService): string[] {
  const { typeName } = type;
  const within = (members: readonly { readonly name: string }[], scope = typeName) =>
    members.map(({ name }) => `${scope}.${name}`);
  switch (type.kind) {
    case 'message':
      return [typeName, ...within(type.fields), ...within(type.oneofs)];
    case 'enum':
      return [typeName, ...within(type.values, typeName.slice(0, typeName.lastIndexOf('.')))];
    case 'service':
      return [typeName, ...within(type.methods)];
    case 'extension':
      return [typeName];
  }
}
