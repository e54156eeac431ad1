import { describe, expect, test } from '@jest/globals';
import { errors } from 'undici';
import { Execution, FailureCode, RefusalReason } from '../../../gen/resproxy/v1/failure_pb.ts';
import { ConnectError, type ConnectErrorCode } from '../../guard/connect-error.ts';
import { failureName, type Progress, translate } from './failures.ts';
import { UploadError } from './upload.ts';

const { NOT_STARTED, POSSIBLE, DONE } = Execution;

function withCode(code: string): Error {
  return Object.assign(new Error('a text that changes'), { code });
}

describe('what kept a connection from being made', () => {
  test.each<[ConnectErrorCode, FailureCode]>([
    ['prohibited-address', FailureCode.DESTINATION_IP_PROHIBITED],
    ['port-refused', FailureCode.EXIT_REFUSED],
    ['nxdomain', FailureCode.DNS_NXDOMAIN],
    ['dns-failure', FailureCode.DNS_FAILURE],
    ['refused', FailureCode.CONNECT_REFUSED],
    ['timeout', FailureCode.CONNECT_TIMEOUT],
    ['unroutable', FailureCode.UNROUTABLE],
    ['tls-failure', FailureCode.TLS_FAILURE],
    ['certificate-invalid', FailureCode.TLS_CERTIFICATE_INVALID],
    ['aborted', FailureCode.CANCELLED],
  ])('%s', (code, expected) => {
    const refusal = code === 'port-refused' ? RefusalReason.PORT : RefusalReason.UNSPECIFIED;
    const told = translate(new ConnectError(code), 'unsent');
    expect(told).toEqual({ code: expected, refusal, execution: NOT_STARTED });
    expect(translate(new ConnectError(code), 'sent').execution).toBe(POSSIBLE);
  });
});

describe('what broke an exchange', () => {
  test.each<[string, Progress, FailureCode, Execution]>([
    ['ECONNRESET', 'unsent', FailureCode.CONNECTION_TERMINATED, NOT_STARTED],
    ['ECONNRESET', 'sent', FailureCode.CONNECTION_TERMINATED, POSSIBLE],
    ['ECONNRESET', 'answered', FailureCode.RESPONSE_INCOMPLETE, POSSIBLE],
    ['UND_ERR_SOCKET', 'sent', FailureCode.CONNECTION_TERMINATED, POSSIBLE],
    ['UND_ERR_SOCKET', 'answered', FailureCode.RESPONSE_INCOMPLETE, POSSIBLE],
    ['EPIPE', 'sent', FailureCode.CONNECTION_TERMINATED, POSSIBLE],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'sent', FailureCode.CONNECTION_TERMINATED, POSSIBLE],
    ['UND_ERR_HEADERS_OVERFLOW', 'sent', FailureCode.RESPONSE_TOO_LARGE, DONE],
    ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'answered', FailureCode.RESPONSE_INCOMPLETE, POSSIBLE],
    ['ERR_ASSERTION', 'sent', FailureCode.INTERNAL, POSSIBLE],
    ['ERR_ASSERTION', 'answered', FailureCode.INTERNAL, DONE],
  ])('%s when %s', (code, progress, expected, execution) => {
    expect(translate(withCode(code), progress)).toMatchObject({ code: expected, execution });
  });

  test('an answer that is no HTTP is incomplete', () => {
    const told = translate(new errors.HTTPParserError('a text that changes'), 'sent');
    expect(told).toMatchObject({ code: FailureCode.RESPONSE_INCOMPLETE, execution: POSSIBLE });
  });

  test('a caller whose body broke off has cancelled', () => {
    expect(translate(new UploadError(), 'sent')).toMatchObject({ code: FailureCode.CANCELLED, execution: POSSIBLE });
  });

  test('what has no code is a fault of ours', () => {
    for (const odd of [new TypeError('x'), 'text', undefined, null, { code: 7 }])
      expect(translate(odd, 'unsent')).toMatchObject({ code: FailureCode.INTERNAL, execution: NOT_STARTED });
  });
});

test('the log names failures as the API does', () => {
  expect(failureName(FailureCode.DNS_NXDOMAIN)).toBe('DNS_NXDOMAIN');
});
