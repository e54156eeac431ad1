// The guard's table: where a job may not go, however it is written, and where it may. 11.22.33.0/24 is the agent's home
// network, 44.0.0.0/30 its way to the pod, 93.184.215.14 and 2606:2800::14 are out on the internet.

export interface Row {
  readonly name: string;
  readonly url: string;
}

const to = (url: string) => `/to/${encodeURIComponent(url)}`;
const rows = (table: Readonly<Record<string, string>>): readonly Row[] =>
  Object.entries(table).map(([name, url]) => ({ name, url }));

/** Refused before any packet. */
export const refusedRows = rows({
  loopback: 'http://127.0.0.1/',
  'loopback, not .1': 'http://127.1.2.3/',
  'loopback, IPv6': 'http://[::1]/',
  'loopback by name': 'http://localhost/',
  'this host': 'http://0.0.0.0/',
  'this host, IPv6': 'http://[::]/',
  '10.0.0.0/8': 'http://10.0.0.5/',
  '172.16.0.0/12': 'http://172.16.0.5/',
  '192.168.0.0/16': 'http://192.168.1.5/',
  'metadata service': 'http://169.254.169.254/latest/meta-data/',
  'link-local, IPv6': 'http://[fe80::5]/',
  'carrier-grade NAT': 'http://100.64.0.5/',
  'unique local, IPv6': 'http://[fd00::5]/',
  'IPv4-mapped loopback': 'http://[::ffff:127.0.0.1]/',
  'IPv4-mapped private': 'http://[::ffff:192.168.1.5]/',
  'NAT64 of private': 'http://[64:ff9b::c0a8:105]/',
  '6to4 of private': 'http://[2002:c0a8:105::1]/',
  multicast: 'http://224.0.0.1/',
  broadcast: 'http://255.255.255.255/',
  reserved: 'http://240.0.0.5/',
  documentation: 'http://203.0.113.5/',
  'documentation, IPv6': 'http://[2001:db8::5]/',
  benchmarking: 'http://198.18.0.5/',
  'decimal host': 'http://3232235781/',
  'octal host': 'http://0300.0250.01.05/',
  'hexadecimal host': 'http://0xc0a80105/',
  'host with few parts': 'http://127.1/',
  'its own address': 'http://11.22.33.2/',
  'its gateway': 'http://11.22.33.1/',
  'its own subnet': 'http://11.22.33.77/',
  'its own address, IPv6': 'http://[2a00:1::2]/',
  'its address as the pod sees it': 'http://44.0.0.2/',
  'a name of a private address': 'http://lan.test/',
  'a name of a public and a private address': 'http://mixed.test/',
  'a name of a public and a unique local address': 'http://mixed6.test/',
});

/** Refused at the second hop: the first one is allowed and counts. */
export const redirectRows = rows({
  'a redirect into the LAN': `http://public.test${to('http://192.168.1.5/secret')}`,
  'a redirect to the metadata service': `http://public.test${to('http://169.254.169.254/secret')}`,
  'a redirect to a name in the LAN': `http://public.test${to('http://lan.test/secret')}`,
  'a redirect to a decimal host': `http://public.test${to('http://3232235781/secret')}`,
});

/** Public at the first question, private from the second on. */
export const rebindingRow: Row = { name: 'a name that turns private', url: 'http://rebind.test/secret' };

/** The same network, the same name server, and an answer. */
export const allowedRows = rows({
  'a public address': 'http://93.184.215.14/echo',
  'a public name': 'http://public.test/echo',
  'a public address, IPv6': 'http://[2606:2800::14]/echo',
});

export const zone = {
  'lan.test': [['192.168.1.5']],
  'mixed.test': [['93.184.215.14', '192.168.1.5']],
  'mixed6.test': [['93.184.215.14', 'fd00::5']],
  'public.test': [['93.184.215.14']],
  'rebind.test': [['93.184.215.14'], ['192.168.1.5']],
} as const;

/** Addresses at which something would answer if the guard let a job through. */
export const lanAddresses = [
  '10.0.0.5/32',
  '172.16.0.5/32',
  '192.168.1.5/32',
  '169.254.169.254/32',
  '100.64.0.5/32',
  '203.0.113.5/32',
  '198.18.0.5/32',
  '240.0.0.5/32',
  'fd00::5/128',
  '64:ff9b::c0a8:105/128',
  '2002:c0a8:105::1/128',
  '2001:db8::5/128',
];
export const internetAddresses = ['93.184.215.14/32', '2606:2800::14/128'];
