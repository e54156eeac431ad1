// gRPC server reflection, v1 and v1alpha: what lets grpcurl and buf curl call this API without its files. The
// descriptors are those that the generated code carries.
import { type DescFile, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { handleBidiStreamingCall, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';

export interface ServiceOfLibrary {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

type Bidi = handleBidiStreamingCall<unknown, unknown>;

/** The reflection services that describe the files and everything they import. */
export function reflectionServices(files: readonly DescFile[]): ServiceOfLibrary[] {
  const fileDescriptorProtos = [...withImports(files)].map((file) =>
    Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)),
  );
  // The library reads the descriptors and nothing else of a definition.
  const ours = { format: 'Protocol Buffer 3 EnumDescriptorProto', type: {}, fileDescriptorProtos } as const;
  const services: ServiceOfLibrary[] = [];
  new ReflectionService({ ours }).addToServer({
    addService: (definition, implementation) => services.push({ definition, implementation: paced(implementation) }),
  });
  return services;
}

function withImports(files: readonly DescFile[], found = new Set<DescFile>()): Set<DescFile> {
  for (const file of files) {
    withImports(file.dependencies, found);
    found.add(file);
  }
  return found;
}

/** The library answers every question at once; a client that does not read its answers is asked to wait. */
function paced(implementation: UntypedServiceImplementation): UntypedServiceImplementation {
  const answer = implementation.ServerReflectionInfo as Bidi;
  const handler: Bidi = (call) => {
    answer(call);
    call.on('data', () => {
      if (!call.writableNeedDrain) return;
      call.pause();
      call.once('drain', () => call.resume());
    });
  };
  return { ServerReflectionInfo: handler };
}
