import { expect, test } from '@jest/globals';
import { restField } from './fields.ts';
import { proxyStatus } from './proxy-status.ts';

test('a status is one item with its error and details', () => {
  expect(proxyStatus('dns_error', 'The host name does not exist.')).toBe(
    'resproxy; error=dns_error; details="The host name does not exist."',
  );
});

test('details hold nothing that would end the string or the header', () => {
  expect(proxyStatus('dns_error', 'a "b" \\ c\r\nx: é')).toBe(
    'resproxy; error=dns_error; details="a \\"b\\" \\\\ c??x: ?"',
  );
});

test.each([
  ['request.url', 'url'],
  ['request.headers[3]', 'headers[3]'],
  ['target.exit_id', 'target.exitId'],
  ['target.labels.my_label', 'target.labels.my_label'],
  ['timeout', 'timeoutMs'],
  ['page_token', 'nextToken'],
  ['sync', 'sync'],
])('%s is called %s here', (field, name) => {
  expect(restField(field)).toBe(name);
});
